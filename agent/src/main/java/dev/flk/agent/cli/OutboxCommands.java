// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.DeadLetterFile;
import dev.flk.agent.outbox.Outbox.OutboxLocked;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.agent.outbox.OutboxCompaction.Report;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.agent.outbox.OutboxInspector.Check;
import dev.flk.agent.outbox.OutboxInspector.HistoryEntry;
import dev.flk.agent.outbox.Requeue;
import dev.flk.agent.outbox.Requeue.Counts;
import dev.flk.agent.outbox.Requeue.Selection;
import dev.flk.agent.outbox.SettledAs;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.outbox.certificate.JsonMembers;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.json.Json;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The commands that show, check and compact the outbox. */
final class OutboxCommands {
    private final Context context;

    OutboxCommands(Context context) {
        this.context = context;
    }

    /** The command {@code outbox} with its subcommands. */
    @Command(name = "outbox", header = "Show the outbox, or send what a backend has lost again.")
    final class Show implements Runnable {
        @Override
        public void run() {
            throw new UsageError("name a subcommand: cat or requeue");
        }

        @Command(
                name = "cat",
                header = "Show every entry and its outcome.",
                description = {
                    "Shows the entries in the outbox: those that wait, and those that were settled",
                    "and not yet compacted. Also works while an agent runs."
                })
        int cat(
                @Option(names = "--json", description = "Print JSON objects, with the certificates.") boolean json,
                @Option(names = "--waiting", description = "Show only entries that wait.") boolean waiting)
                throws Exception {
            Output output = context.output(json);
            new OutboxInspector(context.config().outbox().directory()).history(found -> {
                if (!waiting || found.settlement().isEmpty()) {
                    output.print(CatEntry.of(found), CatEntry::text);
                }
            });
            return 0;
        }

        @Command(
                name = "requeue",
                header = "Send settled certificates again that a backend has lost.",
                description = {
                    "Makes them wait in the outbox again. The agent sends them after all others, and a",
                    "backend answers those that it has as duplicates. Certificates that are older than",
                    "MAX_AGE are left out. Also works while an agent runs, and can be repeated."
                })
        int requeue(
                @Option(
                                names = "--since",
                                paramLabel = "TIME",
                                required = true,
                                description = "Only certificates answered since this time, such as"
                                        + " 2026-11-20T08:00:00Z, or 2d for two days ago.")
                        String since,
                @Option(
                                names = "--until",
                                paramLabel = "TIME",
                                description = "Only certificates added to the outbox until this time.")
                        @Nullable
                        String until,
                @Option(names = "--shard", paramLabel = "ID", description = "Only certificates of this shard.")
                        @Nullable
                        String shard,
                @Option(names = "--dry-run", description = "Only count them.") boolean dryRun)
                throws Exception {
            AgentConfig config = context.config();
            Duration maxAge = config.sending().options().maxAge();
            Selection selection = new Selection(
                    Context.time("--since", since),
                    Optional.ofNullable(until).map(text -> Context.time("--until", text)),
                    Optional.ofNullable(shard),
                    Instant.now().minus(maxAge));
            Counts counts = dryRun
                    ? Requeue.count(config.outbox().directory(), selection)
                    : OutboxAccess.either(
                            config, outbox -> outbox.requeue(selection), agent -> agent.requeue(selection));
            context.say(ErrorMessages.count(counts.certificates(), "certificate")
                    + (dryRun ? " would wait again" : counts.certificates() == 1 ? " waits again" : " wait again"));
            if (counts.tooOld() > 0) {
                context.say(ErrorMessages.count(counts.tooOld(), "certificate") + " left out: older than MAX_AGE ("
                        + ErrorMessages.duration(maxAge) + "), so a backend may have forgotten the outcome");
            }
            return 0;
        }
    }

    /**
     * An entry to print. {@code fate} is {@code waits} if the entry is pending; otherwise it says how the entry was
     * settled, as {@link SettledAs#word} does.
     */
    private record CatEntry(long outboxSeq, String added, String pcsId, String fate, RawValue certificate) {
        private static final String NO_ID = "(no id)";

        static CatEntry of(HistoryEntry found) {
            String pcsId = NO_ID;
            try {
                if (found.certificate().length <= CertificateLimit.BYTES) {
                    pcsId = CertificateReader.parse(found.certificate())
                            .signed()
                            .pcsId();
                }
            } catch (MalformedCertificate e) {
                // keeps NO_ID
            }
            return new CatEntry(
                    found.entry().sequence(),
                    Instant.ofEpochMilli(found.entry().addedMillis()).toString().replaceFirst("\\.\\d+", ""),
                    pcsId,
                    found.settlement().map(SettledAs::word).orElse("waits"),
                    Json.raw(JsonMembers.onOneLine(found.certificate())));
        }

