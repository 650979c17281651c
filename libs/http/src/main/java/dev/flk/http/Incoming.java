// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.BodyBuffer.Taken;
import dev.flk.http.RequestDecoder.RequestHead;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Gate;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.http.ServerLoad.Bound;
import io.netty.buffer.ByteBuf;
import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A request whose body is being read. If the endpoint reads a body and memory suffices, the body is collected;
 * otherwise, the body is discarded. Used only on the event loop of the connection.
 */
final class Incoming {
    private static final Endpoint COMPRESSED = Endpoint.always(Refusal.compressed());

    private final RequestHead head;
    private final Endpoint endpoint;
    private final Exchange exchange;
    private final HttpEvents refusals;
    private final Bound budget;
    /** The digest that the body must have; null if the request declares none, or the endpoint does not check it. */
    private final byte @Nullable [] declaredDigest;

    private final BodyBuffer body;
    private final int maxReadBytes;
    private final long sinceNanos;
    private long skippedBytes;
    private boolean wantsContinue;
    /** The answer that rejects the request whatever its body contains; null while the request is not rejected. */
    private @Nullable Answer early;

    private Duration earlyDelay = Duration.ZERO;

    private Incoming(RequestHead head, Endpoint endpoint, Exchange exchange, HttpServer server) {
        this.head = head;
        this.endpoint = endpoint;
        this.exchange = exchange;
        this.refusals = Objects.requireNonNullElse(endpoint.refusals(), server.events());
        exchange.refusals(refusals);
        exchange.headers(endpoint.headers());
        this.sinceNanos = server.nanoTicker().getAsLong();
        this.wantsContinue = head.holdsBodyBack();
        this.maxReadBytes =
                takesBody() ? endpoint.maxBodyBytes() : server.options().maxSkippedBytes();
        this.declaredDigest = takesBody() && endpoint.checksDigest()
                ? BodyMark.declared(head.headers()).orElse(null)
                : null;
        this.budget =
                Objects.requireNonNullElse(endpoint.bodyBudget(), server.load().bodyBytes());
        this.body = new BodyBuffer(maxReadBytes, head.declaredBytes(), budget, declaredDigest != null);
    }

    static Incoming of(RequestHead head, Endpoint endpoint, Exchange exchange, HttpServer server) {
        boolean isRefused = endpoint.takesBody() && !head.isBodyPlain();
        Incoming incoming = new Incoming(head, isRefused ? COMPRESSED : endpoint, exchange, server);
        Gate gate = endpoint.gate();
        if (gate != null) {
            gate.refusal(incoming.request(incoming.sinceNanos), exchange).ifPresent(incoming::turnAway);
        }
        if (incoming.takesBody()
                && !incoming.announcesTooMuch()
                && ((endpoint.takesPlace() && !server.load().requests().hasRoomFor(1))
                        || !incoming.budget.hasRoomFor(Math.max(head.declaredBytes(), 0)))) {
            incoming.refuseEarly();
        }
        if (incoming.takesBody() && gate == null) {
            exchange.visitor().beforeReading(head.headers()).ifPresent(incoming::holdBack);
        }
        return incoming;
    }

    /** Returns whether the request is rejected whatever its body contains. If so, the body is discarded. */
    boolean isRefusedEarly() {
        return early != null;
    }

    /** Returns whether the client waits for a {@code 100 Continue} that has not been sent yet. */
    boolean wantsContinue() {
        return wantsContinue;
    }

    /** Records that a {@code 100 Continue} was sent. */
    void isAskedToContinue() {
        wantsContinue = false;
    }

    /** Returns whether the client may send another request on the connection. */
    boolean keepsAlive() {
        return head.keepsAlive();
    }

    Exchange exchange() {
        return exchange;
    }

    /** Returns whether the body counts against a bound of which more than half is held. */
    boolean holdsScarceMemory() {
        return body.heldBytes() > 0 && budget.isShort();
    }

    /** Returns the time at which the head was complete, in nanoseconds of the server's ticker. */
    long sinceNanos() {
        return sinceNanos;
    }

    /**
     * Returns the answer that rejects the request if the endpoint reads a body and the announced length is too long;
     * otherwise, returns empty.
     */
    Optional<Answer> refusal() {
        return takesBody() && announcesTooMuch() ? refusal(Taken.TOO_LONG).map(this::markedUnread) : Optional.empty();
    }

