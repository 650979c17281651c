// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import static dev.flk.backend.operate.cli.remote.BackendConnection.parsed;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Json;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code stores}, which changes what a store knows, through a running backend. */
@Command(
        name = "stores",
        description = {"Changes what the store of a running backend knows.", ""})
public final class StoresCommand {
    @Mixin
    private final BackendConnection backend;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    public StoresCommand(Configuration config) {
        this.backend = new BackendConnection(config);
    }

    @Command(
            name = "forget-log",
            description = {
                "Gives up a log that is missing and can't be restored.",
                "",
                "It says what is lost with it. Outcomes stay; certificates that are sent again",
                "are written to the log of the backend that receives them.",
                "",
                "It asks the backend of the configuration, or the one at --url.",
                ""
            },
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {
                "0:the log was given up",
                "1:nothing was changed: without --yes, or if there is no such log or it is in use",
                "2:wrong usage or configuration"
            })
    int forget(
            @Parameters(paramLabel = "NAME", description = "The name or the id of the log ('peers' lists them).")
                    String name,
            @Option(names = "--yes", description = "Give it up; otherwise, only say what would be lost.")
                    boolean isSure,
            @Option(
                            names = "--url",
                            paramLabel = "URL",
                            description = "The URL of the backend, such as http://127.0.0.1:8080.")
                    @Nullable
                    String url)
            throws IOException {
        JsonNode log =
                log(parsed(backend.ask(url, "GET", PeersCommand.PATH, null).body()), name);
        String status = log.path("status").asText();
        if (status.equals("up") || status.equals("quiet")) {
            throw new IOException("the log " + log.path("name").asText() + " is in use: a backend reported it at "
                    + log.path("seen").asText() + "; a log can be given up ten minutes after its last report");
        }
        PrintWriter out = spec.commandLine().getOut();
        String shown = Printable.of(log.path("name").asText()) + " ("
                + Printable.of(log.path("log_id").asText()) + ")";
        long records = log.path("last").asLong();
        out.print(Paragraph.wrapped("Only the log " + shown + " has the bodies of its certificates, "
                + ErrorMessages.count(records, "record") + " when it was last seen, and, if RECORD_STORE is embedded,"
                + " their lines in the record of outcomes. They can't be rebuilt from elsewhere"
                + (log.path("archived_up_to").asLong() == 0
                        ? "."
                        : "; its archive has them up to record "
                                + log.path("archived_up_to").asLong() + ".")));
        out.print(Paragraph.wrapped("The store keeps the outcomes: certificates that were answered keep their answers."
                + " If agents send them again, their bodies are logged again. If the store loses outcomes of this log,"
                + " nothing can write them again."));
        if (!isSure) {
            out.print(Paragraph.wrapped("Nothing was changed. To give up the log, add --yes."));
            return 1;
        }
        backend.ask(
                url,
                "POST",
                PeersCommand.PATH + "/forget",
                Json.line(Map.of("log", log.path("log_id").asText())));
        out.print(Paragraph.wrapped("The log " + shown + " was given up."));
        return 0;
    }

    private JsonNode log(JsonNode found, String name) throws IOException {
        JsonNode log = null;
        for (JsonNode each : found.path("logs")) {
            if (each.path("name").asText().equals(name)
                    || each.path("log_id").asText().equals(name)) {
                if (log != null) {
                    throw new IOException("several logs have the name " + name
                            + "; give the id of one, as 'peers --json'" + " prints it");
                }
                log = each;
            }
        }
        if (log == null) {
            throw new IOException("the store knows no log with the name or id " + name + "; 'peers' lists the logs");
        }
        return log;
    }
}
