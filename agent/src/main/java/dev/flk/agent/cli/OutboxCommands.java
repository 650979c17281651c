// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.Outbox.OutboxLocked;
import dev.flk.agent.outbox.OutboxCheck;
import dev.flk.agent.outbox.OutboxCheck.Found;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.agent.outbox.OutboxCompaction.Report;
import dev.flk.agent.outbox.OutboxHistory;
import dev.flk.agent.outbox.OutboxHistory.HistoryEntry;
import dev.flk.agent.outbox.SettledAs;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Json;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The commands that show, check and compact the outbox. */
final class OutboxCommands {
    private final Context context;

    OutboxCommands(Context context) {
        this.context = context;
    }

    @Command(name = "outbox", header = "Show the outbox.")
    final class Look implements Runnable {
        @Spec
        @SuppressWarnings("NullAway.Init") // picocli sets it
        private CommandSpec spec;

        @Override
        public void run() {
            throw new ParameterException(spec.commandLine(), "name a subcommand: cat");
        }

        @Command(
                name = "cat",
                header = "Show every entry and its outcome.",
                description = {
                    "Shows the entries in the outbox: those that wait, and those that were settled",
                    "and not yet compacted. Also works while an agent runs."
                })
        int cat(
                @Option(names = "--json", description = "JSON objects, with the certificates.") boolean json,
                @Option(names = "--waiting", description = "Show only entries that wait.") boolean waiting)
                throws Exception {
            OutboxHistory.read(context.config().outbox().directory(), found -> {
                if (!waiting || found.settlement().isEmpty()) {
                    context.out().println(json ? asJson(found) : asText(found));
                }
            });
            return 0;
        }

        private static String asText(HistoryEntry found) {
            return String.format(
                    "%s  #%-8d %s%n    %s",
                    time(found),
                    found.entry().sequence(),
                    found.settlement().map(Look::describe).orElse("waits"),
                    shown(pcsId(found)));
        }

        private static String describe(SettledAs fate) {
            return switch (fate) {
                case ACCEPTED -> "answered 200: accepted";
                case ESCALATED -> "answered 202: escalated or rejected";
                case DEAD -> "given up: among the dead letters";
                case LOST -> "lost to disk damage";
            };
        }

        /** An entry as {@code --json} prints it. */
        private record Shown(long outboxSeq, String added, String pcsId, String fate, RawValue certificate) {}

        private static String asJson(HistoryEntry found) {
            return Json.line(new Shown(
                            found.entry().sequence(),
                            time(found),
                            pcsId(found),
                            found.settlement().map(SettledAs::word).orElse("waits"),
                            Json.raw(new String(found.certificate(), StandardCharsets.UTF_8)
                                    .replace('\n', ' ')
                                    .replace('\r', ' '))))
                    .strip();
        }

        /** Returns a well-formed id unchanged; any other text may be too long or contain control characters, and is replaced. */
        private static String shown(String pcsId) {
            return PcsId.isHex64(pcsId) ? pcsId : "(malformed id)";
        }

        private static String time(HistoryEntry found) {
            return Instant.ofEpochMilli(found.entry().addedMillis()).toString().replaceFirst("\\.\\d+", "");
        }

        private static String pcsId(HistoryEntry found) {
            try {
                return CertificateReader.parse(found.certificate()).signed().pcsId();
            } catch (MalformedCertificate e) {
                return "(no id)";
            }
        }
    }

    @Command(
            name = "fsck",
            header = "Check the outbox for damage, and repair it.",
            description = {
                "Reads the entire outbox, verifies every checksum, and reports exactly which",
                "records are gone. Damaged files are copied to *.broken* and then repaired:",
                "every complete record remains. While an agent runs, and with --dry-run, it",
                "only checks; the agent skips damage by itself. Exit code 1 if a record is gone."
            })
    final class Fsck implements Callable<Integer> {
        @Option(names = "--dry-run", description = "Only check.")
        private boolean dryRun;

