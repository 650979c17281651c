// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import static dev.flk.program.remote.RemoteConnection.parsed;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import dev.flk.program.json.Json;
import dev.flk.program.remote.RemoteConnection;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code logs}, about the logs of a store and their backends, as a running backend sees them. */
@Command(
        name = "logs",
        description = {
            "Lists the logs whose outcomes are in a store, and their backends.",
            "",
            "It asks the backend of the configuration, or the one at --url.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:no log is missing",
            "1:a log is missing, or the backend can't be reached",
            "2:wrong usage or configuration"
        })
public final class LogsCommand implements Callable<Integer> {
    private static final String PATH = "/v1/logs";
    private static final int SHORT = 8;
    private static final int NO_ZONE = 19;

    /** The longest name of a log that has room in the table, next to a number of eleven digits. */
    private static final int LONGEST_NAME = 15;

    private static final Table<JsonNode> TABLE = new Table<JsonNode>()
            .left("backend", 9, log -> log.path("status").asText())
            .left("seen (UTC)", NO_ZONE, log -> time(log.path("seen").asText()))
            .right("records", 7, log -> log.path("last").asLong())
            .left("policy", SHORT, log -> start(log.path("policy").asText()))
            .left("keys", SHORT, log -> start(log.path("keys").asText()))
            .left("log", log -> isLong(log) ? "(see below)" : name(log));

    @Mixin
    private final BackendConnection backend;

    public LogsCommand(Configuration config) {
        this.backend = new BackendConnection(config);
    }

    private static String name(JsonNode log) {
        return Printable.of(log.path("name").asText());
    }

    private static boolean isLong(JsonNode log) {
        return name(log).length() > LONGEST_NAME;
    }

    private static String start(String hash) {
        return Printable.of(hash.substring(0, Math.min(SHORT, hash.length())));
    }

    private static String time(String instant) {
        return Printable.of(
                instant.substring(0, Math.min(NO_ZONE, instant.length())).replace('T', ' '));
    }

    @Override
    public Integer call() throws IOException {
        String answer = backend.ask("GET", PATH, null).body();
        JsonNode found = parsed(answer);
        List<JsonNode> logs = new ArrayList<>();
        for (JsonNode log : found.path("logs")) {
            long unused = RemoteConnection.number(log, "last");
            logs.add(log);
        }
        List<JsonNode> missing = logs.stream()
                .filter(log -> log.path("status").asText().equals("missing"))
                .toList();
        if (backend.isJson()) {
            backend.out().println(Printable.json(answer));
        } else {
            print(logs);
            if (found.hasNonNull("problem")) {
                say("This is not up to date, because the store can't be read: "
                        + found.path("problem").asText());
            }
            for (JsonNode log : missing) {
                say("The log " + name(log) + " is missing. Bring its disk back; or restore it from its archive ('wal"
                        + " restore'); or give it up ('logs forget " + name(log) + "').");
            }
        }
        return missing.isEmpty() ? 0 : 1;
    }

    private void print(List<JsonNode> logs) {
        if (logs.stream().noneMatch(LogsCommand::isLong)) {
            backend.out().print(TABLE.of(logs));
            return;
        }
        backend.out().print(TABLE.heading());
        for (JsonNode log : logs) {
            backend.out().print(TABLE.row(log));
            if (isLong(log)) {
                say("    log " + name(log));
            }
        }
    }

    private void say(String paragraph) {
        backend.output().note(Paragraph.wrapped(paragraph));
    }

    @Command(
            name = "forget",
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
    void forget(
            @Parameters(paramLabel = "NAME", description = "The name or the id of the log ('logs' lists them).")
                    String name,
            @Option(names = "--yes", description = "Give it up; otherwise, only say what would be lost.")
                    boolean isSure)
            throws IOException {
        JsonNode log = log(parsed(backend.ask("GET", PATH, null).body()), name);
        String status = log.path("status").asText();
        if (status.equals("up") || status.equals("quiet")) {
            throw new IOException("the log " + log.path("name").asText() + " is in use: a backend reported it at "
                    + log.path("seen").asText() + "; a log can be given up ten minutes after its last report");
        }
        String shown = name(log) + " (" + Printable.of(log.path("log_id").asText()) + ")";
        long archivedUpTo = RemoteConnection.number(log, "archived_up_to");
        say("Only the log " + shown + " has the bodies of its certificates, "
                + ErrorMessages.count(RemoteConnection.number(log, "last"), "record")
                + " when it was last seen, and, if"
                + " RECORD_STORE is embedded, their lines in the record of outcomes. They can't be rebuilt from"
                + " elsewhere"
                + (archivedUpTo == 0 ? "." : "; its archive has them up to record " + archivedUpTo + "."));
        say("The store keeps the outcomes: certificates that were answered keep their answers. If agents send them"
                + " again, their bodies are logged again. If the store loses outcomes of this log, nothing can write"
                + " them again.");
        if (!isSure) {
            throw new IOException("nothing was changed; to give up the log, add --yes");
        }
        String body = Json.line(Map.of("log", log.path("log_id").asText()));
        JsonNode forgotten = parsed(backend.ask("POST", PATH + "/forget", body).body());
        backend.output().print(forgotten, any -> Paragraph.wrapped("The log " + shown + " was given up."));
    }

    private static JsonNode log(JsonNode found, String name) throws IOException {
        JsonNode log = null;
        for (JsonNode each : found.path("logs")) {
            if (each.path("name").asText().equals(name)
                    || each.path("log_id").asText().equals(name)) {
                if (log != null) {
                    throw new IOException(
                            "several logs have the name " + name + "; give the id of one, as 'logs --json' prints it");
                }
                log = each;
            }
        }
        if (log == null) {
            throw new IOException("the store knows no log with the name or id " + name + "; 'logs' lists the logs");
        }
        return log;
    }
}
