// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Answer.Header;
import dev.flk.http.ServerLoad.Bound;
import dev.flk.program.time.DaemonThreads;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The streams of an endpoint, each of which sends the events of a source until its client disconnects. A stream that has
 * no events sends comments. A client resumes after the {@code id} that it has received last, so a stream also sends the
 * position of a source that has advanced without events. Safe for any thread.
 */
public final class EventStreams implements AutoCloseable {
    /** A comment, which clients ignore. */
    public static final String COMMENT = ":\n\n";

    private static final Logger log = LoggerFactory.getLogger(EventStreams.class);
    private static final int THREADS = 2;
    /**
     * The maximum number of pending bytes of a stream. It leaves room for any part beyond {@link
     * #ENOUGH_PENDING_BYTES}.
     */
    private static final long MAX_PENDING_BYTES = 16 << 20;
    /** The number of pending bytes above which a stream reads nothing until its client has caught up. */
    private static final long ENOUGH_PENDING_BYTES = 1 << 20;

    private static final long WAIT_MILLIS = 100;
    private static final long KEEP_ALIVE_SECONDS = 15;

    private final String name;
    private final StreamPlaces places;
    private final Bound memory;
    private final Set<Stream> streams = ConcurrentHashMap.newKeySet();
    private final ScheduledExecutorService threads;

    /**
     * The events of one stream. A stream calls {@link #next} and {@link #whenMore} one after the other, on the threads
     * of the streams. Both may block.
     */
    public interface Source {
        /**
         * Returns the next events. If it returns empty, the stream is closed; the client gets the reason as an error
         * when it connects again.
         */
        Optional<Part> next();

        /**
         * Calls {@code listener} once, on any thread, when there may be more events. The listener does not block.
         *
         * @return a function that cancels the pending call of the listener
         */
        Runnable whenMore(Runnable listener);

        /** Returns whether the client may still see events; asked before each comment that keeps the stream open. */
        default boolean isAllowed() {
            return true;
        }
    }

    /**
     * The next events of a stream.
     *
     * @param events complete events, one after the other; may be empty
     * @param lastId the last id in {@code events}; null if they have no id
     * @param position the id after everything that was examined; null if a client can resume only after events
     * @param comment the text of the comments from now on
     * @param hasMore whether more events may follow now
     */
    public record Part(
            String events,
            @Nullable String lastId,
            @Nullable String position,
            String comment,
            boolean hasMore) {}

    /**
     * @param name the name of the threads
     * @param most the maximum number of open streams
     * @param memory the bound on the pending bytes of all streams
     */
    public EventStreams(String name, int most, Bound memory) {
        this.name = name;
        this.places = new StreamPlaces(most);
        this.memory = memory;
        this.threads = Executors.newScheduledThreadPool(THREADS, DaemonThreads.named(name));
        repeat(TimeUnit.SECONDS.toMillis(KEEP_ALIVE_SECONDS), () -> streams.forEach(Stream::keepAlive));
    }

    /** Runs a task again and again on the threads of the streams. The task must not throw. */
    public void repeat(long millis, Runnable task) {
        var unused = threads.scheduleWithFixedDelay(task, millis, millis, TimeUnit.MILLISECONDS);
    }

    /** Returns the number of open streams. */
    public int count() {
        return streams.size();
    }

    /** Answers an exchange with a stream that begins with {@code first}; or refuses it if there is no place or memory. */
    public void open(Exchange exchange, Part first, Source source, Header... headers) {
        exchange.stream(places, memory, MAX_PENDING_BYTES, headers).ifPresent(opened -> {
            Stream stream = new Stream(opened, source);
            streams.add(stream);
            opened.whenClosed(why -> stream.end());
            stream.send(first);
        });
    }

    /** A stream and its position. The steps of a stream run one after the other. */
    private final class Stream {
        private final EventStream to;
        private final Source source;
        private volatile Runnable cancel = () -> {};
        private volatile boolean hasEnded;
        /** The id that the client knows; null for none. This field and the next two are guarded by this stream. */
        private @Nullable String sent;

        private @Nullable String examined;
        private String comment = "";

        Stream(EventStream to, Source source) {
            this.to = to;
            this.source = source;
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
            if (hasEnded) {
                return;
            }
            try {
                if (to.pendingBytes() > ENOUGH_PENDING_BYTES) {
                    later(WAIT_MILLIS);
                } else {
                    source.next().ifPresentOrElse(this::send, to::close);
                }
            } catch (RuntimeException e) {
                log.error("a stream of {} failed and was closed", name, e);
                to.close();
            }
        }

        /** Sends a part, and continues at once if more may follow, or else when the source has more. */
        void send(Part part) {
            if (!accepts(part)) {
                return;
            }
            if (part.hasMore()) {
                later(0);
                return;
            }
            cancel = source.whenMore(() -> later(0));
            if (hasEnded) {
                cancel.run(); // the stream ended before end() could cancel this listener
            }
        }

        private synchronized boolean accepts(Part part) {
            sent = part.lastId() == null ? sent : part.lastId();
            examined = part.position();
            comment = part.comment();
            return to.send(part.events().getBytes(StandardCharsets.UTF_8));
        }

        synchronized void keepAlive() {
            String id = examined == null || examined.equals(sent) ? "" : "id: " + examined + "\n";
            if (source.isAllowed()) {
                boolean unused = to.send((":" + comment + "\n" + id + "\n").getBytes(StandardCharsets.UTF_8));
                sent = examined;
            } else {
                to.close();
            }
        }

        void end() {
            hasEnded = true;
            streams.remove(this);
            cancel.run();
        }
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }
}
