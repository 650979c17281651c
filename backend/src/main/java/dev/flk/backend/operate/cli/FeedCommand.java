// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.feed.FeedConfig;
import dev.flk.backend.feed.FeedReplay;
import dev.flk.backend.feed.FeedReplay.Replayed;
import dev.flk.backend.inbox.InboxDirectory.Decided;
import dev.flk.program.cli.ErrorMessages;
import java.io.IOException;
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
    int replay(
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
        long end = Math.min(to, decided.upTo());
        Replayed done = new FeedReplay(feed, decided.logId()).run(source.inspector(), from, end);
        source.output(spec)
                .print(
                        "summary",
                        new Summary(topic, done.events(), done.bodiesOmitted(), done.lastSequence()),
                        FeedCommand::text);
        return WalSource.report(done.damages(), end, spec.commandLine().getErr());
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
}
