// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import static dev.flk.backend.operate.cli.remote.BackendConnection.parsed;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.program.cli.OptionText;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import dev.flk.program.config.Quantities;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The command {@code agents}, which lists the agents that have reported to a running backend. */
@Command(
        name = "agents",
        description = {
            "Lists the agents that have reported within a day.",
            "",
            "It asks the backend of the configuration, or the one at --url.",
            ""
        })
public final class AgentsCommand implements Callable<Integer> {
    private static final int PAGE = 1_000;
    private static final int TIME_FROM = 11;
    private static final int TIME_UNTIL = 19;
    private static final Table<JsonNode> TABLE = new Table<JsonNode>()
            .left("agent", agent -> text(agent, "id"))
            .left("state", agent -> text(agent, "state"))
            .right("age", agent -> age(agent.path("age").asLong()))
            .right("pending", agent -> text(agent.path("report"), "pending"))
            .right("dead", agent -> text(agent.path("report"), "dead_letters"))
            .left("host", agent -> text(agent.path("report"), "host"));

    @Mixin
    private final BackendConnection backend;

    @Option(
            names = "--prefix",
            paramLabel = "TEXT",
            defaultValue = "",
            description = "Only agents with ids that begin with this.")
    private String prefix = "";

    @Option(
            names = "--silent",
            paramLabel = "DURATION",
            description = "Only agents that did not stop, and have not reported for this time, such as 5m.")
    private @Nullable String silent;

    public AgentsCommand(Configuration config) {
        this.backend = new BackendConnection(config);
    }

    private static String text(JsonNode node, String name) {
        return Printable.of(node.path(name).asText("-"));
    }

    private static String age(long seconds) {
        return seconds < 120 ? seconds + " s" : seconds < 7_200 ? seconds / 60 + " min" : seconds / 3_600 + " h";
    }

    @Override
    public Integer call() throws IOException {
        if (silent != null) {
            var unused = OptionText.parsed(backend.spec(), "--silent", silent, Quantities::duration);
        }
        String conditions = "/v1/agents?limit=" + PAGE + "&prefix=" + encoded(prefix)
                + (silent == null ? "" : "&silent=" + encoded(silent));
        List<JsonNode> agents = new ArrayList<>();
        String since = "";
        String page = "";
        do {
            JsonNode found = parsed(backend.ask("GET", conditions + page, null).body());
            for (JsonNode agent : found.path("agents")) {
                long unused = BackendConnection.number(agent, "age");
                agents.add(agent);
            }
            since = found.path("since").asText();
            page = found.has("page") ? "&page=" + encoded(found.path("page").asText()) : "";
        } while (!page.isEmpty());
        if (backend.isJson()) {
            agents.forEach(agent -> backend.output().print(agent, JsonNode::asText));
            return 0;
        }
        backend.out().print(agents.isEmpty() ? "no agent" + System.lineSeparator() : TABLE.of(agents));
        for (JsonNode agent : agents) {
            JsonNode hosts = agent.path("duplicates");
            if (hosts.size() == 2) {
                note(text(agent, "id") + ": two agents use this id: host "
                        + hosts.path(0).asText() + ", host " + hosts.path(1).asText());
            }
        }
        if (since.length() >= TIME_UNTIL) {
            note("Agents may be missing: these are the reports since " + since.substring(TIME_FROM, TIME_UNTIL)
                    + " (UTC), when the backend began.");
        }
        return 0;
    }

    private void note(String text) {
        backend.output().note(Paragraph.wrapped(Printable.of(text)));
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