        @Override
        public Integer call() throws Exception {
            AgentConfig config = context.config();
            OutboxCheck check = new OutboxCheck(config.outbox().directory());
            Found found = check.look();
            context.say(config.outbox().directory() + ": " + ErrorMessages.count(found.records(), "complete record"));
            found.givenUp().forEach(line -> context.say("given up before: " + line));
            if (found.tornBytes() > 0) {
                context.say(ErrorMessages.count(found.tornBytes(), "byte") + " at the end "
                        + (found.tornBytes() == 1 ? "is" : "are")
                        + " not a complete record: left by a crash, or a running agent is writing");
            }
            found.brokenHeaders().forEach(context::say);
            found.foreign().forEach(context::say);
            if (found.isWhole() && (dryRun || found.brokenHeaders().isEmpty())) {
                return 0;
            }
            found.missing().forEach(context::say);
            if (!found.isWhole()) {
                context.say(ErrorMessages.count(found.missingRecords(), "record")
                        + (found.missingRecords() == 1 ? " is" : " are") + " gone");
            }
            if (dryRun) {
                return 1;
            }
            try {
                check.repair().forEach(file -> context.say("set aside: " + file));
                context.say(
                        found.isWhole()
                                ? "the damaged headers were rewritten; nothing is gone"
                                : "the outbox is repaired, without the missing records");
            } catch (OutboxLocked e) {
                context.say(e.getMessage() + "; nothing is repaired while it runs: it skips the missing records");
            }
            return found.isWhole() ? 0 : 1;
        }
    }

    @Command(
            name = "compact",
            header = "Free the space of certificates that were sent.",
            description = {
                "Removes what was settled longer ago than the horizon, a segment at a time, and",
                "compresses segments that were closed a day ago. Never removes a waiting",
                "certificate. For cron; also works through a running agent, and on a full disk."
            })
    final class Compact implements Callable<Integer> {
        private static final int MOST_DAYS = 36_500;

        @Option(
                names = "--horizon-days",
                paramLabel = "N",
                defaultValue = "14",
                description = "How long settled certificates are kept (default: ${DEFAULT-VALUE}).")
        private int horizonDays;

        @Option(names = "--dry-run", description = "Only report what would be done.")
        private boolean dryRun;

        @Spec
        @SuppressWarnings("NullAway.Init") // picocli sets it
        private CommandSpec spec;

        @Override
        public Integer call() throws Exception {
            if (horizonDays < 0 || horizonDays > MOST_DAYS) {
                throw new ParameterException(
                        spec.commandLine(), "--horizon-days must be from 0 to " + MOST_DAYS + ", not " + horizonDays);
            }
            AgentConfig config = context.config();
            Duration horizon = Duration.ofDays(horizonDays);
            Mode mode = dryRun ? Mode.DRY_RUN : Mode.RUN;
            Report report = OutboxAccess.either(
                    config, outbox -> outbox.compact(horizon, mode), agent -> agent.compact(horizon, mode));
            describe(report).forEach(context::say);
            return 0;
        }

        private List<String> describe(Report report) {
            String freed = ErrorMessages.bytes(Math.max(0, report.freedBytes()));
            String waiting =
                    ErrorMessages.count(report.pending(), "certificate") + (report.pending() == 1 ? " waits" : " wait");
            return dryRun
                    ? List.of(
                            ErrorMessages.count(report.removedSegments(), "segment") + " would be removed, "
                                    + report.compressedSegments() + " would be compressed, about " + freed
                                    + " would be freed",
                            report.movedEntries() == 0
                                    ? waiting
                                    : waiting + "; " + report.movedEntries() + " would be rewritten")
                    : List.of(
                            ErrorMessages.count(report.removedSegments(), "segment") + " removed, "
                                    + report.compressedSegments() + " compressed, " + freed + " freed",
                            report.movedEntries() == 0
                                    ? waiting
                                    : waiting + "; " + report.movedEntries() + " rewritten");
        }
    }
}
