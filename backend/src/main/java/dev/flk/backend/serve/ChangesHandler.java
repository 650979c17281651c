// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.outcomes.record.OutcomeChanges;
import dev.flk.backend.outcomes.record.OutcomeChanges.Event;
import dev.flk.backend.outcomes.record.OutcomeChanges.Part;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Order;
import dev.flk.backend.outcomes.record.Reviews;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.state.StateException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * The handler of {@code /v1/outcomes/changes}, which requires the operators' login. It serves the events of the record
 * after a cursor: as NDJSON, the next part; as server-sent events, all events until the client disconnects.
 */
final class ChangesHandler implements AutoCloseable {
    /** The header that says that an answer lacks reviews, because the state, which has them, is off or down. */
    static final String REVIEWS = "X-Flk-Reviews";

    private static final String PATH = "/v1/outcomes/changes";
    private static final String NOW = "now";
    private static final long MAX_CHARS = 2 << 20;
    private static final Set<String> QUERY = Set.of(
            "shard",
            "from",
            "to",
            "measured_from",
            "measured_to",
            "verdict",
            "regime",
            "key",
            "limit",
            "cursor",
            "follow");
    private static final Set<String> SWITCH = Set.of("true", "false");

    private final Supplier<Features> features;
    private final OperatorGuard guard;
    private final RecordHandler record;
    private final ChangeStreams streams;

    /** @param record the handler of the record, on whose threads this handler reads */
    ChangesHandler(Supplier<Features> features, OperatorGuard guard, RecordHandler record, HttpMetrics metrics) {
        this.features = features;
        this.guard = guard;
        this.record = record;
        this.streams = new ChangeStreams(guard.memory());
        metrics.watchers.watch(streams::count);
    }

    Routes addTo(Routes routes) {
        return routes.get(PATH, guard.reading(this::changes));
    }

    private void changes(Request request, Exchange exchange) {
        Features opened = features.get();
        Optional<RecordedOutcomes> found = opened.record();
        if (found.isEmpty()) {
            exchange.answer(RecordHandler.NO_RECORD);
            return;
        }
        Map<String, String> query;
        boolean follows;
        try {
            query = BadRequest.query(request, QUERY);
            follows = follows(request, query);
        } catch (BadRequest e) {
            exchange.answer(Answer.error(400, e.text()));
            return;
        }
        if (follows) {
            String last = request.header("Last-Event-ID");
            record.run(
                    exchange,
                    0,
                    () -> answering(exchange, () -> {
                        OutcomeChanges changes =
                                changes(found.get(), opened.reviews(), query, last == null ? cursor(query) : last);
                        streams.open(found.get(), opened.reviews(), changes, exchange);
                    }));
        } else {
            record.run(
                    exchange,
                    RecordHandler.MAX_ANSWER_BYTES,
                    () -> answering(exchange, () -> {
                        int limit = RecordHandler.limit(query);
                        OutcomeChanges changes = changes(found.get(), opened.reviews(), query, cursor(query));
                        exchange.answer(part(found.get(), changes.next(limit, MAX_CHARS)));
                    }));
        }
    }

    private static boolean follows(Request request, Map<String, String> query) {
        String follow = RecordHandler.oneOf(query, "follow", SWITCH);
        String accept = request.header("Accept");
        boolean follows = follow == null
                ? accept != null && accept.toLowerCase(Locale.ROOT).contains("text/event-stream")
                : follow.equals("true");
        if (follows && query.containsKey("limit")) {
            throw new BadRequest("limit is for a single answer; leave it out to follow the changes");
        }
        return follows;
    }

    private static String cursor(Map<String, String> query) {
        return query.getOrDefault("cursor", "");
    }

    private static OutcomeChanges changes(
            RecordedOutcomes record, Optional<Reviews> reviews, Map<String, String> query, String cursor) {
        return new OutcomeChanges(
                record,
                reviews.orElse(null),
                RecordHandler.wanted(query, query.get("shard"), Order.OLDEST, RecordedOutcomes.MAX_LIMIT, null),
                cursor.equals(NOW) ? OutcomeChanges.newest(record, reviews.orElse(null)) : cursor);
    }

    private static Answer part(RecordedOutcomes record, Part part) {
        List<Header> headers = RecordHandler.extent(record);
        headers.add(new Header(RecordHandler.CURSOR, part.cursor()));
        if (part.hasMore()) {
            headers.add(new Header(ReviewHandler.MORE, "true"));
        }
        if (!part.knowsReviews()) {
            headers.add(new Header(REVIEWS, "unknown"));
        }
        return RecordHandler.lines(part.events().stream().map(Event::line).toList(), headers);
    }

    private interface Work {
        void run() throws ChangesLostException;
    }

    /** Runs {@code work}, which answers the exchange; if it fails, answers with the reason. */
    private static void answering(Exchange exchange, Work work) {
        try {
            work.run();
        } catch (BadRequest e) {
            exchange.answer(Answer.error(400, e.text()));
        } catch (InvalidCursorException e) {
            exchange.answer(Answer.error(400, String.valueOf(e.getMessage())));
        } catch (ChangesLostException e) {
            exchange.answer(Answer.error(410, String.valueOf(e.getMessage())));
        } catch (RecordUnavailableException e) {
            exchange.answer(RecordHandler.refusal(e));
        } catch (StateException e) {
            exchange.answer(ReviewHandler.unknown(e));
        }
    }

    @Override
    public void close() {
        streams.close();
    }
}