    /**
     * Returns whether the request is answered without waiting for its body. If so, the request is the last of its
     * connection. True if the endpoint does not get the body, and the body is too long to be discarded or is sent only
     * after a {@code 100 Continue}.
     */
    boolean needsNoBody() {
        return !takesBody() && (announcesTooMuch() || head.holdsBodyBack());
    }

    /**
     * Accepts the next part of the body and returns empty, or returns the answer that rejects the request. After a
     * rejection, no further part may be passed.
     */
    Optional<Answer> take(ByteBuf part) {
        if (!part.isReadable()) {
            return Optional.empty();
        }
        wantsContinue = false;
        if (takesBody()) {
            Taken taken = body.append(part);
            if (taken != Taken.NO_MEMORY) {
                return refusal(taken);
            }
            refuseEarly();
        }
        skippedBytes += part.readableBytes();
        return refusal(skippedBytes <= maxReadBytes ? Taken.YES : Taken.TOO_LONG);
    }

    /** Returns the answer to a request whose body took too long to arrive. */
    Answer tooSlow() {
        if (takesBody()) {
            refusals.bodyTooSlow();
        }
        return Refusal.tooSlow();
    }

    /** Returns the answer to a request whose body arrives too slowly while memory is short. */
    Answer tooSlowForNow() {
        refuseEarly();
        return Refusal.overloaded();
    }

    /**
     * Passes the request to its endpoint. If the request was rejected earlier, or if there are too few resources now,
     * answers the request with the rejection instead.
     */
    void serve(long arrivedNanos) {
        exchange.hold(body);
        if (early == null && endpoint.takesPlace() && !exchange.takePlace()) {
            refuseEarly();
        }
        if (early == null) {
            serveComplete(arrivedNanos);
        } else if (earlyDelay.isZero()) {
            exchange.answer(early);
        } else {
            exchange.answerAfter(earlyDelay, early);
        }
    }

    /** Passes a complete request to its endpoint, unless its body does not have the declared digest. */
    private void serveComplete(long arrivedNanos) {
        byte[] digest = body.digest();
        if (digest != null && !Arrays.equals(digest, declaredDigest)) {
            Answer changed = Refusal.bodyChanged();
            refusals.bodyChanged();
            exchange.visitor().bodyChanged(changed, body.length());
            exchange.answer(changed);
            return;
        }
        exchange.mark(digest);
        exchange.safely(() -> endpoint.handler().serve(request(arrivedNanos), exchange));
    }

    private Answer markedUnread(Answer refusal) {
        return declaredDigest == null
                ? refusal
                : refusal.withBody(BodyMark.addedUnread(refusal.body(), declaredDigest, head.declaredBytes()));
    }

    private Request request(long arrivedNanos) {
        return new Request(head.method(), head.target(), head.headers(), body, arrivedNanos);
    }

    /** Rejects the request because of its endpoint's {@link Gate}, and discards the body. */
    private void turnAway(Gate.Refused refused) {
        early = refused.answer();
        earlyDelay = refused.delay();
        body.release();
    }

    /** Rejects the request with an answer of {@link Admission.Visitor#beforeReading}, and discards the body. */
    private void holdBack(Answer why) {
        early = why;
        body.release();
    }

    /** Rejects the request because there are too few resources, and discards the body. */
    private void refuseEarly() {
        early = Refusal.overloaded();
        body.release();
        if (endpoint.takesBody()) {
            refusals.refusedEarly();
        }
    }

    /** Releases the memory of the body. */
    void abort() {
        body.release();
    }

    private boolean takesBody() {
        return early == null && endpoint.takesBody();
    }

    private boolean announcesTooMuch() {
        return head.declaredBytes() > maxReadBytes;
    }

    private Optional<Answer> refusal(Taken taken) {
        return switch (taken) {
            case YES -> Optional.empty();
            case TOO_LONG -> {
                if (takesBody()) {
                    refusals.bodyTooLong();
                }
                yield Optional.of(Refusal.bodyTooLong(takesBody() ? endpoint.maxBodyBytes() : maxReadBytes));
            }
            case NO_MEMORY -> {
                refusals.refusedEarly();
                yield Optional.of(Refusal.overloaded());
            }
        };
    }
}
