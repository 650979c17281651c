// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Answer.Header;
import dev.flk.http.ServerLoad.Bound;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An answer that stays open: of type {@code text/event-stream}, so that server-sent events can follow at any time, or a
 * file of unknown length. It is the last answer of its connection. A file that is not {@linkplain CloseReason#ENDED
 * complete} ends without the last chunk, so that an HTTP/1.1 client notices that it is not complete. The stream is closed if nothing is written for {@link
 * HttpServer.HttpOptions#idleTimeout}. An endpoint without events must therefore send comments, at shorter intervals.
 *
 * <p>Pending bytes are bytes that the endpoint has sent, but that the network has not accepted yet. Pending bytes count
 * against a bound that several streams share, and against a limit of the stream. Public methods may be called on any thread
 * and do not block.
 */
public final class EventStream {
    private static final Logger log = LoggerFactory.getLogger(EventStream.class);

    /** An estimate of the memory that a pending chunk needs besides its bytes. */
    private static final int CHUNK_BYTES = 64;

    /** The content type of server-sent events. */
    static final String EVENTS = "text/event-stream";

    private static final Header NOT_STORED = new Header("Cache-Control", "no-store");
    /** Makes nginx pass on each event at once; by default it waits for 4 or 8 KiB. */
    private static final Header NOT_BUFFERED = new Header("X-Accel-Buffering", "no");

    private static final Header CHUNKED = new Header("Transfer-Encoding", "chunked");

    private final Exchange exchange;
    private final Loop loop;
    private final StreamPlaces places;
    private final Bound memory;
    private final long maxPendingBytes;
    private final boolean isFile;
    private final Answer head;
    private final CompletableFuture<CloseReason> closed = new CompletableFuture<>();

    /** The chunks that have not been written yet. This field and the fields below are guarded by this object. */
    private final Queue<byte[]> queued = new ArrayDeque<>();

    private long pendingBytes;
    /** The time at which the network last accepted a chunk, or bytes became pending. */
    private long unreadSinceNanos;

    /** Whether the event loop knows that chunks are queued. */
    private boolean announced;

    private boolean discarded;
    private @Nullable CloseReason reason;

    /** The reason why a stream was closed. */
    public enum CloseReason {
        /** The endpoint closed the stream, the request was a {@code HEAD}, or the request has another answer. */
        ENDED,
        /**
         * The client disconnected or shut down its side, the connection failed, or an earlier request of the connection
         * is answered with a stream.
         */
        DISCONNECTED,
        /**
         * The client read too slowly: the pending bytes exceeded the limit of the stream, the client read nothing for
         * the idle timeout, or it read nothing for some time while memory was short or another stream needed its place.
         */
        TOO_SLOW,
        /** The server had no memory for another chunk. */
        NO_MEMORY,
        /** The endpoint sent nothing for the idle timeout. */
        SILENT,
        /** The server is being closed, or the endpoint can't send the rest. */
        STOPPED
    }

    /**
     * @param places the places of the streams of this kind; this stream gives its place back when it is closed
     * @param memory the bound on the pending bytes of all streams of this kind
     */
    EventStream(
            Exchange exchange,
            Loop loop,
            StreamPlaces places,
            Bound memory,
            long maxPendingBytes,
            String contentType,
            Header... headers) {
        this.isFile = !contentType.equals(EVENTS);
        this.exchange = exchange;
        this.loop = loop;
        this.places = places;
        this.memory = memory;
        this.maxPendingBytes = maxPendingBytes;
        List<Header> all = new ArrayList<>(List.of(headers));
        all.add(NOT_STORED);
        if (!isFile) {
            all.add(NOT_BUFFERED);
        }
        if (!exchange.isHttp10()) {
            all.add(CHUNKED);
        }
        this.head = new Answer(200, contentType, new byte[0], all);
    }

    /**
     * Sends bytes after all earlier bytes. If too many bytes would be pending, closes the stream instead and drops the
     * bytes that have not been written.
     *
     * @param chunk one or more complete events or comments; must not be modified afterwards. A chunk that is longer
     *     than the limit of the stream always closes the stream
     * @return whether the chunk was accepted; false if the stream is closed
     */
    public boolean send(byte[] chunk) {
        boolean isNews;
        CloseReason problem;
        synchronized (this) {
            if (reason != null) {
                return false;
            }
            if (chunk.length == 0) {
                return true; // an empty chunk would end the body
            }
            problem = take(chunk);
            isNews = problem == null && !announced;
            announced |= isNews;
        }
        if (problem != null) {
            close(problem);
        } else if (isNews) {
            loop.write(exchange);
        }
        return problem == null;
    }

    /** Queues a chunk and returns null, or returns the reason why the stream must be closed. */
    private @Nullable CloseReason take(byte[] chunk) {
        long bytes = heldBytes(chunk);
        if (bytes > maxPendingBytes - pendingBytes) {
            return CloseReason.TOO_SLOW;
        }
        if (!memory.take(bytes)) {
            return CloseReason.NO_MEMORY;
        }
        unreadSinceNanos = pendingBytes == 0 ? loop.nowNanos() : unreadSinceNanos;
        pendingBytes += bytes;
        queued.add(chunk);
        return null;
    }

    /**
     * Returns the number of pending bytes, including an overhead for each chunk. An endpoint that has much to send can
     * wait until fewer bytes are pending.
     */
    public synchronized long pendingBytes() {
        return pendingBytes;
    }

    /** Returns the time for which the client has read nothing although bytes are pending, in nanoseconds. */
    synchronized long unreadNanos() {
        return pendingBytes == 0 ? 0 : loop.nowNanos() - unreadSinceNanos;
    }

    /** Counts the client as a slow one. */
    void countSlowClient() {
        exchange.connection().countSlowClient();
    }

    /** Closes the stream after everything that was sent before. Has no effect if the stream is already closed. */
    public void close() {
        close(CloseReason.ENDED);
    }

    /** Closes the stream at once, because the endpoint can't send the rest. */
    public void abort() {
        close(CloseReason.STOPPED);
    }

    /**
     * Runs {@code callback} once, after the stream is closed; by then, {@link #send} returns false. The callback must
     * not block, because it usually runs on an event loop. If the stream is already closed, the callback runs on the
     * calling thread.
     */
    public void whenClosed(Consumer<CloseReason> callback) {
        closed.thenAccept(why -> {
            try {
                callback.accept(why);
            } catch (RuntimeException e) {
                log.error("a callback for the end of an event stream failed", e);
            }
        });
    }

    /**
     * Closes the stream for this reason, unless it is already closed. Only {@link CloseReason#ENDED} keeps the chunks
     * that have not been written yet. Any thread.
     */
    void close(CloseReason why) {
        synchronized (this) {
            if (reason != null) {
                return;
            }
            reason = why;
            if (why != CloseReason.ENDED) {
                queued.forEach(this::giveBack);
                queued.clear();
            }
        }
        places.giveBack(this);
        loop.run(() -> closed.complete(why));
        loop.write(exchange);
    }

    /**
     * Closes the stream and gives back all its memory. Called when the connection is closed, if an earlier request of
     * the connection is answered with a stream, or if the stream can't be opened because the server has been closed or
     * the request has another answer.
     *
     * @param why the reason for closing the stream, if it is not closed yet
     */
    void discard(CloseReason why) {
        close(why);
        synchronized (this) {
            discarded = true;
            queued.clear();
            memory.giveBack(pendingBytes);
            pendingBytes = 0;
        }
    }

    /** Returns the bound against which the pending bytes count. */
    Bound memory() {
        return memory;
    }

    /** Returns an answer without a body, whose head begins the stream. */
    Answer head() {
        return head;
    }

    /** Removes and returns the next chunk to write; null if nothing is queued. The chunk remains pending. */
    synchronized byte @Nullable [] poll() {
        byte[] next = queued.poll();
        announced = next != null;
        return next;
    }

    /** Records that the network has accepted a chunk, or that the connection is closed. */
    synchronized void accepted(byte[] chunk) {
        if (!discarded) {
            unreadSinceNanos = loop.nowNanos();
            giveBack(chunk);
        }
    }

    /** Returns whether the stream is closed, nothing is left to write, and its end may be written. */
    synchronized boolean isComplete() {
        return reason != null && queued.isEmpty() && (!isFile || reason == CloseReason.ENDED);
    }

    /**
     * Returns whether the connection must be closed without waiting for the client, because the client is slow, the
     * server can't serve the stream any longer, or a file is not complete.
     */
    synchronized boolean isAborted() {
        return reason != null && reason != CloseReason.ENDED && (isFile || reason != CloseReason.DISCONNECTED);
    }

    private void giveBack(byte[] chunk) {
        pendingBytes -= heldBytes(chunk);
        memory.giveBack(heldBytes(chunk));
    }

    private static long heldBytes(byte[] chunk) {
        return (long) CHUNK_BYTES + chunk.length;
    }
}
