// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.flk.agent.outbox.OutboxHistory;
import dev.flk.agent.outbox.OutboxHistory.Told;
import dev.flk.agent.outbox.Settlement;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(name = "outbox", header = "Look into the outbox.")
final class OutboxCommand implements Runnable {
    private final Context context;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    OutboxCommand(Context context) {
        this.context = context;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing: cat");
    }

    @Command(
            name = "cat",
            header = "Show every entry, and what became of it.",
            description = {
                "Shows the entries that the outbox still tells of: those that wait, and those",
                "that were settled and not yet compacted. Works also while an agent runs."
            })
    int cat(
            @Option(names = "--json", description = "A JSON object a line, the certificate in it.") boolean json,
            @Option(names = "--waiting", description = "Only those that wait.") boolean waiting)
            throws Exception {
        OutboxHistory.read(context.config().outbox().directory(), told -> {
            if (!waiting || told.fate().isEmpty()) {
                context.out().println(json ? asJson(told) : asText(told));
            }
        });
        return 0;
    }

    private static String asText(Told told) {
        return String.format(
                "%s  #%-8d %s%n    %s",
                time(told),
                told.entry().sequence(),
                told.fate().map(OutboxCommand::inWords).orElse("waits"),
                shown(pcsId(told)));
    }

    private static String inWords(Settlement fate) {
        return switch (fate) {
            case ACCEPTED -> "answered 200: accepted";
            case ESCALATED -> "answered 202: escalated or rejected";
            case DEAD -> "given up: among the dead letters";
            case LOST -> "lost by damage of the disk";
        };
    }

    private static String asJson(Told told) throws IOException {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
            json.writeStartObject();
            json.writeNumberField("outbox_seq", told.entry().sequence());
            json.writeStringField("added", time(told));
            json.writeStringField("pcs_id", pcsId(told));
            json.writeStringField("fate", told.fate().map(Settlement::word).orElse("waits"));
            json.writeFieldName("certificate");
            json.writeRawValue(new String(told.certificate(), StandardCharsets.UTF_8)
                    .replace('\n', ' ')
                    .replace('\r', ' '));
            json.writeEndObject();
        }
        return text.toString();
    }

    /** An id; whatever else somebody has put there would not fit, or might do something to the terminal. */
    private static String shown(String pcsId) {
        return PcsId.isHex64(pcsId) ? pcsId : "(malformed id)";
    }

    private static String time(Told told) {
        return Instant.ofEpochMilli(told.entry().addedMillis()).toString().replaceFirst("\\.\\d+", "");
    }

    private static String pcsId(Told told) {
        try {
            return CertificateReader.parse(told.certificate()).signed().pcsId();
        } catch (MalformedCertificate e) {
            return "(no id)";
        }
    }
}
