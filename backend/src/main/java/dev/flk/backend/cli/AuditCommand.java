// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.audit.AuditReader;
import dev.flk.backend.audit.AuditReader.Entry;
import dev.flk.backend.audit.AuditReader.Found;
import dev.flk.backend.config.InvalidConfig;
import dev.flk.backend.config.LogRules;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code audit}: who did or tried what, when, and from where. */
@Command(
        name = "audit",
        description = {
            "Shows the audit log: starts, changes of configuration and keys, commands that",
            "changed something, refused signatures and conflicts, the oldest first.",
            "",
            "It only reads, and may run beside a backend. Times are in UTC.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:shown, or nothing to show", "1:it can't be read", "2:wrong usage or configuration"},
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class AuditCommand implements Callable<Integer> {
    private static final int COLUMNS = 80;
    private static final String INDENT = "    ";

    private final AuditedCommands audit;
    private final InstantSource clock;

    @Option(
            names = "--dir",
            paramLabel = "DIR",
            description = "Directory of the audit log; without it that of the configuration (AUDIT_DIR).")
    private @Nullable Path dir;

    @Option(names = "--since", paramLabel = "AGE", description = "Only what is not older, like 2h or 7d.")
    private @Nullable String since;

    @Option(
            names = "--event",
            paramLabel = "EVENT",
            description = "Only these, like key_revoked or signature_refused. May be repeated.")
    private List<String> events = new ArrayList<>();

    @Option(names = "--json", description = "For programs: one JSON object a line, as in the files.")
    private boolean json;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    AuditCommand(AuditedCommands audit, InstantSource clock) {
        this.audit = audit;
        this.clock = clock;
    }

    @Override
    public Integer call() throws IOException {
        Path directory = dir == null ? audit.directory(null) : dir;
        AuditReader reader = new AuditReader(directory);
        if (!reader.isThere()) {
            throw new IOException(
                    "there is no audit log in " + directory + "; name its directory with --dir or AUDIT_DIR");
        }
        Found found = reader.since(start());
        PrintWriter out = spec.commandLine().getOut();
        for (Entry entry : found.entries()) {
            if (events.isEmpty() || events.contains(entry.event())) {
                out.print(json ? entry.json() + "\n" : asText(entry));
            }
        }
        out.flush();
        if (found.unreadable() > 0) {
            PrintWriter err = spec.commandLine().getErr();
            err.println(Quantity.count(found.unreadable(), "line")
                    + " left out: not whole, as a power failure leaves them");
            err.flush();
        }
        return ExitCode.OK;
    }

    private Instant start() {
        if (since == null) {
            return Instant.EPOCH;
        }
        try {
            return clock.instant().minus(LogRules.duration(since));
        } catch (IllegalArgumentException | DateTimeException | ArithmeticException e) {
            throw new InvalidConfig(List.of("--since: '" + since + "' is " + e.getMessage()));
        }
    }

    private static String asText(Entry entry) {
        StringBuilder text = new StringBuilder();
        text.append(entry.time()).append("  ").append(ListedKey.quoted(entry.event()));
        StringBuilder line = new StringBuilder(INDENT);
        for (var detail : entry.details().entrySet()) {
            String shown = ListedKey.quoted(detail.getKey()) + "=" + ListedKey.quoted(detail.getValue());
            if (line.length() > INDENT.length() && line.length() + 1 + shown.length() > COLUMNS) {
                text.append('\n').append(line);
                line = new StringBuilder(INDENT);
            }
            line.append(line.length() == INDENT.length() ? "" : " ").append(shown);
        }
        return text.append('\n')
                .append(line.length() > INDENT.length() ? line + "\n" : "")
                .toString();
    }
}
