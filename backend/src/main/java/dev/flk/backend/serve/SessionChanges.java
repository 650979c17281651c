// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.SessionStorage.Change;
import dev.flk.backend.sessions.SessionStorage.Changes;
import dev.flk.http.EventStream;
import dev.flk.http.Exchange;
import dev.flk.http.ServerLoad.Bound;
import dev.flk.program.cli.Json;
import dev.flk.program.time.DaemonThreads;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Streams of the changes of sessions, as server-sent events. Each event {@code update} or {@code delete} contains one
 * change as JSON. The last event of each commit has an id, from which a client resumes. If changes after a client's
 * position are lost, the stream begins with an event {@code reset}, and the client must list the sessions again.
 */
final class SessionChanges implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.http");
    private static final int MOST_STREAMS = 256;
    private static final int THREADS = 2;
    /**
     * The maximum number of pending bytes of a stream. It leaves room for any page of changes beyond {@link
     * #ENOUGH_PENDING_BYTES}.
     */
    private static final long MAX_PENDING_BYTES = 16 << 20;
    /** The number of pending bytes above which a stream reads no more changes until its client has caught up. */
    private static final long ENOUGH_PENDING_BYTES = 1 << 20;

    private static final long WAIT_MILLIS = 100;
    private static final long KEEP_ALIVE_SECONDS = 15;
    private static final byte[] COMMENT = ":\n\n".getBytes(StandardCharsets.US_ASCII);

    private final Bound places = new Bound(MOST_STREAMS);
    private final Bound memory;
    private final Set<Stream> streams = ConcurrentHashMap.newKeySet();
    private final ScheduledExecutorService threads =
            Executors.newScheduledThreadPool(THREADS, DaemonThreads.named("session-changes"));

    /** The data of an event. */
    private record Data(
            String id, long version, Instant at, @Nullable Object state) {}

    /** @param memory the bound on the pending bytes of all streams */
    SessionChanges(Bound memory) {
        this.memory = memory;
        var unused = threads.scheduleWithFixedDelay(
                () -> streams.forEach(Stream::keepAlive), KEEP_ALIVE_SECONDS, KEEP_ALIVE_SECONDS, TimeUnit.SECONDS);
    }

    /**
     * Answers an exchange with a stream.
     *
     * @param after the id of the last event that the client has; null to begin with the next change
     * @param isAllowed returns whether the client may still see the changes; called every {@value #KEEP_ALIVE_SECONDS}
     *     seconds; if it returns false, the stream is closed
     * @throws StateException if the store can't be read, or {@code after} is not the id of an event
     */
    void open(
            SessionStorage store, String prefix, @Nullable String after, BooleanSupplier isAllowed, Exchange exchange) {
        String lost = null;
        Changes changes;
        try {
            changes = store.changes(prefix, after);
        } catch (StateException e) {
            if (e.reason() != Reason.HISTORY_CHANGED && e.reason() != Reason.COMPACTED) {
                throw e;
            }
            lost = e.reason().name();
            changes = store.changes(prefix, null);
        }
        Optional<EventStream> opened = exchange.stream(places, memory, MAX_PENDING_BYTES);
        if (opened.isPresent()) {
            Stream stream = new Stream(opened.get(), changes, isAllowed);
            streams.add(stream);
            opened.get().whenClosed(why -> stream.end());
            boolean unused =
                    opened.get().send(lost == null ? COMMENT : event("reset", null, Json.line(Map.of("reason", lost))));
            stream.later(0);
        }
    }

    private static byte[] event(String name, @Nullable String id, String line) {
        return ((id == null ? "" : "id: " + id + "\n") + "event: " + name + "\ndata: " + line + "\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] events(List<Change> page) {
        ByteArrayOutputStream events = new ByteArrayOutputStream();
        for (Change change : page) {
            String json = change.json();
            Data data = new Data(change.id(), change.version(), change.at(), json == null ? null : Json.raw(json));
            events.writeBytes(event(json == null ? "delete" : "update", change.token(), Json.line(data)));
        }
        return events.toByteArray();
    }

    /** A stream and its position. The steps of a stream run one after the other. */
    private final class Stream {
        private final EventStream to;
        private final Changes changes;
        private final BooleanSupplier isAllowed;
        private volatile Runnable cancel = () -> {};
        private volatile boolean hasEnded;

        Stream(EventStream to, Changes changes, BooleanSupplier isAllowed) {
            this.to = to;
            this.changes = changes;
            this.isAllowed = isAllowed;
        }

        void later(long millis) {
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
                    return;
                }
                List<Change> page = changes.next();
                if (!page.isEmpty() && !to.send(events(page))) {
                    return;
                }
                if (page.isEmpty()) {
                    cancel = changes.whenMore(() -> later(0));
                    if (hasEnded) {
                        cancel.run(); // the stream ended before end() could cancel this listener
                    }
                } else {
                    later(0);
                }
            } catch (StateException e) {
                to.close(); // when the client connects again, it gets the reason as an error or a reset
            } catch (RuntimeException e) {
                LOG.error("a stream of session changes failed and was closed", e);
                to.close();
            }
        }

        void keepAlive() {
            boolean unused = isAllowed.getAsBoolean() && to.send(COMMENT);
            if (!unused) {
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
