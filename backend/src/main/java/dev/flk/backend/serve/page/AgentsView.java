// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.agents.AgentReport;
import dev.flk.backend.agents.AgentReport.State;
import dev.flk.backend.agents.AgentReports;
import dev.flk.backend.serve.page.Pages.Link;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * The view of the agents that report their state.
 *
 * @param prefix the beginning of the ids of the agents
 * @param shard a shard that the reports of the agents name; empty for agents of any shards
 * @param order the column by which the agents are sorted; silent agents always come first
 * @param onlySilent whether only silent agents are shown
 * @param agents at most {@link #MOST_ROWS} agents
 * @param others the number of agents that are not among {@code agents}
 * @param since the start of this backend, if agents that reported before may be missing; null otherwise
 */
public record AgentsView(
        Instant at,
        String prefix,
        String shard,
        Order order,
        boolean onlySilent,
        List<Agent> agents,
        int others,
        @Nullable Instant since) {
    /** The maximum number of agents in a view. */
    public static final int MOST_ROWS = 100;

    /** The maximum number of shards in a report. */
    static final int MOST_SHARDS = 64;

    private static final int MOST_CHARS = 64;
    private static final int MOST_SOURCES = 10;
    private static final int MOST_PROBLEM_CHARS = 200;

    /** The orders of agents; agents that are silent always come first. */
    public enum Order {
        NAME("name"),
        BACKLOG("certificates waiting"),
        OLDEST("oldest certificate"),
        DEAD_LETTERS("dead letters");

        private final String text;

        Order(String text) {
            this.text = text;
        }

        /** Returns the number by which agents are sorted in descending order. */
        private long rank(Agent agent) {
            return switch (this) {
                case NAME -> 0;
                case BACKLOG -> agent.pending();
                case OLDEST -> agent.oldestSeconds();
                case DEAD_LETTERS -> agent.deadLetters();
            };
        }

        /** Returns the words for this order. */
        public String text() {
            return text;
        }

        /** Returns the value of this order in a query. */
        public String query() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * The last report of an agent.
     *
     * @param ageSeconds the time since the report
     * @param hosts the hosts of two agents that report under this id; empty if there is one
     * @param shards the shards of its certificates, at most {@link #MOST_SHARDS}
     * @param unread what it says of the sources that it does not read completely
     * @param clockAheadMs how far the backend's clock is ahead of the agent's; negative if it is behind
     */
    public record Agent(
            String id,
            long ageSeconds,
            State condition,
            String hosts,
            String version,
            String host,
            long pending,
            long oldestSeconds,
            long deadLetters,
            List<Link> shards,
            List<String> unread,
            long clockAheadMs,
            boolean isBreakerOpen) {
        private static Agent of(AgentReport report, Instant now, Duration silentAfter) {
            JsonNode state = Pages.parsed(report.json());
            return new Agent(
                    report.id(),
                    report.age(now).toSeconds(),
                    report.state(now, silentAfter),
                    String.join(" and ", report.hostsOfTwo(now)),
                    beginning(state.path("version").asText()),
                    beginning(state.path("host").asText()),
                    state.path("pending").asLong(),
                    state.path("oldest_pending_seconds").asLong(),
                    state.path("dead_letters").asLong(),
                    shards(state)
                            .map(name -> new Link(name, beginning(name), OutcomesView.ofShard(name)))
                            .toList(),
                    StreamSupport.stream(state.path("sources").spliterator(), false)
                            .limit(MOST_SOURCES)
                            .map(Agent::unread)
                            .toList(),
                    state.path("clock_ahead_ms").asLong(),
                    state.path("breaker_open").asBoolean());
        }

        /** Returns the names of the shards in a report, which may have members of any kind. */
        static Stream<String> shards(JsonNode state) {
            return StreamSupport.stream(state.path("shards").spliterator(), false)
                    .filter(JsonNode::isTextual)
                    .map(JsonNode::asText)
                    .filter(name -> !name.isEmpty())
                    .limit(MOST_SHARDS);
        }

        private static String unread(JsonNode source) {
            long lines = source.path("bad_lines").asLong();
            String problem = source.path("problem").asText();
            return beginning(source.path("name").asText()) + ": "
                    + (lines == 0 ? "" : lines == 1 ? "1 line left out" : lines + " lines left out")
                    + (lines == 0 || problem.isEmpty() ? "" : "; ")
                    + problem.substring(0, Math.min(MOST_PROBLEM_CHARS, problem.length()));
        }

        /** Truncates a text, which may be as long as a session. */
        private static String beginning(String text) {
            return text.length() <= MOST_CHARS ? text : text.substring(0, MOST_CHARS) + "…";
        }

        /** Returns whether the agent is silent. */
        public boolean isSilent() {
            return condition == State.SILENT;
        }

        /** Returns whether the numbers of the report are of then. */
        public boolean isLate() {
            return condition != State.REPORTING;
        }

        /** Returns the state of the agent in a few words. */
        public String state() {
            return switch (condition) {
                case SILENT -> "silent";
                case STOPPED -> "stopped";
                case LATE -> "last known";
                case REPORTING -> isBreakerOpen ? "can't deliver" : "reporting";
            };
        }

        /** Returns the number of pending certificates, and of when it is if it is old. */
        public String waiting() {
            return pending + asOf();
        }

        private String asOf() {
            return isLate() ? ", " + age() + " ago" : "";
        }

        /** Returns the time since the report. */
        public String age() {
            return Pages.duration((double) ageSeconds);
        }

        /** Returns the age of the oldest pending certificate. */
        public String oldest() {
            return pending == 0 ? "–" : Pages.duration((double) oldestSeconds) + asOf();
        }
    }

    /** Shows the reports of agents. */
    public static AgentsView read(
            AgentReports reports, String prefix, String shard, Order order, boolean onlySilent, Instant now) {
        Duration silentAfter = reports.silentAfter();
        List<AgentReport> found = reports.all(prefix).stream()
                .filter(each -> (!onlySilent || each.state(now, silentAfter) == State.SILENT)
                        && (shard.isEmpty()
                                || Agent.shards(Pages.parsed(each.json())).anyMatch(shard::equals)))
                .sorted(Comparator.comparing((AgentReport each) -> each.state(now, silentAfter) != State.SILENT)
                        .thenComparing(AgentReport::id))
                .toList();
        // if the agents are sorted by name, only the reports on the page are parsed
        List<AgentReport> parsed = order == Order.NAME ? found.subList(0, Math.min(MOST_ROWS, found.size())) : found;
        List<Agent> agents = parsed.stream()
                .map(report -> Agent.of(report, now, silentAfter))
                .sorted(Comparator.comparing((Agent agent) -> !agent.isSilent())
                        .thenComparing(order::rank, Comparator.reverseOrder())
                        .thenComparing(Agent::id))
                .limit(MOST_ROWS)
                .toList();
        return new AgentsView(
                now,
                prefix,
                shard,
                order,
                onlySilent,
                agents,
                found.size() - agents.size(),
                reports.incompleteSince().orElse(null));
    }
}
