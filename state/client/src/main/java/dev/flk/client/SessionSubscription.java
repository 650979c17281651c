// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.flk.client.SessionStore.Change;
import dev.flk.client.SessionStore.Listener;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A subscription to changes of sessions, with a thread that reads them. {@link #close} ends it. */
public final class SessionSubscription implements AutoCloseable {
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(10);
    /**
     * The time after which a stream without a line counts as broken. A backend sends a comment every 15 seconds, so a
     * longer silence means that the backend or the network has failed.
     */
    private static final Duration LONGEST_SILENCE = Duration.ofSeconds(60);

    private static final String ID = "id: ";
    private static final String EVENT = "event: ";
    private static final String DATA = "data: ";

    private final SessionStore store;
    private final String prefix;
    private final Listener listener;
    private final long longestSilenceNanos;
    private final Thread thread = new Thread(this::run, "flk-sessions");
    private final ScheduledExecutorService watch =
            Executors.newSingleThreadScheduledExecutor(SessionSubscription::daemon);
    private volatile long lineNanos;
    private volatile boolean isClosed;
    private volatile @Nullable SessionCallException problem;

    // the next two fields are used only by the thread of this subscription
    private String lastId = "";
    private boolean wasConnected;

    /** The failure of the listener, as opposed to a failure of the stream. */
    private static final class ListenerFailed extends RuntimeException {
        private static final long serialVersionUID = 1;

        ListenerFailed(RuntimeException cause) {
            super("the subscription has ended, because its listener failed: " + cause, cause);
        }
    }

    private SessionSubscription(SessionStore store, String prefix, Listener listener, Duration longestSilence) {
        this.store = store;
        this.prefix = prefix;
        this.listener = listener;
        this.longestSilenceNanos = longestSilence.toNanos();
        thread.setDaemon(true);
    }

    static SessionSubscription start(SessionStore store, String prefix, Listener listener) {
        return start(store, prefix, listener, LONGEST_SILENCE);
    }

    static SessionSubscription start(SessionStore store, String prefix, Listener listener, Duration longestSilence) {
        SessionSubscription started = new SessionSubscription(store, prefix, listener, longestSilence);
        started.thread.start();
        return started;
    }

    private static Thread daemon(Runnable watching) {
        Thread thread = new Thread(watching, "flk-sessions-watch");
        thread.setDaemon(true);
        return thread;
    }

    /**
     * Returns why the stream broke or could not be opened; empty if neither has happened since the stream was last
     * opened. If the listener has thrown an exception, the subscription has ended, and the problem says so.
     */
    public Optional<SessionCallException> problem() {
        return Optional.ofNullable(problem);
    }

    private void run() {
        Duration pause = FIRST_PAUSE;
        while (!isClosed) {
            try {
                if (read()) {
                    pause = FIRST_PAUSE;
                }
                Thread.sleep(pause.toMillis());
            } catch (InterruptedException e) {
                return; // close() interrupts the thread
            } catch (ListenerFailed e) {
                problem = new SessionCallException(String.valueOf(e.getMessage()), e);
                watch.shutdownNow();
                return;
            }
            pause = pause.multipliedBy(2).compareTo(LONGEST_PAUSE) < 0 ? pause.multipliedBy(2) : LONGEST_PAUSE;
        }
    }

    /** Reads a stream until it ends; returns whether it was opened. */
    private boolean read() throws InterruptedException {
        boolean isOpen = false;
        try {
            HttpResponse<InputStream> answer = store.changes(prefix, lastId);
            lineNanos = System.nanoTime();
            ScheduledFuture<?> silence = endIfSilent(answer.body());
            try (InputStream lines = new BufferedInputStream(answer.body())) {
                isOpen = answer.statusCode() == 200;
                if (!isOpen) {
                    problem = new SessionCallException(
                            answer.statusCode(), "the changes can't be read: status " + answer.statusCode());
                    return false;
                }
                problem = null;
                if (wasConnected && lastId.isEmpty()) {
                    // the new stream can't resume where the old stream ended, because no change, and so no position,
                    // was received
                    call(listener::reset);
                }
                wasConnected = true;
                read(lines);
            } finally {
                silence.cancel(false);
            }
        } catch (ListenerFailed e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // a RuntimeException comes from the credentials, or from a line that is not JSON
            problem = new SessionCallException("the stream of changes broke: " + e.getMessage(), e);
        }
        return isOpen;
    }

    /** Closes a stream, which ends the read in progress, as soon as no line has arrived for too long. */
    private ScheduledFuture<?> endIfSilent(InputStream stream) {
        return watch.scheduleWithFixedDelay(
                () -> {
                    if (System.nanoTime() - lineNanos > longestSilenceNanos) {
                        closeQuietly(stream);
                    }
                },
                longestSilenceNanos / 4,
                longestSilenceNanos / 4,
                TimeUnit.NANOSECONDS);
    }

    private static void closeQuietly(InputStream stream) {
        try {
            stream.close();
        } catch (IOException e) {
            // the thread that reads the stream gets an exception, too
        }
    }

    private static void call(Runnable listening) {
        try {
            listening.run();
        } catch (RuntimeException e) {
            throw new ListenerFailed(e);
        }
    }

    private void read(InputStream lines) throws IOException {
        String id = lastId;
        String event = "";
        while (!isClosed) {
            String line = BoundedText.line(lines);
            if (line == null) {
                return;
            }
            lineNanos = System.nanoTime();
            id = line.startsWith(ID) ? line.substring(ID.length()) : id;
            event = line.startsWith(EVENT) ? line.substring(EVENT.length()) : event;
            if (line.startsWith(DATA) && event.equals("reset")) {
                call(listener::reset);
            } else if (line.startsWith(DATA)) {
                Change change = change(line.substring(DATA.length()));
                call(() -> listener.changed(change));
                lastId = id;
            }
        }
    }

    private static Change change(String data) {
        JsonObject change = JsonParser.parseString(data).getAsJsonObject();
        JsonElement state = change.get("state");
        return new Change(
                change.get("id").getAsString(),
                change.get("version").getAsLong(),
                Instant.parse(change.get("at").getAsString()),
                state == null ? null : state.toString());
    }

    /** Ends the thread. A call of the listener that is in progress is interrupted. */
    @Override
    public void close() {
        isClosed = true;
        watch.shutdownNow();
        thread.interrupt();
    }
}
