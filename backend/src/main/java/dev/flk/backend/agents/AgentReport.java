// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.program.json.Json;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The last report of an agent.
 *
 * @param receivedAt the time of the backend
 * @param sentAt the time of the agent
 * @param json a JSON object in ASCII, on one line
 * @param instance the process that sent the report
 * @param before the process that had sent the last report by another process; null if there was none
 * @param every the interval between the reports of the agent; zero if it does not say
 * @param unread the number of sources that it does not read completely
 * @param isStopped whether the agent has stopped cleanly
 * @param doubled the last sign that two processes use the id; null if there was none
 */
public record AgentReport(
        String id,
        Instant receivedAt,
        Instant sentAt,
        String json,
        Instance instance,
        @Nullable Instance before,
        Duration every,
        int unread,
        boolean isStopped,
        @Nullable Doubled doubled) {
    /** The number of its own reports after which an agent is silent, but no sooner than the shortest time. */
    private static final int SILENT_REPORTS = 3;

    private static final Duration SHORTEST_SILENCE = Duration.ofSeconds(15);
    private static final long LONGEST_EVERY_SECONDS = Duration.ofDays(1).toSeconds();

    /** The time for which a later report makes an earlier one invalid; after it, the agent's clock was corrected. */
    static final Duration ORDERED_FOR = Duration.ofMinutes(5);

    /** The time for which two processes with one id are named. */
    static final Duration DOUBLED_FOR = Duration.ofHours(1);

    /** A part of the memory of a report besides its texts. */
    private static final int OVERHEAD_BYTES = 500;

    /** The states of an agent. */
    public enum State {
        REPORTING,
        /** The last report is older than half of the time after which the agent is silent. */
        LATE,
        SILENT,
        /** The agent's last report says that it stops. */
        STOPPED;

        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** A process of an agent. */
    record Instance(String host, String startedAt) {}

    /** Two processes whose reports alternated at a time. */
    record Doubled(String host, String otherHost, Instant at) {}

    /** A report as backends share it. */
    private record Shared(
            Instant receivedAt,
            Instant sentAt,
            @Nullable Instance before,
            @Nullable Doubled doubled,
            Object report) {}

    /**
     * Parses the body of a report.
     *
     * @param signedAt the time of the report if it has no {@code sent_at}
     * @throws IllegalArgumentException if the text is not a JSON object, or {@code sent_at} is not a time
     */
    static AgentReport parse(String id, String body, Instant signedAt, Instant receivedAt) {
        JsonNode report;
        try {
            report = Json.parse(body);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("the body is not JSON", e);
        }
        if (!report.isObject()) {
            throw new IllegalArgumentException("the body is not a JSON object");
        }
        return of(id, report, receivedAt, time(report, "sent_at").orElse(signedAt), null, null);
    }

    private static AgentReport of(
            String id,
            JsonNode report,
            Instant receivedAt,
            Instant sentAt,
            @Nullable Instance before,
            @Nullable Doubled doubled) {
        return new AgentReport(
                id,
                receivedAt,
                sentAt,
                Json.line(report).strip(),
                instance(report),
                before,
                Duration.ofSeconds(Math.max(
                        0,
                        Math.min(
                                LONGEST_EVERY_SECONDS,
                                report.path("every_seconds").asLong()))),
                report.path("sources").size(),
                report.path("stopped").asBoolean(),
                doubled);
    }

    private static Instance instance(JsonNode node) {
        return new Instance(node.path("host").asText(), node.path("started_at").asText());
    }

    private static Optional<Instant> time(JsonNode node, String name) {
        try {
            return node.has(name) ? Optional.of(Instant.parse(node.path(name).asText())) : Optional.empty();
        } catch (DateTimeParseException e) {
            throw new IllegalArgumentException(name + " is not a time", e);
        }
    }

    /** Returns the text in which backends share this report. */
    String shared() {
        return Json.line(new Shared(receivedAt, sentAt, before, doubled, Json.raw(json)))
                .strip();
    }

    /** Parses a text that {@link #shared} returned; returns empty for any other text. */
    static Optional<AgentReport> ofShared(String id, String text) {
        try {
            JsonNode entry = Json.parse(text);
            JsonNode two = entry.path("doubled");
            return !entry.path("report").isObject()
                    ? Optional.empty()
                    : Optional.of(of(
                            id,
                            entry.path("report"),
                            time(entry, "received_at").orElseThrow(),
                            time(entry, "sent_at").orElseThrow(),
                            entry.has("before") ? instance(entry.path("before")) : null,
                            two.isObject()
                                    ? new Doubled(
                                            two.path("host").asText(),
                                            two.path("other_host").asText(),
                                            time(two, "at").orElseThrow())
                                    : null));
        } catch (JsonProcessingException | RuntimeException e) {
            return Optional.empty();
        }
    }

    /** Returns whether this report was sent before another one of the agent, which was received a short time before. */
    boolean isOlderThan(AgentReport last) {
        return sentAt.isBefore(last.sentAt) && receivedAt.isBefore(last.receivedAt.plus(ORDERED_FOR));
    }

    /** Returns this report with what follows from the last one of the agent: which processes use the id. */
    AgentReport after(AgentReport last) {
        boolean isSame = instance.equals(last.instance);
        Doubled known = doubled == null ? last.doubled : doubled;
        return new AgentReport(
                id,
                receivedAt,
                sentAt,
                json,
                instance,
                !isSame ? last.instance : last.before == null ? before : last.before,
                every,
                unread,
                isStopped,
                !isSame && instance.equals(last.before)
                        ? new Doubled(last.instance.host(), instance.host(), receivedAt)
                        : known);
    }

    /** Returns the hosts of the two processes that use this id; empty if only one has for an hour. */
    public List<String> hostsOfTwo(Instant now) {
        return doubled == null || !now.isBefore(doubled.at().plus(DOUBLED_FOR))
                ? List.of()
                : List.of(doubled.host(), doubled.otherHost());
    }

    /** Returns the time since the report, never negative. */
    public Duration age(Instant now) {
        return now.isAfter(receivedAt) ? Duration.between(receivedAt, now) : Duration.ZERO;
    }

    /**
     * Returns the state of the agent.
     *
     * @param usual the time without a report after which an agent is silent that does not say how often it reports
     */
    public State state(Instant now, Duration usual) {
        Duration own = every.multipliedBy(SILENT_REPORTS);
        Duration silentAfter = every.isZero() ? usual : own.compareTo(SHORTEST_SILENCE) < 0 ? SHORTEST_SILENCE : own;
        Duration age = age(now);
        return isStopped
                ? State.STOPPED
                : age.compareTo(silentAfter) >= 0
                        ? State.SILENT
                        : age.multipliedBy(2).compareTo(silentAfter) >= 0 ? State.LATE : State.REPORTING;
    }

    /** Returns the memory that this report takes, approximately. */
    long bytes() {
        return OVERHEAD_BYTES + json.length() + 2L * id.length();
    }
}
