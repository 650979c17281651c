// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.certificate.CertificateSink;
import dev.flk.agent.source.Intake;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Terminal.RewrittenLine;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
        name = "submit",
        header = "Put certificates into the outbox.",
        description = {
            "Puts certificates into the outbox; they are on disk when the command returns,",
            "and are signed when they are sent. Invalid certificates are reported and",
            "skipped. Also works while an agent runs."
        })
final class SubmitCommand implements Callable<Integer> {
    private final Context context;

    @Parameters(
            arity = "1..*",
            paramLabel = "FILE",
            description = {
                "A certificate; *.ndjson and *.jsonl files contain one per line, and",
                "so does standard input, written as -."
            })
    private List<String> files = List.of();

    SubmitCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        AgentConfig config = context.config();
        for (String file : files) {
            if (!isReadOnce(file)) {
                // first opens each file once, to report a mistyped name before anything is added
                context.open(file).close();
            }
        }
        return OutboxAccess.either(config, this::submitTo, this::submitTo);
    }

    private int submitTo(CertificateSink sink) throws IOException {
        AtomicLong refused = new AtomicLong();
        RewrittenLine progress = context.rewrittenLine();
        OptionalLong all = all();
        String of = all.isPresent() ? " of " + number(all.getAsLong()) : "";
        Intake intake = new Intake(sink, added -> progress.show(number(added) + of + " certificates added"));
        try {
            for (String file : files) {
                take(intake, file, one -> {
                    progress.clear();
                    refused.incrementAndGet();
                    context.complain(file + ", line " + one.line() + ": " + one.reason());
                });
            }
        } finally {
            progress.clear();
            context.say(ErrorMessages.count(intake.added(), "certificate") + " added to the outbox " + sink.name()
                    + (refused.get() == 0 ? "" : ", " + refused + " refused"));
        }
        return refused.get() == 0 ? 0 : 1;
    }

    private static String number(long count) {
        return String.format(Locale.ROOT, "%,d", count);
    }

    private void take(Intake intake, String file, Consumer<Intake.Refused> refused) throws IOException {
        try (InputStream in = context.open(file)) {
            if (hasLines(file)) {
                intake.addLines(in, refused);
            } else {
                intake.addOne(in, refused);
            }
        }
    }

    /** Returns whether an input can be read only once, such as standard input or a pipe. */
    private static boolean isReadOnce(String file) {
        Path path = Path.of(file);
        return file.equals("-") || (Files.exists(path) && !Files.isRegularFile(path) && !Files.isDirectory(path));
    }

    private static boolean hasLines(String file) {
        return file.equals("-") || file.endsWith(".ndjson") || file.endsWith(".jsonl");
    }

    /**
     * Returns the total number of certificates in the files, for the progress line. Returns empty if no progress is
     * shown, or if a file can be read only once.
     */
    private OptionalLong all() throws IOException {
        if (!context.isWatched() || files.stream().anyMatch(SubmitCommand::isReadOnce)) {
            return OptionalLong.empty();
        }
        long all = 0;
        for (String file : files) {
            if (hasLines(file)) {
                try (InputStream in = context.open(file)) {
                    all += Intake.countLines(in);
                }
            } else {
                all++;
            }
        }
        return OptionalLong.of(all);
    }
}
