// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Order;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Part;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Span;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Wanted;
import java.time.Instant;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A page of the certificates of all shards that arrived in a range of time, the newest first, at most {@link
 * ShardView#MOST_ROWS}.
 *
 * @param verdict the verdict of the certificates; empty for any
 * @param next the address of the next page; null on the last page
 */
public record OutcomesView(
        Instant at,
        String verdict,
        Span received,
        List<Outcome> rows,
        @Nullable String next) {
    private static final String PATH = "/ui/outcomes";

    /** Returns the address of the certificates with a verdict that arrived in a range of time. */
    static String path(String verdict, Instant from, Instant to) {
        return path(verdict, new Span(from, to), null);
    }

    private static String path(String verdict, Span received, @Nullable String cursor) {
        return PATH + "?"
                + Stream.of(
                                parameter("verdict", verdict.isEmpty() ? null : verdict),
                                parameter("from", received.from()),
                                parameter("to", received.to()),
                                parameter("cursor", cursor))
                        .flatMap(List::stream)
                        .collect(Collectors.joining("&"));
    }

    private static List<String> parameter(String name, @Nullable Object value) {
        return value == null ? List.of() : List.of(name + "=" + Pages.encoded(value.toString()));
    }

    /** Reads a page. */
    public static OutcomesView read(
            RecordedOutcomes record, String verdict, Span received, @Nullable String cursor, Instant now) {
        Part part = record.outcomes(new Wanted(
                java.util.Set.of(),
                null,
                verdict.isEmpty() ? null : verdict,
                null,
                null,
                received,
                new Span(null, null),
                Order.NEWEST,
                ShardView.MOST_ROWS,
                cursor));
        return new OutcomesView(
                now,
                verdict,
                received,
                part.lines().stream().map(Outcome::of).toList(),
                part.cursor() == null ? null : path(verdict, received, part.cursor()));
    }

    /** Returns the condition that the certificates meet, in words. */
    public String condition() {
        return (verdict.isEmpty() ? "certificates" : verdict + " certificates")
                + (received.from() == null ? "" : " that arrived from " + Pages.time(received.from()))
                + (received.to() == null
                        ? ""
                        : (received.from() == null ? " that arrived" : "") + " until " + Pages.time(received.to()));
    }
}
