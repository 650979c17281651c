// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.feed.FeedConfig;
import dev.flk.backend.feed.FeedEvents;
import dev.flk.backend.feed.FeedEvents.OutcomeEvent;
import dev.flk.backend.inbox.InboxDirectory.Decided;
import dev.flk.copy.kafka.KafkaEvents;
import dev.flk.feed.FeedEvent;
import dev.flk.feed.FeedUnavailableException;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.wal.LogInspector;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code feed}. */
@Command(
        name = "feed",
        description = {"Commands about the feed of outcomes in a topic of Kafka.", ""})
final class FeedCommand {
    private static final int EVENTS_AT_ONCE = 500;
    private static final long BYTES_AT_ONCE = 4 << 20;

    @Mixin
    private final WalSource source;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    private FeedCommand(WalSource source) {
        this.source = source;
    }

    static CommandLine with(WalSource source) {
        return new CommandLine(new FeedCommand(source));
    }

    @Command(
            name = "replay",
            description = {
                "Writes the outcomes in the log to another topic, as the feed does.",
                "",
                "For a consumer that needs outcomes which the topic of the feed no longer has,",
                "or never had. A backend may run meanwhile; what it decides later is left out.",
                "Create the topic first. Reviews are not in the log, and not repeated. After a",
                "failure, some events are written, and a second run repeats them.",
                ""
            },
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {
                "0:done",
                "1:records are missing in between, the topic can't be written, or no log is there",
                "2:wrong usage"
            })
    private int replay(
            @Option(names = "--from", paramLabel = "SEQ", required = true, description = "The first record.") long from,
            @Option(names = "--to", paramLabel = "SEQ", description = "The last record.", defaultValue = "0") long last,
            @Option(names = "--to-topic", paramLabel = "TOPIC", required = true, description = "The topic.")
                    String topic)
            throws IOException {
        long to = last == 0 ? Long.MAX_VALUE : last;
        WalSource.checkRange(spec.commandLine(), from, to);
        FeedConfig feed = source.feedTo(topic);
        source.requireLog();
        Decided decided = source.inbox()
                .decided()
                .orElseThrow(() -> new IOException(source.directory()
                        + " has no inbox.mark, so it is not known what is decided; start the backend"));
        try (KafkaEvents target = new KafkaEvents(feed.kafka(), feed.topic())) {
            Replay replay = new Replay(target, new FeedEvents(decided.logId()));
            List<Damage> damages = replay.run(source.inspector(), from, Math.min(to, decided.upTo()));
            source.output(spec).print("summary", replay.summary(topic), FeedCommand::text);
            return WalSource.report(
                    damages, Math.min(to, decided.upTo()), spec.commandLine().getErr());
        } catch (FeedUnavailableException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private record Summary(String topic, long events, long bodiesOmitted, long lastSequence) {}

    private static String text(Summary done) {
        return ErrorMessages.count(done.events(), "event") + " written to " + done.topic()
                + (done.events() == 0 ? "" : ", up to sequence " + done.lastSequence())
                + (done.bodiesOmitted() == 0
                        ? ""
                        : "; " + done.bodiesOmitted() + " without the certificate, which is too large for the topic")
                + "\n";
    }

    /** A replay. An overruled record comes after the submission that it names, so the log is read twice. */
    private static final class Replay {
        private final KafkaEvents target;
        private final FeedEvents events;
        private final LoggedOutcomes outcomes = new LoggedOutcomes();
        private final List<FeedEvent> collected = new ArrayList<>();
        private long bytes;
        private long written;
        private long omitted;
        private long last;

        Replay(KafkaEvents target, FeedEvents events) {
            this.target = target;
            this.events = events;
        }

        List<Damage> run(LogInspector log, long from, long to) throws IOException {
            try (LogWalk walk = log.walk(from)) {
                for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                    outcomes.note(record);
                }
            }
            try (LogWalk walk = log.walk(from)) {
                for (LogRecord record = walk.next(); record != null && record.sequence() <= to; record = walk.next()) {
                    if (LoggedOutcomes.isSubmission(record) && !outcomes.isOverruled(record)) {
                        add(record);
                    }
                }
                send();
                return walk.damages();
            }
        }

        private void add(LogRecord submission) throws IOException {
            OutcomeEvent event = events.outcome(submission, outcomes.compare(submission, null), target.maxValueBytes());
            collected.add(event.event());
            bytes += event.event().value().length;
            omitted += event.isWhole() ? 0 : 1;
            last = submission.sequence();
            if (collected.size() == EVENTS_AT_ONCE || bytes >= BYTES_AT_ONCE) {
                send();
            }
        }

        private void send() {
            target.send(collected);
            written += collected.size();
            collected.clear();
            bytes = 0;
        }

        Summary summary(String topic) {
            return new Summary(topic, written, omitted, last);
        }
    }
}
