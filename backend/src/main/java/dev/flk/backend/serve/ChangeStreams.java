// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.outcomes.record.OutcomeChanges;
import dev.flk.backend.outcomes.record.OutcomeChanges.Event;
import dev.flk.backend.outcomes.record.OutcomeChanges.Part;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.Reviews;
import dev.flk.http.Answer.Header;
import dev.flk.http.EventStream;
import dev.flk.http.Exchange;
import dev.flk.http.ServerLoad.Bound;
import dev.flk.program.cli.Json;
import dev.flk.program.time.DaemonThreads;
import dev.flk.state.StateException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Streams of the events of the record, as server-sent events. The {@code id} of each event is its cursor, from which a
 * client resumes. A stream whose conditions select nothing still sends ids, so that its client resumes at a recent
 * cursor.
 */
final class ChangeStreams implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.http");

    /**
     * The maximum number of streams. Together with the streams of pages, it leaves room for other connections to
     * OPS_PORT.
     */
    static final int MOST_STREAMS = 16;

    private static final int THREADS = 2;
    private static final int MOST_EVENTS = 200;
    private static final long MOST_CHARS = 256 << 10;
    /**
     * The maximum number of pending bytes of a stream. It leaves room for any part beyond {@link
     * #ENOUGH_PENDING_BYTES}.
     */
    private static final long MAX_PENDING_BYTES = 16 << 20;
    /** The number of pending bytes above which a stream reads nothing until its client has caught up. */
    private static final long ENOUGH_PENDING_BYTES = 1 << 20;

    private static final long WAIT_MILLIS = 100;
    private static final long LOOK_EVERY_MILLIS = 250;
    private static final long KEEP_ALIVE_SECONDS = 15;
    private static final byte[] COMMENT = ":\n\n".getBytes(StandardCharsets.US_ASCII);

    private final Bound places = new Bound(MOST_STREAMS);
    private final Bound memory;
    private final Set<Stream> streams = ConcurrentHashMap.newKeySet();
    private final ScheduledExecutorService threads =
            Executors.newScheduledThreadPool(THREADS, DaemonThreads.named("outcome-changes"));

    /** The cursor after the newest event when it was looked up last, by which streams learn of new events. */
    private volatile String newest = "";

    /** @param memory the bound on the pending bytes of all streams */
    ChangeStreams(Bound memory) {
        this.memory = memory;
        var unused =
                threads.scheduleWithFixedDelay(this::look, LOOK_EVERY_MILLIS, LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS);
        unused = threads.scheduleWithFixedDelay(
                () -> streams.forEach(Stream::keepAlive), KEEP_ALIVE_SECONDS, KEEP_ALIVE_SECONDS, TimeUnit.SECONDS);
    }

    /** Returns the number of open streams. */
    int count() {
        return streams.size();
    }

    /**
     * Answers an exchange with a stream.
     *
     * @param changes the events of the stream
     * @throws ChangesLostException if the first events are lost; the exchange has no answer then
     * @throws InvalidCursorException if the cursor can't be used; the exchange has no answer then
     * @throws RecordUnavailableException if the record can't be read; the exchange has no answer then
     */
    void open(RecordedOutcomes record, Optional<Reviews> reviews, OutcomeChanges changes, Exchange exchange)
            throws ChangesLostException {
        Part first = changes.next(MOST_EVENTS, MOST_CHARS);
        Optional<EventStream> opened = exchange.stream(
                places, memory, MAX_PENDING_BYTES, RecordHandler.extent(record).toArray(new Header[0]));
        if (opened.isPresent()) {
            Stream stream = new Stream(opened.get(), record, reviews, changes);
            streams.add(stream);
            opened.get().whenClosed(why -> streams.remove(stream));
            boolean unused = opened.get().send(COMMENT);
            stream.send(first, "");
        }
    }

    /** Looks for new events on behalf of all streams that wait for one. */
    private void look() {
        try {
            Optional<Stream> any = streams.stream().findAny();
            if (any.isPresent()) {
                newest = any.get().newest();
                streams.forEach(stream -> stream.wakeUnlessAt(newest));
            }
        } catch (RecordUnavailableException | StateException e) {
            streams.forEach(stream -> stream.wakeUnlessAt("")); // the streams find out what they can still read
        } catch (RuntimeException e) {
            LOG.error("looking for changes of outcomes failed and will be retried", e);
        }
    }

    /** Returns an event; its id is its cursor. */
    private static String text(Event event) {
        return "id: " + event.cursor() + "\nevent: " + event.kind() + "\ndata: " + Json.inert(event.line()) + "\n\n";
    }

    /** A stream and its position. The steps of a stream run one after the other. */
    private final class Stream {
        private final EventStream to;
        private final RecordedOutcomes record;
        private final Optional<Reviews> reviews;
        private final OutcomeChanges changes;
        /** The cursor that the client knows. This field and the next two are guarded by this stream. */
        private String sent = "";
        /** The cursor after everything that was examined. */
        private String examined = "";

        private boolean knowsReviews = true;
        /**
         * The value of {@link #newest} before the last step found nothing; null while a step runs or is scheduled.
         */
        private final AtomicReference<@Nullable String> idleAt = new AtomicReference<>();

        Stream(EventStream to, RecordedOutcomes record, Optional<Reviews> reviews, OutcomeChanges changes) {
            this.to = to;
            this.record = record;
            this.reviews = reviews;
            this.changes = changes;
        }

        String newest() {
            return OutcomeChanges.newest(record, reviews.orElse(null));
        }

        private void later(long millis) {
            Runnable step = this::step;
            try {
                var unused = threads.schedule(step, millis, TimeUnit.MILLISECONDS);
            } catch (RejectedExecutionException e) {
                to.close(); // the server is being closed
            }
        }

        private void step() {
            if (!streams.contains(this)) {
                return;
            }
            try {
                if (to.pendingBytes() > ENOUGH_PENDING_BYTES) {
                    later(WAIT_MILLIS);
                    return;
                }
                String before = newest;
                send(changes.next(MOST_EVENTS, MOST_CHARS), before);
            } catch (ChangesLostException | InvalidCursorException | RecordUnavailableException e) {
                to.close(); // when the client connects again, it gets the reason as an error
            } catch (RuntimeException e) {
                LOG.error("a stream of changes of outcomes failed and was closed", e);
                to.close();
            }
        }

        /**
         * Sends a part, and continues at once if more may follow, or else when {@link ChangeStreams#newest} is no
         * longer {@code before}.
         */
        void send(Part part, String before) {
            if (!send(part)) {
                return;
            }
            if (part.hasMore()) {
                later(0);
            } else {
                idleAt.set(before);
            }
        }

        private synchronized boolean send(Part part) {
            List<Event> events = part.events();
            examined = part.cursor();
            knowsReviews = part.knowsReviews();
            if (!events.isEmpty()) {
                StringBuilder text = new StringBuilder();
                events.forEach(event -> text.append(text(event)));
                sent = events.get(events.size() - 1).cursor();
                return to.send(text.toString().getBytes(StandardCharsets.UTF_8));
            }
            return true;
        }

        /** Lets an idle stream look for events unless it has already looked since {@link #newest} had this value. */
        void wakeUnlessAt(String value) {
            String idle = idleAt.get();
            if (idle != null && (value.isEmpty() || !idle.equals(value)) && idleAt.compareAndSet(idle, null)) {
                later(0);
            }
        }

        /** Sends a comment, which says whether reviews are known, and the cursor if it has advanced without events. */
        synchronized void keepAlive() {
            String comment = knowsReviews ? ":\n" : ": reviews unknown\n";
            String id = examined.equals(sent) ? "" : "id: " + examined + "\n";
            boolean unused = to.send((comment + id + "\n").getBytes(StandardCharsets.UTF_8));
            sent = examined;
        }
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }
}
