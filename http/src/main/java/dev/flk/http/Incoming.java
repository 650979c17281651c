// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.BodyBuffer.Taken;
import dev.flk.http.Endpoint.Request;
import io.netty.buffer.ByteBuf;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A request whose body is being read: collected if its endpoint takes one and there is room for it, else thrown away. Owned by
 * the event loop.
 */
final class Incoming {
    /** More than a usual answer takes. */
    private static final int USUAL_ANSWER_BYTES = 1 << 10;

    private static final Endpoint COMPRESSED = Endpoint.always(Refusal.compressed());

    private final RequestHead head;
    private final Endpoint endpoint;
    private final Exchange exchange;
    private final HttpServer server;
    private final BodyBuffer body;
    private final int maxReadBytes;
    private final long sinceNanos;
    private long skippedBytes;
    /** What is answered without having looked at the body; null: it is read. */
    private @Nullable Answer early;

    private Incoming(RequestHead head, Endpoint endpoint, Exchange exchange, HttpServer server) {
        this.head = head;
        this.endpoint = endpoint;
        this.exchange = exchange;
        this.server = server;
        this.sinceNanos = server.nanoTicker().getAsLong();
        this.maxReadBytes =
                takesBody() ? endpoint.maxBodyBytes() : server.options().maxSkippedBytes();
        this.body =
                new BodyBuffer(maxReadBytes, head.declaredBytes(), server.load().bodyBytes());
    }

    static Incoming of(RequestHead head, Endpoint endpoint, Exchange exchange, HttpServer server) {
        boolean isRefused = endpoint.takesBody() && !head.isBodyPlain();
        Incoming incoming = new Incoming(head, isRefused ? COMPRESSED : endpoint, exchange, server);
        if (incoming.takesBody()
                && !incoming.announcesTooMuch()
                && server.load().isFullFor(head.declaredBytes())) {
            incoming.refuseEarly();
        }
        if (incoming.takesBody()) {
            exchange.visitor().beforeReading(head.headers()).ifPresent(incoming::holdBack);
        }
        return incoming;
    }

    /** Whether it will be answered without having looked at the body, which is thrown away. */
    boolean isRefusedEarly() {
        return early != null;
    }

    Exchange exchange() {
        return exchange;
    }

    /** What is kept of its body. */
    int heldBytes() {
        return body.heldBytes();
    }

    /** When its head had come. */
    long sinceNanos() {
        return sinceNanos;
    }

    /** Why not even the beginning of the body is wanted; empty if it is. */
    Optional<Answer> refusal() {
        return takesBody() && announcesTooMuch() ? refusal(Taken.TOO_LONG) : Optional.empty();
    }

    /**
     * Whether it is served at once, and the connection ends with it: it takes no body, and the one that is announced is
     * too long to wait for, or may never come, since nobody will ask the client to go on.
     */
    boolean needsNoBody() {
        return !takesBody() && (announcesTooMuch() || head.holdsBodyBack());
    }

    /** Takes the next part of the body; an answer if it can't be taken, and the rest is not to be read. */
    Optional<Answer> take(ByteBuf part) {
        if (!part.isReadable()) {
            return Optional.empty();
        }
        exchange.setWantsContinue(false);
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

    /** The answer to a body that took too long. */
    Answer tooSlow() {
        if (takesBody()) {
            server.events().bodyTooSlow();
        }
        return Refusal.tooSlow();
    }

    /** The answer to a body that is too slow for the room there is. */
    Answer tooSlowForNow() {
        refuseEarly();
        return Refusal.overloaded();
    }

    /** Serves the request, its body being complete, or answers why not. */
    void serve(long arrivedNanos) {
        exchange.hold(body);
        if (early == null && endpoint.takesPlace() && !hasPlace()) {
            refuseEarly();
        }
        if (early != null) {
            exchange.answer(early);
            return;
        }
        exchange.safely(() -> endpoint.handler()
                .serve(new Request(head.path(), head.query(), head.headers(), body, arrivedNanos), exchange));
    }

    private boolean hasPlace() {
        return exchange.takePlace() && exchange.reserveAnswer(USUAL_ANSWER_BYTES);
    }

    /** From now on nothing is kept of it: who sends it may not send more. */
    private void holdBack(Answer why) {
        early = why;
        body.release();
    }

    /** From now on nothing is kept of it: there is no room. */
    private void refuseEarly() {
        early = Refusal.overloaded();
        body.release();
        if (endpoint.takesBody()) {
            server.events().refusedEarly();
        }
    }

    /** Lets go of what was read. */
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
                    server.events().bodyTooLong();
                }
                yield Optional.of(Refusal.bodyTooLong(takesBody() ? endpoint.maxBodyBytes() : maxReadBytes));
            }
            case NO_MEMORY -> {
                server.events().refusedEarly();
                yield Optional.of(Refusal.overloaded());
            }
        };
    }
}
