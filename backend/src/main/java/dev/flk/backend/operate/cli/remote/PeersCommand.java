// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import static dev.flk.backend.operate.cli.remote.BackendConnection.parsed;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.program.cli.Json;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code peers}, which lists the logs of a store and their backends, as a running backend sees them. */
@Command(
        name = "peers",
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
public final class PeersCommand implements Callable<Integer> {
    static final String PATH = "/v1/logs";
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

    @Option(names = "--url", paramLabel = "URL", description = "The URL of the backend, such as http://127.0.0.1:8080.")
    private @Nullable String url;

    @Option(names = "--json", description = "The complete answer, one JSON object.")
    private boolean json;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    public PeersCommand(Configuration config) {
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
        String answer = backend.ask(url, "GET", PATH, null).body();
        JsonNode found = parsed(answer);
        List<JsonNode> logs = new ArrayList<>();
        found.path("logs").forEach(logs::add);
        List<JsonNode> missing = logs.stream()
                .filter(log -> log.path("status").asText().equals("missing"))
                .toList();
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.println(Json.inert(answer));
        } else {
            print(logs, out);
            if (found.hasNonNull("problem")) {
                out.print(Paragraph.wrapped("This is not up to date, because the store can't be read: "
                        + found.path("problem").asText()));
            }
            for (JsonNode log : missing) {
                out.print(Paragraph.wrapped("The log " + name(log) + " is missing. Bring its disk back; or restore it"
                        + " from its archive ('wal restore'); or give it up ('stores forget-log " + name(log)
                        + "')."));
            }
        }
        return missing.isEmpty() ? 0 : 1;
    }

    private static void print(List<JsonNode> logs, PrintWriter out) {
        if (logs.stream().noneMatch(PeersCommand::isLong)) {
            out.print(TABLE.of(logs));
            return;
        }
        out.print(TABLE.heading());
        for (JsonNode log : logs) {
            out.print(TABLE.row(log));
            if (isLong(log)) {
                out.print(Paragraph.wrapped("    log " + name(log)));
            }
        }
    }
}
