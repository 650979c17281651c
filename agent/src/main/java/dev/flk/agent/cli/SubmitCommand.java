// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.source.Intake;
import java.io.IOException;
import java.io.InputStream;
import java.time.InstantSource;
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
            "signed when they are sent. What is no certificate is named and left out."
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
        AtomicLong refused = new AtomicLong();
        try (Outbox outbox = Outbox.open(config.outbox(), InstantSource.system())) {
            Intake intake = new Intake(outbox);
            try {
                for (String file : files) {
                    take(intake, file, one -> {
                        refused.incrementAndGet();
                        context.err().println("flk-agent: " + file + ", line " + one.line() + ": " + one.reason());
                    });
                }
            } finally {
                context.out()
                        .println(intake.added() + " certificates added to the outbox "
                                + config.outbox().directory()
                                + (refused.get() == 0 ? "" : ", " + refused + " refused"));
            }
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
