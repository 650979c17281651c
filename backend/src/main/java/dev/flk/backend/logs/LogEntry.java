// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.program.config.Quantities;
import dev.flk.program.json.Json;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * An entry of the registry, about a log and the backend that writes it. A log has one entry, whichever backend writes
 * it.
 *
 * @param logId the id of the log, 32 hex digits, under which the store keeps its position
 * @param name the name of the log, {@code LOG_NAME}
 * @param instance the backend's id, 16 hex digits, drawn at each start
 * @param address the name of the backend's machine and its configured port, such as host-1:8080; empty in an entry of
 *     an earlier version
 * @param version the backend's version
 * @param policy the hash of the policy in force
 * @param keys the version of the keys in force
 * @param startedMillis when the backend started, milliseconds since the epoch by its clock
 * @param seenMillis when the backend reported the log last, milliseconds since the epoch by its clock
 * @param last the last sequence in the log at that time
 * @param archivedUpTo the sequence up to which the log was archived at that time; 0 without an archive
 * @param ended whether the backend ended cleanly
 * @param forgotten whether an operator gave up the log
 * @param figures the numbers that the backend reported with it; null in an entry of an earlier version
 */
public record LogEntry(
        String logId,
        String name,
        String instance,
        String address,
        String version,
        String policy,
        String keys,
        long startedMillis,
        long seenMillis,
        long last,
        long archivedUpTo,
        boolean ended,
        boolean forgotten,
        @Nullable Figures figures) {

    /** The maximum length of the text of an entry, in characters. A longer text is not read. */
    public static final int MOST_CHARS = 4_096;

    private static final Pattern TEXT = Pattern.compile("[!-~]{0,300}");
    private static final Pattern NAME = Pattern.compile("[!-~]{1,100}");
    private static final long MOST_MILLIS =
            Instant.parse("9999-12-31T23:59:59Z").toEpochMilli();
    /** The upper bound of counts and sequences. No backend reaches it, and sums of such numbers do not overflow. */
    private static final long MOST = 1_000_000_000_000_000L;

    private static final long MOST_LAG_SECONDS = 1_000_000_000;

    /**
     * A few numbers of a backend, each null if it is not known, as without a page.
     *
     * @param url the address of the backend's page, {@code UI_URL}; null if it is not set
     * @param problems the problems that the backend sees
     * @param waiting the certificates that wait for a decision
     * @param reviews the certificates that wait for a review
     * @param lagSeconds the time for which certificates may wait until they are in the record
     */
    public record Figures(
            @Nullable String url,
            @Nullable Long problems,
            @Nullable Long waiting,
            @Nullable Long reviews,
            @Nullable Long lagSeconds) {
        /** The figures of a backend that has no page. */
        public static final Figures NONE = new Figures(null, null, null, null, null);

        private static @Nullable Figures parse(JsonNode figures) {
            String url = figures.path("url").asText();
            return figures.isObject()
                    ? new Figures(
                            Quantities.isUrl(url) ? url : null,
                            number(figures.path("problems")),
                            number(figures.path("waiting")),
                            number(figures.path("reviews")),
                            number(figures.path("lag_seconds")))
                    : null;
        }

        private static @Nullable Long number(JsonNode value) {
            return value.isNumber() ? Long.valueOf(value.canConvertToLong() ? value.asLong() : -1) : null;
        }

        private boolean isPlausible() {
            return Stream.of(problems, waiting, reviews).allMatch(each -> each == null || isWithin(each, MOST))
                    && (lagSeconds == null || isWithin(lagSeconds, MOST_LAG_SECONDS));
        }
    }

    /** Returns a copy for a log that was given up. */
    LogEntry forget() {
        return copy(keys, ended, true);
    }

    /** Returns a copy for a log whose backend ended cleanly. */
    LogEntry end() {
        return copy(keys, true, false);
    }

    LogEntry withKeys(String others) {
        return copy(others, ended, forgotten);
    }

    private LogEntry copy(String keysNow, boolean hasEnded, boolean isForgotten) {
        return new LogEntry(
                logId,
                name,
                instance,
                address,
                version,
                policy,
                keysNow,
                startedMillis,
                seenMillis,
                last,
                archivedUpTo,
                hasEnded,
                isForgotten,
                figures);
    }

    /** Describes the backend that reported the log last, and since when it has had it. */
    public String owner() {
        return "instance " + instance + (address.isEmpty() ? "" : " on " + address)
                + (ended ? " had it from " : " has had it since ") + Instant.ofEpochMilli(startedMillis)
                + (ended ? " to " : " and reported it last at ") + Instant.ofEpochMilli(seenMillis);
    }

    /** Returns the entry as one line of JSON, without a line feed. */
    public String text() {
        return new String(Json.bytes(this), StandardCharsets.US_ASCII);
    }

    /**
     * Parses the output of {@link #text}. Ignores members that a later version may have added; returns empty for any
     * other text, also for one with a text or number that no backend writes: others can write to the store, too.
     */
    public static Optional<LogEntry> parse(String text) {
        if (text.length() > MOST_CHARS) {
            return Optional.empty();
        }
        JsonNode entry;
        try {
            entry = Json.parse(text);
        } catch (JsonProcessingException e) {
            return Optional.empty();
        }
        return Optional.of(new LogEntry(
                        entry.path("log_id").asText(),
                        entry.path("name").asText(),
                        entry.path("instance").asText(),
                        entry.path("address").asText(),
                        entry.path("version").asText(),
                        entry.path("policy").asText(),
                        entry.path("keys").asText(),
                        entry.path("started_millis").asLong(),
                        entry.path("seen_millis").asLong(),
                        entry.path("last").asLong(),
                        entry.path("archived_up_to").asLong(),
                        entry.path("ended").asBoolean(),
                        entry.path("forgotten").asBoolean(),
                        Figures.parse(entry.path("figures"))))
                .filter(LogEntry::isPlausible);
    }

    private boolean isPlausible() {
        return logId.matches("[0-9a-f]{32}")
                && NAME.matcher(name).matches()
                && Stream.of(instance, address, version, policy, keys)
                        .allMatch(each -> TEXT.matcher(each).matches())
                && isWithin(startedMillis, MOST_MILLIS)
                && isWithin(seenMillis, MOST_MILLIS)
                && isWithin(last, MOST)
                && isWithin(archivedUpTo, MOST)
                && (figures == null || figures.isPlausible());
    }

    private static boolean isWithin(long number, long most) {
        return number >= 0 && number <= most;
    }
}
