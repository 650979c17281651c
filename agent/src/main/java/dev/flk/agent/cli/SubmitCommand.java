// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.CertificateSink;
import dev.flk.agent.source.Intake;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
        name = "submit",
        header = "Put certificates into the outbox.",
        description = {
            "Puts certificates into the outbox; they are on disk when it returns. They are",
            "signed when they are sent. What is no certificate is named and left out.",
            "Works also while an agent runs, through it."
        })
final class SubmitCommand implements Callable<Integer> {
    private final Context context;

    @Parameters(
            arity = "1..*",
            paramLabel = "FILE",
            description = {
                "A certificate; *.ndjson and *.jsonl have one a line, and so has",
                "standard input, which is called -."
            })
    private List<String> files = List.of();

    SubmitCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        AgentConfig config = context.config();
        for (String file : files) {
            if (!file.equals("-")) {
                // a name that was mistyped is told before anything is added
                Streams.open(file, context).close();
            }
        }
        return OutboxAccess.either(config, this::submitTo, this::submitTo);
    }

    private int submitTo(CertificateSink sink) throws IOException {
        AtomicLong refused = new AtomicLong();
        Progress progress = new Progress(context.err());
        Intake intake = new Intake(sink, progress::show);
        try {
            for (String file : files) {
                take(intake, file, one -> {
                    progress.clear();
                    refused.incrementAndGet();
                    context.err().println("flk-agent: " + file + ", line " + one.line() + ": " + one.reason());
                });
            }
        } finally {
            progress.clear();
            context.out()
                    .println(intake.added() + " certificates added to the outbox " + sink.name()
                            + (refused.get() == 0 ? "" : ", " + refused + " refused"));
        }
        return refused.get() == 0 ? 0 : 1;
    }

    private void take(Intake intake, String file, Consumer<Intake.Refused> refused) throws IOException {
        boolean lines = file.equals("-") || file.endsWith(".ndjson") || file.endsWith(".jsonl");
        try (InputStream in = Streams.open(file, context)) {
            if (lines) {
                intake.addLines(in, refused);
            } else {
                intake.addOne(in, refused);
            }
        }
    }
}