        String text() {
            return described(
                            switch (fate) {
                                case "200" -> "answered 200: accepted";
                                case "202" -> "answered 202: escalated or rejected";
                                case "dead" -> "given up: now a dead letter";
                                case "lost" -> "lost to disk damage";
                                default -> fate;
                            })
                    + System.lineSeparator();
        }

        String described(String outcome) {
            // does not print a malformed id, which may be too long or contain control characters
            String id = PcsId.isHex64(pcsId) ? pcsId : "(malformed id)";
            return Context.at80(String.format("%s  #%-8d %s", added, outboxSeq, outcome), 4) + System.lineSeparator()
                    + "    " + id;
        }
    }

    @Command(
            name = "fsck",
            header = "Check the outbox for damage, and repair it.",
            description = {
                "Reads the entire outbox, verifies every checksum, and reports exactly which",
                "records are gone. Damaged files are copied to *.broken* and then repaired:",
                "every complete record remains. While an agent runs, and with --dry-run, it",
                "only checks; the agent skips damage by itself. Also names the damaged lines of",
                "the dead letters. Exit code 1 if a record is gone or a dead letter is damaged."
            })
    final class Fsck implements Callable<Integer> {
        @Option(names = "--dry-run", description = "Only check.")
        private boolean dryRun;

        @Override
        public Integer call() throws IOException {
            AgentConfig config = context.config();
            int exitCode = checkOutbox(config);
            List<String> damaged = DeadLetterFile.letters(config.deadLetters(), any -> true, letter -> {});
            damaged.forEach(context::say);
            return damaged.isEmpty() ? exitCode : 1;
        }

        private int checkOutbox(AgentConfig config) throws IOException {
            OutboxInspector outbox = new OutboxInspector(config.outbox().directory());
            Check found = outbox.check();
            context.say(config.outbox().directory() + ": " + ErrorMessages.count(found.records(), "complete record"));
            found.givenUp().forEach(line -> context.say("declared lost by an earlier repair: " + line));
            if (found.tornBytes() > 0) {
                context.say(ErrorMessages.count(found.tornBytes(), "byte") + " at the end "
                        + (found.tornBytes() == 1 ? "is" : "are")
                        + " not a complete record: left by a crash, or a running agent is writing");
            }
            found.brokenHeaders().forEach(context::say);
            found.foreign().forEach(context::say);
            if (found.isComplete() && (dryRun || found.brokenHeaders().isEmpty())) {
                return 0;
            }
            found.missing().forEach(context::say);
            if (found.missingRecords() > 0) {
                context.say(found.missingCount() + (found.missingRecords() == 1 ? " is" : " are") + " gone");
            }
            if (dryRun) {
                return 1;
            }
            try {
                outbox.repair().forEach(file -> context.say("set aside: " + file));
                context.say(
                        found.isComplete()
                                ? "the damaged headers were rewritten; nothing is gone"
                                : "the outbox is repaired, without the missing records");
            } catch (OutboxLocked e) {
                context.say(
                        e.getMessage() + "; nothing was repaired: the running agent itself skips the missing records");
            }
            return found.isComplete() ? 0 : 1;
        }
    }

    @Command(
            name = "compact",
            header = "Free the disk space of settled certificates.",
            description = {
                "Removes segments that were settled longer ago than the horizon, and compresses",
                "segments that were closed a day ago. Never removes a waiting certificate. For",
                "cron; also works while an agent runs, and on a full disk."
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

        @Override
        public Integer call() throws IOException {
            if (horizonDays < 0 || horizonDays > MOST_DAYS) {
                throw new UsageError("--horizon-days must be from 0 to " + MOST_DAYS + ", not " + horizonDays);
            }
            Duration horizon = Duration.ofDays(horizonDays);
            Mode mode = dryRun ? Mode.DRY_RUN : Mode.RUN;
            Report report = OutboxAccess.either(
                    context.config(), outbox -> outbox.compact(horizon, mode), agent -> agent.compact(horizon, mode));
            String would = dryRun ? "would be " : "";
            context.say(ErrorMessages.count(report.removedSegments(), "segment") + " " + would + "removed, "
                    + report.compressedSegments() + " " + would + "compressed, " + (dryRun ? "about " : "")
                    + ErrorMessages.bytes(Math.max(0, report.freedBytes())) + " " + would + "freed");
            context.say(ErrorMessages.count(report.pending(), "certificate")
                    + (report.pending() == 1 ? " waits" : " wait")
                    + (report.movedEntries() == 0 ? "" : "; " + report.movedEntries() + " " + would + "rewritten"));
            return 0;
        }
    }
}
