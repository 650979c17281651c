// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.serve.page.ShardView.Clock;
import dev.flk.backend.sessions.Session;
import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.SessionStorage.Found;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.verification.Verdict.Kind;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The conditions of the view Explore, which are the query of its address.
 *
 * @param given the values of the conditions that are set, by the names in {@link #NAMES}
 * @param verdict the verdict; null for any
 * @param regime the regime; null for any
 * @param span the range of time, in whole milliseconds
 * @param agent the shards of the agent; null if no agent is selected
 */
public record OutcomeFilter(
        Map<String, String> given,
        @Nullable Kind verdict,
        @Nullable Regime regime,
        Clock clock,
        Span span,
        @Nullable AgentShards agent) {
    /** The names of the conditions, in the order in which they are shown. */
    public static final List<String> NAMES =
            List.of("verdict", "clock", "from", "to", "regime", "shard", "agent", "key", "reason", "id");

    static final String PATH = "/ui/outcomes";

    private static final Instant FIRST_TIME = Instant.parse("0001-01-01T00:00:00Z");
    private static final Instant LAST_TIME = Instant.parse("9999-12-31T23:59:59Z");
    private static final int MOST_NAMED = 5;

    /** A value that can't be a condition. */
    public static final class IllegalFilterException extends RuntimeException {
        private static final long serialVersionUID = 1;

        private IllegalFilterException(String message) {
            super(message, null, false, false);
        }

        /** Returns what is wrong, without a full stop. */
        public String text() {
            return String.valueOf(getMessage());
        }
    }

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
        private static AgentShards of(String agent, @Nullable SessionStorage sessions) {
            if (sessions == null) {
                return unknown("The shards of the agent are unknown: this backend has no sessions of agents now.");
            }
            if (!(sessions.get(agent) instanceof Found.Present present)) {
                return unknown("No session of this agent exists, so its shards are unknown.");
            }
            SortedSet<String> shards = new TreeSet<>();
            for (JsonNode shard : Pages.parsed(present.session().json()).path("shards")) {
                if (shard.isTextual() && !shard.textValue().isEmpty()) {
                    shards.add(shard.textValue());
                }
            }
            if (shards.isEmpty()) {
                return unknown("The last report of the agent names no shards.");
            }
            boolean mayHaveMore = shards.size() >= OutcomeQuery.MAX_SHARDS;
            return new AgentShards(
                    shards.stream().limit(OutcomeQuery.MAX_SHARDS).collect(Collectors.toCollection(TreeSet::new)),
                    mayHaveMore
                            ? "The certificates of " + OutcomeQuery.MAX_SHARDS
                                    + " shards are shown; the agent may have more."
                            : "");
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
     * @param sessions the sessions of agents; null if this backend has none
     * @throws IllegalFilterException if a value is invalid
     * @throws dev.flk.state.StateException if the session of the agent can't be read
     */
    public static OutcomeFilter parse(Map<String, String> query, @Nullable SessionStorage sessions) {
        Map<String, String> given = given(query);
        String clock = given.getOrDefault("clock", Clock.RECEIVED.query());
        if (!clock.equals(Clock.RECEIVED.query()) && !clock.equals(Clock.MEASURED.query())) {
            throw new IllegalFilterException("clock is not received or measured");
        }
        Span span = new Span(time(given, "from"), time(given, "to"));
        if (span.from() != null && span.to() != null && !span.from().isBefore(span.to())) {
            throw new IllegalFilterException("the range of time ends before it begins");
        }
        Kind verdict = oneOf(given, "verdict", Kind.values(), Kind::label);
        Regime regime = oneOf(given, "regime", Regime.values(), Regime::wireName);
        String id = given.get("id");
        if (id != null && !RecordedOutcomes.isId(id)) {
            throw new IllegalFilterException(
                    "id is not " + RecordedOutcomes.LEAST_ID_DIGITS + " to 64 lower-case hex digits");
        }
        String agent = given.get("agent");
        if (agent != null && !isAgent(agent)) {
            throw new IllegalFilterException("agent is not the id of an agent");
        }
        return new OutcomeFilter(
                given,
                verdict,
                regime,
                clock.equals(Clock.MEASURED.query()) ? Clock.MEASURED : Clock.RECEIVED,
                span,
                agent == null ? null : AgentShards.of(agent, sessions));
    }

    /** Returns the values in a query that set a condition, in the order of {@link #NAMES}. */
    public static Map<String, String> given(Map<String, String> query) {
        Map<String, String> given = new LinkedHashMap<>();
        for (String name : NAMES) {
            String value = query.getOrDefault(name, "");
            boolean isUsual = name.equals("clock") && value.equals(Clock.RECEIVED.query());
            if (!value.isEmpty() && !isUsual) {
                given.put(name, value);
            }
        }
        return given;
    }

    private static boolean isAgent(String text) {
        try {
            return Session.agentOf(text).equals(text);
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private static <T> @Nullable T oneOf(Map<String, String> given, String name, T[] values, Function<T, String> text) {
        String value = given.get(name);
        if (value == null) {
            return null;
        }
        return Stream.of(values)
                .filter(each -> text.apply(each).equals(value))
                .findFirst()
                .orElseThrow(() -> new IllegalFilterException(
                        name + " is not one of " + Stream.of(values).map(text).collect(Collectors.joining(", "))));
    }

    /**
     * Returns a time in a query, {@linkplain Pages#millis in whole milliseconds}; null if it is not set.
     *
     * @throws IllegalFilterException if it is not a time
     */
    static @Nullable Instant time(Map<String, String> given, String name) {
        String text = given.get(name);
        if (text == null) {
            return null;
        }
        Instant time;
        try {
            time = text.endsWith("Z")
                    ? Instant.parse(text)
                    : LocalDateTime.parse(text).toInstant(ZoneOffset.UTC);
        } catch (DateTimeException e) {
            throw new IllegalFilterException(name + " is not a time; write it like 2026-01-31T12:00:00Z");
        }
        if (time.isBefore(FIRST_TIME) || time.isAfter(LAST_TIME)) {
            throw new IllegalFilterException(name + " is not in the years 1 to 9999");
        }
        return Pages.millis(time);
    }

    /** Returns the value of a condition; empty if it is not set. */
    public String value(String name) {
        return given.getOrDefault(name, "");
    }

    /** Returns whether no outcome can meet the conditions. */
    boolean selectsNothing() {
        return agent != null && shards().isEmpty();
    }

    private Set<String> shards() {
        String shard = given.get("shard");
        if (agent == null) {
            return shard == null ? Set.of() : Set.of(shard);
        }
        return shard == null ? agent.shards() : agent.shards().contains(shard) ? Set.of(shard) : Set.of();
    }

    /** Returns the query for the record, which does not have the condition on the id. */
    OutcomeQuery wanted(Order order, int limit, @Nullable String cursor) {
        return wanted(shards(), given.get("key"), given.get("reason"), order, limit, cursor);
    }

    /** Returns a query that selects at least the same outcomes, and that needs only an index. */
    OutcomeQuery indexed(Order order, int limit) {
        boolean isOfKey = shards().isEmpty() && clock == Clock.RECEIVED;
        return wanted(shards(), isOfKey ? given.get("key") : null, null, order, limit, null);
    }

    private OutcomeQuery wanted(
            Set<String> shards,
            @Nullable String key,
            @Nullable String reason,
            Order order,
            int limit,
            @Nullable String cursor) {
        Span always = new Span(null, null);
        boolean isMeasured = clock == Clock.MEASURED;
        // a bound, so that the measurement is the time by which outcomes are selected
        Span measured = span.isOpen() ? new Span(FIRST_TIME, null) : span;
        return new OutcomeQuery(
                shards,
                key,
                verdict,
                regime,
                reason,
                isMeasured ? always : span,
                isMeasured ? measured : always,
                order,
                limit,
                cursor);
    }

    /** Returns the address of the view. */
    public String path() {
        return path(PATH, given);
    }

    /** Returns the address of a file with all outcomes that meet the conditions. */
    public String file(String extension) {
        return path(PATH + "." + extension, given);
    }

    /** Returns the address of the view with other values; an empty value removes a condition. */
    String with(String... namesAndValues) {
        Map<String, String> changed = new LinkedHashMap<>(given);
        for (int i = 0; i < namesAndValues.length; i += 2) {
            changed.put(namesAndValues[i], namesAndValues[i + 1]);
        }
        return path(PATH, given(changed));
    }

    /** Returns the address of the view with a range of time. */
    String within(Instant from, Instant to) {
        return with(
                "from", (from.isBefore(FIRST_TIME) ? FIRST_TIME : from).toString(),
                "to", (to.isAfter(LAST_TIME) ? LAST_TIME : to).toString());
    }

    /** Returns the address of the view with a range of time, without the range: the script adds it. */
    public String zoom() {
        Map<String, String> others = new LinkedHashMap<>(given);
        others.keySet().removeAll(Set.of("from", "to"));
        others.put("clock", clock.query());
        return path(PATH, others);
    }

    /** Returns the address of the view with a parameter that belongs to a page of the list. */
    String page(String name, String cursor) {
        String path = path();
        return path + (path.contains("?") ? "&" : "?") + name + "=" + Pages.encoded(cursor);
    }

    /** Returns an address with a query. */
    static String path(String path, Map<String, String> query) {
        return query.isEmpty()
                ? path
                : query.entrySet().stream()
                        .map(each -> each.getKey() + "=" + Pages.encoded(each.getValue()))
                        .collect(Collectors.joining("&", path + "?", ""));
    }

    /** Returns the conditions that are set. */
    public List<Condition> conditions() {
        List<Condition> conditions = new ArrayList<>();
        if (!span.isOpen()) {
            conditions.add(new Condition("They " + time() + ".", with("from", "", "to", "")));
        }
        if (clock == Clock.MEASURED) {
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
        return (clock == Clock.MEASURED ? "were measured" : "arrived")
                + (span.from() == null ? "" : " from " + Pages.time(span.from()))
                + (span.to() == null ? "" : " until " + Pages.time(span.to()));
    }

    /** Returns what meets the conditions, in words: {@code rejected certificates that arrived from …}. */
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
