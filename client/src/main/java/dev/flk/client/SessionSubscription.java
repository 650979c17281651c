// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.flk.client.SessionStore.Change;
import dev.flk.client.SessionStore.Listener;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.Iterator;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A subscription to changes of sessions, with a thread that reads them. {@link #close} ends it. */
public final class SessionSubscription implements AutoCloseable {
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(10);
    private static final String ID = "id: ";
    private static final String EVENT = "event: ";
    private static final String DATA = "data: ";

    private final SessionStore store;
    private final String prefix;
    private final Listener listener;
    private final Thread thread = new Thread(this::run, "flk-sessions");
    private volatile boolean isClosed;
    private volatile @Nullable SessionCallException problem;

    // the next two fields are used only by the thread of this subscription
    private String lastId = "";
    private boolean wasConnected;

    private SessionSubscription(SessionStore store, String prefix, Listener listener) {
        this.store = store;
        this.prefix = prefix;
        this.listener = listener;
        thread.setDaemon(true);
    }

    static SessionSubscription start(SessionStore store, String prefix, Listener listener) {
        SessionSubscription started = new SessionSubscription(store, prefix, listener);
        started.thread.start();
        return started;
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
            } catch (RuntimeException e) {
                problem = new SessionCallException("the subscription has ended, because its listener failed: " + e, e);
                return;
            }
            pause = pause.multipliedBy(2).compareTo(LONGEST_PAUSE) < 0 ? pause.multipliedBy(2) : LONGEST_PAUSE;
        }
    }

    /** Reads a stream until it ends; returns whether it was opened. */
    private boolean read() throws InterruptedException {
        boolean isOpen = false;
        try {
            HttpResponse<Stream<String>> answer = store.changes(prefix, lastId);
            try (Stream<String> lines = answer.body()) {
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
                    listener.reset();
                }
                wasConnected = true;
                read(lines.iterator());
            }
        } catch (IOException | UncheckedIOException e) {
            problem = new SessionCallException("the stream of changes broke: " + e.getMessage(), e);
        }
        return isOpen;
    }

    private void read(Iterator<String> lines) {
        String id = lastId;
        String event = "";
        while (!isClosed && lines.hasNext()) {
            String line = lines.next();
            id = line.startsWith(ID) ? line.substring(ID.length()) : id;
            event = line.startsWith(EVENT) ? line.substring(EVENT.length()) : event;
            if (line.startsWith(DATA) && event.equals("reset")) {
                listener.reset();
            } else if (line.startsWith(DATA)) {
                listener.changed(change(line.substring(DATA.length())));
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
        thread.interrupt();
    }
}
