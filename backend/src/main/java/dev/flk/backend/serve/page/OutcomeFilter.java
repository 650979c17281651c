// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.agents.AgentReport;
import dev.flk.backend.agents.AgentReports;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.InvalidQueryException;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.serve.page.AgentsView.Agent;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The conditions of the view Explore, which are the query of its address.
 *
 * @param given the values of the conditions that are set, by the names in {@link #NAMES}; times are in UTC and in whole
 *     milliseconds
 * @param span the range of time
 * @param query the query for a page of the certificates that meet the conditions: the newest first, or the oldest first
 *     if the page ends before a cursor
 * @param agent the shards of the agent; null if no agent is selected
 */
public record OutcomeFilter(
        Map<String, String> given,
        Span span,
        OutcomeQuery query,
        @Nullable AgentShards agent) {
    /** The names of the conditions, in the order in which they are shown. */
    public static final List<String> NAMES =
            List.of("verdict", "clock", "from", "to", "regime", "shard", "agent", "key", "reason", "id");

    static final String PATH = "/ui/outcomes";

    private static final Instant FIRST_TIME = Instant.parse("0001-01-01T00:00:00Z");
    private static final Instant LAST_TIME = Instant.parse("9999-12-31T23:59:59Z");
    private static final Span NEVER = new Span(FIRST_TIME, FIRST_TIME);
    private static final int MOST_NAMED = 5;

    /**
     * The shards that an agent's last report names.
     *
     * @param problem why they are unknown or may be incomplete, as a sentence; empty if they are complete
     */
    public record AgentShards(SortedSet<String> shards, String problem) {
        private static AgentShards unknown(String why) {
            return new AgentShards(new TreeSet<>(), why);
        }

        /** Reads the last report of an agent. */
        private static AgentShards of(String agent, @Nullable AgentReports reports) {
            if (reports == null) {
                return unknown("The shards of the agent are unknown: this backend is starting.");
            }
            Optional<AgentReport> report = reports.find(agent);
            if (report.isEmpty()) {
                return unknown("This agent has not reported in the last day, so its shards are unknown.");
            }
            SortedSet<String> shards =
                    Agent.shards(Pages.parsed(report.get().json())).collect(Collectors.toCollection(TreeSet::new));
            if (shards.isEmpty()) {
                return unknown("The last report of the agent names no shards.");
            }
            return new AgentShards(
                    shards,
                    shards.size() < OutcomeQuery.MAX_SHARDS
                            ? ""
                            : "The certificates of " + OutcomeQuery.MAX_SHARDS
                                    + " shards are shown; the agent may have more.");
        }
    }

    /**
     * A condition that is set.
     *
     * @param sentence the condition as a sentence
     * @param without the address without the condition
     */
    public record Condition(String sentence, String without) {}

    /**
     * Parses a query, and reads the last report of the agent if the query names one. Empty values set no condition.
     *
     * @param agents the reports of agents; null while this backend starts
     * @throws InvalidQueryException if a value is invalid
     */
    public static OutcomeFilter parse(Map<String, String> query, @Nullable AgentReports agents) {
        Map<String, String> given = given(query);
        String older = query.get("cursor");
        String newer = query.get("newer");
        boolean isBack = older == null && newer != null;
        OutcomeQuery wanted = OutcomeQuery.parse(given)
                .withOrder(isBack ? Order.OLDEST : Order.NEWEST)
                .withLimit(OutcomesView.MOST_ROWS)
                .withCursor(isBack ? newer : older);
        Instant to = wanted.span().to();
        Span span = new Span(given.containsKey("from") ? wanted.span().from() : null, to);
        if (span.from() != null && to != null && !span.from().isBefore(to)) {
            throw new InvalidQueryException("the range of time ends before it begins");
        }
        String agent = given.get("agent");
        if (agent == null) {
            return new OutcomeFilter(given, span, wanted, null);
        }
        if (!isAgent(agent)) {
            throw new InvalidQueryException("agent is not the id of an agent");
        }
        AgentShards reported = AgentShards.of(agent, agents);
        Set<String> shards = new TreeSet<>(reported.shards());
        shards.removeIf(shard -> !shard.equals(given.getOrDefault("shard", shard)));
        OutcomeQuery ofAgent = shards.isEmpty() ? wanted.withMeasured(NEVER) : wanted.withShards(shards);
        return new OutcomeFilter(given, span, ofAgent, reported);
    }

    /** Returns the values in a query that set a condition, in the order of {@link #NAMES}. */
    public static Map<String, String> given(Map<String, String> query) {
        Map<String, String> given = new LinkedHashMap<>();
        for (String name : NAMES) {
            String value = query.getOrDefault(name, "");
            boolean isUsual = name.equals("clock") && value.equals("received");
            if (!value.isEmpty() && !isUsual) {
                given.put(name, name.equals("from") || name.equals("to") ? inUtc(value) : value);
            }
        }
        return given;
    }

    /**
     * Returns a time of a form or an address, which is one in UTC if it has no zone, {@linkplain Pages#millis in whole
     * milliseconds} and in the years 1 to 9999; the text itself if it is not a time.
     */
    private static String inUtc(String text) {
        try {
            Instant time = text.endsWith("Z")
                    ? Instant.parse(text)
                    : LocalDateTime.parse(text).toInstant(ZoneOffset.UTC);
            return (time.isBefore(FIRST_TIME) ? FIRST_TIME : time.isAfter(LAST_TIME) ? LAST_TIME : Pages.millis(time))
                    .toString();
        } catch (DateTimeException e) {
            return text;
        }
    }

    private static boolean isAgent(String text) {
        return AgentReports.isId(text);
    }

    /** Returns the value of a condition; empty if it is not set. */
    public String value(String name) {
        return given.getOrDefault(name, "");
    }

    /** Returns whether time means the time of the last measurement instead of the arrival. */
    boolean isMeasured() {
        return given.containsKey("clock");
    }

    /** Returns the address of a file with all outcomes that meet the conditions. */
    public String file(String extension) {
        return OutcomeQuery.address(PATH + "." + extension, given);
    }

    /** Returns the address of the view with other values; an empty value removes a condition. */
    String with(String... namesAndValues) {
        Map<String, String> changed = new HashMap<>(given);
        for (int i = 0; i < namesAndValues.length; i += 2) {
            changed.put(namesAndValues[i], namesAndValues[i + 1]);
        }
        return OutcomesView.path(changed);
    }

    /** Returns the address of the view without its range of time: the script adds one. */
    String zoom(boolean isMeasured) {
        Map<String, String> others = new LinkedHashMap<>(given);
        others.keySet().removeAll(Set.of("from", "to"));
        others.put("clock", isMeasured ? "measured" : "received");
        return OutcomeQuery.address(PATH, others);
    }

    /** Returns the address of the view with a parameter that belongs to a page of the list. */
    String page(String name, String cursor) {
        Map<String, String> page = new LinkedHashMap<>(given);
        page.put(name, cursor);
        return OutcomeQuery.address(PATH, page);
    }

    /** Returns the conditions that are set. */
    public List<Condition> conditions() {
        List<Condition> conditions = new ArrayList<>();
        if (!span.isOpen()) {
            conditions.add(new Condition("They " + time() + ".", with("from", "", "to", "")));
        }
        if (isMeasured()) {
            conditions.add(new Condition("They are ordered by the time of measurement.", with("clock", "")));
        }
        for (String name : List.of("verdict", "regime", "shard", "key", "reason", "id")) {
            String value = value(name);
            if (!value.isEmpty()) {
                String verb = name.equals("id") ? " begins with " : " is ";
                conditions.add(new Condition("The " + name + verb + value + ".", with(name, "")));
            }
        }
        if (agent != null) {
            conditions.add(new Condition(
                    "The agent " + value("agent") + " has reported the shard" + named(agent.shards()) + ".",
                    with("agent", "")));
        }
        return conditions;
    }

    private static String named(SortedSet<String> shards) {
        String names = shards.stream().limit(MOST_NAMED).collect(Collectors.joining(", ", ": ", ""));
        return shards.isEmpty()
                ? ""
                : shards.size() <= MOST_NAMED ? names : names + " and " + (shards.size() - MOST_NAMED) + " more";
    }

    private String time() {
        return (isMeasured() ? "were measured" : "arrived")
                + (span.from() == null ? "" : " from " + Pages.time(span.from()))
                + (span.to() == null ? "" : " until " + Pages.time(span.to()));
    }

    /** Returns a description of the selected certificates: {@code rejected certificates that arrived from …}. */
    String words() {
        String others = List.of("regime", "shard", "agent", "key", "reason", "id").stream()
                .filter(given::containsKey)
                .map(name -> name + " " + value(name))
                .collect(Collectors.joining(", "));
        return (value("verdict").isEmpty() ? "certificates" : value("verdict") + " certificates")
                + (span.isOpen() ? "" : " that " + time())
                + (others.isEmpty() ? "" : " (" + others + ")");
    }
}
