// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.record;

import static dev.flk.backend.serve.record.RecordHandler.answering;

import dev.flk.backend.outcomes.record.OutcomeChanges;
import dev.flk.backend.outcomes.record.OutcomeChanges.Event;
import dev.flk.backend.outcomes.record.OutcomeChanges.Part;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.serve.guard.BadRequest;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.EventStreams;
import dev.flk.http.Exchange;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.cli.Printable;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The handler of {@code /v1/outcomes/changes}, which requires the operators' login. It serves the events of the record
 * after a cursor: as NDJSON, the next part; as server-sent events, all events until the client disconnects.
 */
public final class ChangesHandler implements AutoCloseable {
    private static final String PATH = "/v1/outcomes/changes";
    private static final String NOW = "now";
    private static final long MAX_CHARS = 2 << 20;
    private static final Set<String> QUERY = RecordHandler.withConditions("shard", "limit", "cursor", "follow");
    private static final Set<String> SWITCH = Set.of("true", "false");

    /**
     * The maximum number of streams. Together with the streams of pages, it leaves room for other connections to
     * OPS_PORT.
     */
    public static final int MOST_STREAMS = 16;

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.http");
    private static final int MOST_EVENTS = 200;
    private static final long MOST_STREAMED_CHARS = 256 << 10;
    private static final long LOOK_EVERY_MILLIS = 250;

    private final Supplier<Optional<RecordedOutcomes>> outcomes;
    private final OperatorGuard guard;
    private final RecordHandler record;
    private final EventStreams streams;
    /** The streams that wait for events, with their listeners. */
    private final Map<Followed, Runnable> waiting = new ConcurrentHashMap<>();
    /** The cursor after the newest event when it was looked up last, by which streams learn of new events. */
    private volatile String newest = "";

    /**
     * @param outcomes the record; empty if this backend keeps none or has not opened it yet
     * @param record the handler of the record, on whose threads this handler reads
     */
    public ChangesHandler(Supplier<Optional<RecordedOutcomes>> outcomes, OperatorGuard guard, RecordHandler record) {
        this.outcomes = outcomes;
        this.guard = guard;
        this.record = record;
        this.streams = new EventStreams("outcome-changes", MOST_STREAMS, guard.memory());
        streams.repeat(LOOK_EVERY_MILLIS, this::look);
    }

    /** Returns the number of clients that follow the changes. */
    public int watchers() {
        return streams.count();
    }

    public Routes addTo(Routes routes) {
        return routes.get(PATH, guard.reading(this::changes));
    }

    private void changes(Request request, Exchange exchange) {
        record.open(exchange, outcomes)
                .ifPresent(found -> answering(exchange, () -> changes(request, exchange, found)));
    }

    private void changes(Request request, Exchange exchange, RecordedOutcomes found) {
        Map<String, String> query = BadRequest.query(request, QUERY);
        if (follows(request, query)) {
            String last = request.header("Last-Event-ID");
            record.run(
                    exchange,
                    0,
                    () -> answering(exchange, () -> {
                        OutcomeChanges changes = changes(found, query, last == null ? cursor(query) : last);
                        Followed followed = new Followed(found, changes);
                        EventStreams.Part first = followed.read(EventStreams.COMMENT);
                        streams.open(
                                exchange,
                                first,
                                followed,
                                RecordHandler.extent(found).toArray(Header[]::new));
                    }));
        } else {
            record.run(
                    exchange,
                    RecordHandler.MAX_ANSWER_BYTES,
                    () -> answering(exchange, () -> {
                        int limit = RecordHandler.limit(query);
                        OutcomeChanges changes = changes(found, query, cursor(query));
                        exchange.answer(part(found, changes.next(limit, MAX_CHARS)));
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

    private static OutcomeChanges changes(RecordedOutcomes record, Map<String, String> query, String cursor) {
        return new OutcomeChanges(
                record, OutcomeQuery.parse(query), cursor.equals(NOW) ? OutcomeChanges.newest(record) : cursor);
    }

    private static Answer part(RecordedOutcomes record, Part part) {
        List<Header> headers = RecordHandler.extent(record);
        headers.add(new Header(RecordHandler.CURSOR, part.cursor()));
        if (part.hasMore()) {
            headers.add(new Header(ReviewHandler.MORE, "true"));
        }
        return RecordHandler.lines(part.events().stream().map(Event::line).toList(), headers);
    }

    /** The events of one stream, whose ids are their cursors. */
    private final class Followed implements EventStreams.Source {
        private final RecordedOutcomes record;
        private final OutcomeChanges changes;
        /** The value of {@link #newest} before the last read. */
        private volatile String before = "";

        Followed(RecordedOutcomes record, OutcomeChanges changes) {
            this.record = record;
            this.changes = changes;
        }

        /** @param greeting text to send before the events */
        EventStreams.Part read(String greeting) throws ChangesLostException {
            before = newest;
            Part part = changes.next(MOST_EVENTS, MOST_STREAMED_CHARS);
            StringBuilder text = new StringBuilder(greeting);
            String last = null;
            for (Event event : part.events()) {
                last = event.cursor();
                text.append("id: ").append(last).append("\nevent: ").append(event.kind());
                text.append("\ndata: ").append(Printable.json(event.line())).append("\n\n");
            }
            return new EventStreams.Part(text.toString(), last, part.cursor(), "", part.hasMore());
        }

        @Override
        public Optional<EventStreams.Part> next() {
            try {
                return Optional.of(read(""));
            } catch (ChangesLostException | InvalidCursorException | RecordUnavailableException e) {
                return Optional.empty();
            }
        }

        @Override
        public Runnable whenMore(Runnable listener) {
            waiting.put(this, listener);
            wakeIf(!before.equals(newest));
            return () -> waiting.remove(this);
        }

        void wakeIf(boolean mayHaveMore) {
            Runnable listener = mayHaveMore ? waiting.remove(this) : null;
            if (listener != null) {
                listener.run();
            }
        }
    }

    /** Looks for new events on behalf of all streams that wait for one. */
    private void look() {
        try {
            Optional<Followed> any = waiting.keySet().stream().findAny();
            if (any.isPresent()) {
                newest = OutcomeChanges.newest(any.get().record);
                waiting.keySet().forEach(each -> each.wakeIf(!each.before.equals(newest)));
            }
        } catch (RecordUnavailableException e) {
            waiting.keySet().forEach(each -> each.wakeIf(true)); // the streams find out what they can still read
        } catch (RuntimeException e) {
            LOG.error("looking for changes of outcomes failed and will be retried", e);
        }
    }

    @Override
    public void close() {
        streams.close();
    }
}
