// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.DeadLetterFile;
import dev.flk.agent.outbox.OutboxView;
import java.io.IOException;
import java.io.StringWriter;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "status",
        header = "Tell what waits and what was given up.",
        description = "Works also while an agent runs.")
final class StatusCommand implements Callable<Integer> {
    private final Context context;

    @Option(names = "--json", description = "As one JSON object.")
    private boolean json;

    StatusCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        AgentConfig config = context.config();
        OutboxView outbox = OutboxView.read(config.outbox().directory());
        int deadLetters = DeadLetterFile.count(config.deadLetters());
        context.out().println(json ? asJson(outbox, deadLetters) : asText(config, outbox, deadLetters));
        return 0;
    }

    private static String asText(AgentConfig config, OutboxView outbox, int deadLetters) {
        StringBuilder text = new StringBuilder();
        text.append("outbox ").append(config.outbox().directory()).append(": ");
        text.append(outbox.pendingEntries())
                .append(" waiting, ")
                .append(outbox.pendingBytes())
                .append(" bytes");
        added(outbox).ifPresent(added -> text.append(", the oldest since ").append(added));
        if (outbox.lostRecords() > 0) {
            text.append(", ").append(outbox.lostRecords()).append(" records lost to damage of the disk");
        }
        text.append('\n');
        text.append("dead letters ").append(config.deadLetters()).append(": ").append(deadLetters);
        return text.toString();
    }

    private static String asJson(OutboxView outbox, int deadLetters) throws IOException {
        StringWriter text = new StringWriter();
        try (JsonGenerator out = new JsonFactory().createGenerator(text)) {
            out.writeStartObject();
            out.writeNumberField("pending", outbox.pendingEntries());
            out.writeNumberField("pending_bytes", outbox.pendingBytes());
            if (added(outbox).isPresent()) {
                Instant added = added(outbox).get();
                out.writeStringField("oldest_added", added.toString());
                out.writeNumberField(
                        "oldest_pending_seconds",
                        Duration.between(added, Instant.now()).toSeconds());
            }
            out.writeNumberField("lost_records", outbox.lostRecords());
            out.writeNumberField("dlq_entries", deadLetters);
            out.writeEndObject();
        }
        return text.toString();
    }

    private static Optional<Instant> added(OutboxView outbox) {
        return outbox.oldest().map(entry -> Instant.ofEpochMilli(entry.addedMillis()));
    }
}
