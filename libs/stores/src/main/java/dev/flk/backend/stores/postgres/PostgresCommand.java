// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresCheck.Finding;
import dev.flk.backend.stores.postgres.PostgresCheck.Grade;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.config.InvalidConfig;
import java.io.IOException;
import java.time.InstantSource;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code postgres}. */
@Command(name = "postgres", description = "Commands about the Postgres server of the configuration.")
public final class PostgresCommand {
    private static final int LABEL_COLUMNS = 23;

    private final String program;
    private final Supplier<Map<Pool, PostgresConfig>> servers;
    private final InstantSource clock;
    private final String none;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    /**
     * @param program the name of the program, such as {@code flk-backend}
     * @param servers returns the server of each pool of the configuration; all pools but that of sessions have the same
     * @param none the problem of a configuration that has no such pool
     */
    public PostgresCommand(
            String program, Supplier<Map<Pool, PostgresConfig>> servers, String none, InstantSource clock) {
        this.program = program;
        this.servers = servers;
        this.none = none;
        this.clock = clock;
    }

    @Command(
            name = "check",
            description = {
                "Checks whether the server is fit for production, and says what to do.",
                "",
                "It changes nothing. It needs no running program; a role that is a member of",
                "pg_monitor sees more.",
                ""
            },
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {
                "0:every value is within its limit",
                "1:a value has passed its limit",
                "2:something could not be checked; or wrong usage or configuration"
            })
    int check(@Option(names = "--json", description = "One JSON object per line.") boolean json) {
        Map<Pool, PostgresConfig> checked = new EnumMap<>(required());
        checked.remove(Pool.SESSIONS);
        PostgresConfig server =
                checked.values().stream().findFirst().orElseThrow(() -> new InvalidConfig(List.of(none)));
        List<Finding> findings;
        try {
            findings = new PostgresCheck(server, checked.keySet(), clock).run();
        } catch (IOException e) {
            spec.commandLine().getErr().println(program + ": " + IoMessages.describe(e));
            return ExitCode.USAGE;
        }
        new Output(spec.commandLine().getOut()::print, json)
                .printAll(
                        "point",
                        findings,
                        all -> all.stream().map(PostgresCommand::asText).collect(Collectors.joining()));
        return has(findings, Grade.BAD)
                ? ExitCode.SOFTWARE
                : has(findings, Grade.UNKNOWN) ? ExitCode.USAGE : ExitCode.OK;
    }

    @Command(
            name = "migrate",
            description = {
                "Creates the tables, or brings them up to date.",
                "",
                "The program does this itself when it connects. The command is for a login that",
                "owns the tables, if the program's own login may not create any.",
                ""
            })
    int migrate() throws IOException {
        for (Map.Entry<Pool, PostgresConfig> each : required().entrySet()) {
            String version = Schema.of(each.getKey()).migrate(each.getValue());
            spec.commandLine()
                    .getOut()
                    .println("the tables of the " + each.getKey().label() + " pool are at version " + version);
        }
        return ExitCode.OK;
    }

    private Map<Pool, PostgresConfig> required() {
        Map<Pool, PostgresConfig> found = servers.get();
        if (found.isEmpty()) {
            throw new InvalidConfig(List.of(none));
        }
        return found;
    }

    private static boolean has(List<Finding> findings, Grade grade) {
        return findings.stream().anyMatch(finding -> finding.grade() == grade);
    }

    private static String asText(Finding finding) {
        String grade = switch (finding.grade()) {
            case OK -> "ok   ";
            case BAD -> "BAD  ";
            case UNKNOWN -> "?    ";
        };
        boolean isOk = finding.grade() == Grade.OK;
        return Paragraph.wrapped(
                LABEL_COLUMNS,
                grade + finding.point() + "\t" + finding.measured()
                        + (finding.limit().isEmpty() || isOk ? "" : " (limit: " + finding.limit() + ")")
                        + (finding.advice().isEmpty() ? "" : "; " + finding.advice()));
    }
}
