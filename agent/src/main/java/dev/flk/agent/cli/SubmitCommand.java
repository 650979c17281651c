// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.source.Intake;
import java.io.InputStream;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.Callable;
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
        long added = 0;
        long refused = 0;
        try (Outbox outbox = Outbox.open(config.outbox(), InstantSource.system())) {
            Intake intake = new Intake(outbox);
            for (String file : files) {
                Intake.Result result = take(intake, file);
                added += result.added();
                refused += result.refused().size();
                for (Intake.Refused one : result.refused()) {
                    context.err().println("flk-agent: " + file + ", line " + one.line() + ": " + one.reason());
                }
            }
        }
        context.out()
                .println(added + " certificates added to the outbox "
                        + config.outbox().directory() + (refused == 0 ? "" : ", " + refused + " refused"));
        return refused == 0 ? 0 : 1;
    }

    private Intake.Result take(Intake intake, String file) throws Exception {
        boolean lines = file.equals("-") || file.endsWith(".ndjson") || file.endsWith(".jsonl");
        try (InputStream in = Streams.open(file, context)) {
            return lines ? intake.addLines(in) : intake.addOne(in);
        }
    }
}
