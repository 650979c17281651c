// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Admission.Visitor;
import dev.flk.http.Answer.Header;
import dev.flk.http.EventStream.CloseReason;
import dev.flk.http.RequestDecoder.RequestHead;
import dev.flk.http.ServerLoad.Bound;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A request and its answer. A connection writes its answers in the order of its requests. {@link #answer}, {@link
 * #answerLater} and {@link #stream} may be called on any thread; only the first answer counts. All other methods must
 * be called on the event loop unless their comments say otherwise.
 */
public final class Exchange {
    private static final Logger log = LoggerFactory.getLogger(Exchange.class);

    /** The memory reserved for an answer, in bytes; more than a usual answer needs. */
    private static final int USUAL_ANSWER_BYTES = 1 << 10;

    private final Connection connection;
    private final Loop loop;
    private final ServerLoad load;
    private final boolean isHead;
    private final boolean isHttp10;
    private @Nullable Answer answer;
    /** The stream whose head is the answer; null if the answer is not a stream. */
    private @Nullable EventStream stream;
    /** The complete body of the request; null until the body is complete, and again after the request is answered. */
    private @Nullable BodyBuffer body;

    /** The SHA-256 of the body, with which refusals are marked; null if the request gets no {@link BodyMark}. */
    private byte @Nullable [] bodySha256;

    /** The events of the endpoint, which count early refusals. */
    private HttpEvents refusals = HttpEvents.NONE;

    /** The headers that the answer gets besides its own. */
    private Supplier<List<Header>> headers = List::of;

    private boolean holdsPlace;
    private long moreBytes;
    private boolean discarded;
    /** The bound against which the answer counts. */
    private Bound answerBudget;
    /**
     * The number of bytes that this exchange counts against {@link #answerBudget}: the reserved bytes until the request
     * is answered, then the bytes of the answer until the network has accepted the answer.
     */
    private long answerBytes;

    /** @param head the head of the request; null if the input could not be read as a request */
    Exchange(Connection connection, Loop loop, ServerLoad load, @Nullable RequestHead head) {
        this.connection = connection;
        this.loop = loop;
        this.load = load;
        this.answerBudget = load.answerBytes();
        this.isHead = head != null && head.isHead();
        this.isHttp10 = head != null && head.isHttp10();
    }

    /** Returns the client that sent the request, as created by {@link Admission}. */
    public Visitor visitor() {
        return connection.visitor();
    }

    /** Sets the events that count an early refusal of this request. */
    void refusals(HttpEvents events) {
        refusals = events;
    }

    /** Sets the headers that the answer gets besides its own. */
    void headers(Supplier<List<Header>> added) {
        headers = added;
    }

    /** Marks the answers that refuse this request for good with the SHA-256 of its body; null for no mark. */
    void mark(byte @Nullable [] sha256) {
        bodySha256 = sha256;
    }

    /** Returns whether answers to this request that refuse a body for good need a {@link BodyMark}. */
    public boolean isMarked() {
        return bodySha256 != null;
    }

    private Answer marked(Answer given) {
        return switch (given.status()) {
            case 400, 401, 413 -> bodySha256 == null ? given : given.withBody(BodyMark.added(given.body(), bodySha256));
            default -> given;
        };
    }

    /**
     * Counts the request as in progress until it is answered, and reserves memory for a usual answer. Returns false if
     * too many requests are in progress or there is not enough memory. Must be called at most once, and only for an
     * endpoint whose {@link Routes.Endpoint#takesPlace} is false; for other endpoints, the server has called it.
     */
    public boolean takePlace() {
        holdsPlace = load.requests().take(1);
        return holdsPlace && reserveAnswer(USUAL_ANSWER_BYTES);
    }

    /** Reserves memory for an answer of {@code bytes} bytes; returns false if there is not enough memory. */
    public boolean reserveAnswer(long bytes) {
        if (!answerBudget.take(bytes)) {
            return false;
        }
        answerBytes += bytes;
        return true;
    }

    /**
     * Reserves memory for an answer of {@code bytes} bytes, which counts against {@code budget} instead of the bound
     * that most answers share; returns false if {@code budget} has not enough memory.
     */
    public boolean reserveAnswer(Bound budget, long bytes) {
        if (!budget.take(bytes)) {
            return false;
        }
        answerBudget.giveBack(answerBytes);
        answerBudget = budget;
        answerBytes = bytes;
        return true;
    }

    /** Returns the bound against which the answer counts. */
    Bound answerBudget() {
        return answerBudget;
    }

    /** Returns the address of the client; null if the client has disconnected. */
    public @Nullable SocketAddress remoteAddress() {
        return connection.remoteAddress();
    }

    /**
     * Returns an executor whose tasks run after the event loop has read all its connections in the current iteration,
     * so that one task can process several requests.
     */
    public Executor afterReading() {
        return loop.afterReading();
    }

    /**
     * Runs {@code work} on a thread for long bodies and pauses reading further requests from this connection meanwhile.
     * If too many tasks are queued, answers 503 and returns false.
     */
    public boolean runElsewhere(Runnable work) {
        connection.holdRequests();
        boolean taken = loop.runElsewhere(() -> safely(work), connection::resumeRequests);
        if (!taken) {
            connection.resumeRequests();
            refuseEarly();
        }
        return taken;
    }

    /**
     * Runs {@code work}, which answers this request. If {@code work} throws, answers 500 or 503, so that the client
     * does not wait forever and the memory of the request is released. Any thread.
     */
    public void safely(Runnable work) {
        try {
            work.run();
        } catch (OutOfMemoryError e) {
            // the heap had no room for the large array that a long body needs
            refuseEarly();
        } catch (RuntimeException | Error e) {
            log.error("a request failed unexpectedly; it was answered 500, unless it already had an answer", e);
            answer(Refusal.internalError());
        }
    }

    /** Answers the request. Any thread; only the first answer counts. */
    public void answer(Answer given) {
        answerLater(() -> given);
    }

    /**
     * Answers the request after {@code delay}, and reads no further request of this connection until then.
     */
    void answerAfter(Duration delay, Answer given) {
        connection.holdRequests();
        loop.runLater(
                () -> {
                    answer(given);
                    connection.resumeRequests();
                },
                delay);
    }

    /** Answers the request like {@link #answer}, with the answer that {@code given} computes on the event loop. */
    public void answerLater(Supplier<Answer> given) {
        loop.answer(this, given);
    }

    /**
     * Answers the request with a stream of server-sent events. If there is no place for it, answers 503 and returns
     * empty. Any thread; only the first answer counts.
     *
     * @param places the places of the streams of this kind
     * @param memory the bound on the pending bytes of all streams of this kind
     * @param maxPendingBytes the maximum number of pending bytes, including an overhead for each chunk. The stream is
     *     closed if more bytes would be pending, so the maximum must exceed the longest chunk
     * @param headers headers besides {@code Content-Type} and {@code Cache-Control}
     */
    public Optional<EventStream> stream(StreamPlaces places, Bound memory, long maxPendingBytes, Header... headers) {
        return stream(EventStream.EVENTS, places, memory, maxPendingBytes, headers);
    }

    /** Answers the request as {@link #stream(StreamPlaces, Bound, long, Header...)} does, with a file of another type. */
    public Optional<EventStream> stream(
            String contentType, StreamPlaces places, Bound memory, long maxPendingBytes, Header... headers) {
        EventStream opened = new EventStream(this, loop, places, memory, maxPendingBytes, contentType, headers);
        if (!places.take(opened)) {
            answer(Refusal.tooManyStreams());
            return Optional.empty();
        }
        loop.open(this, opened);
        if (isHead) {
            opened.close();
        }
        return Optional.of(opened);
    }

    /** Makes a stream the answer of this request, or closes the stream if it can't be sent. */
    void complete(EventStream opened) {
        if (answer != null) {
            opened.discard(CloseReason.ENDED);
            return;
        }
        complete(opened.head());
        if (discarded) {
            opened.discard(CloseReason.DISCONNECTED);
        } else {
            stream = opened;
            connection.openStream(this, opened);
        }
    }

    /** Stores the first answer and releases the memory of the request; ignores later answers. */
    void complete(Answer given) {
        if (answer == null) {
            Answer marked = marked(given).withHeaders(headers.get());
            answer = marked;
            if (body != null) {
                body.release();
                body = null;
            }
            load.bodyBytes().giveBack(moreBytes);
            moreBytes = 0;
            load.requests().giveBack(holdsPlace ? 1 : 0);
            holdsPlace = false;
            answerBudget.add(marked.heldBytes() - answerBytes);
            answerBytes = marked.heldBytes();
            if (discarded) {
                answerTaken();
            }
        }
    }

    /**
     * Gives the memory of the answer back to the budget. Called when the network has accepted the answer, or the answer
     * is dropped.
     */
    void answerTaken() {
        answerBudget.giveBack(answerBytes);
        answerBytes = 0;
    }

    /**
     * Drops the answer because the connection is closed, or an earlier request is answered with an event stream. If
     * there is no answer yet, a later answer is dropped as soon as it is given.
     */
    void discard() {
        discarded = true;
        if (answer != null) {
            answerTaken();
        }
        if (stream != null) {
            stream.discard(CloseReason.DISCONNECTED);
        }
    }

    boolean isAnswered() {
        return answer != null;
    }

    /** Returns the stream that answers the request; null if the request has no answer or another answer. */
    @Nullable
    EventStream stream() {
        return stream;
    }

    @Nullable
    Answer answer() {
        return answer;
    }

    Connection connection() {
        return connection;
    }

    /** Returns whether the answer is sent without its body. */
    boolean isHead() {
        return isHead;
    }

    /**
     * Returns whether the client uses HTTP/1.0. Such a client keeps the connection open only if the answer has a {@code
     * Connection: keep-alive} header.
     */
    boolean isHttp10() {
        return isHttp10;
    }

    /**
     * Reserves {@code bytes} bytes of memory for processing the body, besides the body itself, until the request is
     * answered. Returns false if there is not enough memory.
     */
    public boolean holdMore(long bytes) {
        if (!load.bodyBytes().take(bytes)) {
            return false;
        }
        moreBytes += bytes;
        return true;
    }

    /** Answers 503 because there are too few resources. Any thread. */
    public void refuseEarly() {
        refusals.refusedEarly();
        answer(Refusal.overloaded());
    }

    /**
     * Keeps {@code received} counted against the budget until the request is answered, even if the connection is closed
     * earlier.
     */
    void hold(BodyBuffer received) {
        body = received;
    }

    long heldBytes() {
        return body == null ? 0 : body.heldBytes();
    }
}
