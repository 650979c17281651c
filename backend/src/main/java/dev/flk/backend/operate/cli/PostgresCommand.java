// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.BackendConfig.InPostgres;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresCheck;
import dev.flk.backend.stores.postgres.PostgresCheck.Finding;
import dev.flk.backend.stores.postgres.PostgresCheck.Grade;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.Schema;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.config.InvalidConfig;
import java.io.IOException;
import java.time.InstantSource;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code postgres}. */
@Command(name = "postgres", description = "Commands about the Postgres server of the configuration.")
final class PostgresCommand {
    private static final int LABEL_COLUMNS = 23;

    private final Configuration config;
    private final InstantSource clock;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    PostgresCommand(Configuration config, InstantSource clock) {
        this.config = config;
        this.clock = clock;
    }

    @Command(
            name = "check",
            description = {
                "Checks whether the server is fit for production, and says what to do.",
                "",
                "It changes nothing. It needs no running backend; a role that is a member of",
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
        BackendConfig read = config.loadQuietly();
        InPostgres used = inPostgres(read);
        List<Finding> findings;
        try {
            findings = new PostgresCheck(used.server(), used.pools(), clock).run();
        } catch (IOException e) {
            spec.commandLine().getErr().println(CommandLineProgram.NAME + ": " + IoMessages.describe(e));
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
                "A backend does this itself when it connects. The command is for a login that",
                "owns the tables, if the backend's own login may not create any.",
                ""
            })
    int migrate() throws IOException {
        BackendConfig read = config.loadQuietly();
        Map<Pool, PostgresConfig> servers = new EnumMap<>(Pool.class);
        read.sessions().flatMap(SessionConfig::database).ifPresent(database -> servers.put(Pool.SESSIONS, database));
        if (servers.isEmpty() || read.inPostgres().isPresent()) {
            InPostgres used = inPostgres(read);
            used.pools().forEach(pool -> servers.put(pool, used.server()));
        }
        for (Map.Entry<Pool, PostgresConfig> each : servers.entrySet()) {
            String version = Schema.of(each.getKey()).migrate(each.getValue());
            spec.commandLine()
                    .getOut()
                    .println("the tables of the " + each.getKey().label() + " pool are at version " + version);
        }
        return ExitCode.OK;
    }

    private static InPostgres inPostgres(BackendConfig config) {
        return config.inPostgres()
                .orElseThrow(() -> new InvalidConfig(List.of(
                        "DEDUP_BACKEND, STATE_ENGINE, RECORD_STORE: none is postgres, so there is no server to use")));
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
