// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Admission.Visitor;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A connection that reads requests one after the other and writes their answers in the same order. Owned by its event
 * loop.
 *
 * <p>Reading pauses while the maximum number of requests wait for answers, or while the client does not read its
 * answers. After a rejection, the rest of the request is read and discarded, up to a limit, because closing a
 * connection with unread bytes could destroy the answer before the client reads it.
 */
final class Connection extends ChannelInboundHandlerAdapter {
    private static final Logger log = LoggerFactory.getLogger(Connection.class);
    private static final int MAX_WAITING_REQUESTS = 32;
    private static final long STOP_LINGER_NANOS = 1_000_000_000;
    /** The time for which a client may be slow while memory is short. */
    private static final long SLOW_NANOS = 2_000_000_000;
    /**
     * The pause in reading from a connection after rejecting its request, so that rejections do not starve accepted
     * work.
     */
    private static final Duration REST = Duration.ofMillis(50);

    private final HttpServer server;
    private final Routes routes;
    private final HttpOptions options;
    private final ServerLoad load;
    private final Visitor visitor;
    private final Loop loop;
    private final RequestDecoder decoder;
    private final AnswerOrder order;
    private final Inflow inflow = new Inflow();
    private final ChannelFutureListener written = future -> touch();

    /** Set when the handler is added, before any other method is called. */
    private @Nullable ChannelHandlerContext context;

    private @Nullable Incoming incoming;
    private boolean lastAnswerWritten;
    private boolean stopping;
    private boolean resting;
    private int works;
    private long quietSinceNanos;

    Connection(HttpServer server, Routes routes, Visitor visitor, Loop loop, RequestDecoder decoder) {
        this.server = server;
        this.routes = routes;
        this.visitor = visitor;
        this.options = server.options();
        this.load = server.load();
        this.loop = loop;
        this.decoder = decoder;
        this.order = new AnswerOrder(loop.date(), server.events());
    }

    @Override
    public void handlerAdded(ChannelHandlerContext added) {
        context = added;
        touch();
        loop.add(this);
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext removed) {
        inflow.release();
        abortIncoming();
        order.release();
        loop.remove(this);
    }

    @Override
    public void channelRead(ChannelHandlerContext read, Object message) {
        inflow.add(message);
        readOn();
    }

    private void take(Object message) {
        try {
            if (!inflow.isRequests()) {
                ignore(message);
                return;
            }
            if (message instanceof HttpRequest request) {
                begin(new RequestHead(request));
            }
            if (message instanceof HttpContent content && incoming != null) {
                continueWith(content, incoming);
            }
        } finally {
            ReferenceCountUtil.release(message);
        }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext triggered, Object event) {
        if (event instanceof ChannelInputShutdownEvent) {
            inflow.end();
            endInputIfRead();
        }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext changed) {
        if (channel().isWritable()) {
            writeReady();
        } else {
            pauseOrResume();
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext caught, Throwable cause) {
        // an IOException means that the client disconnected
        if (cause instanceof IOException) {
            close();
        } else {
            fail(cause);
        }
    }

    /** Logs an unexpected failure and closes the connection at once. */
    void fail(Throwable cause) {
        log.error("A connection was closed after an unexpected failure", cause);
        close();
    }

    /** Writes the answers that are next in order. */
    void writeReady() {
        if (!channel().isActive()) {
            return;
        }
        order.write(context(), written).ifPresent(last -> last.addListener(this::endOutput));
        context().flush();
        pauseOrResume();
    }

    /**
     * Pauses reading until {@link #endWork}, so that later requests neither overtake a long body nor add more work
     * meanwhile.
     */
    void beginWork() {
        works++;
    }

    void endWork() {
        works--;
        pauseOrResume();
    }

    /** Closes the connection, or rejects the current request, if a timeout has passed. */
    void tick(long nowNanos) {
        OptionalLong headerSince = decoder.headerSinceNanos();
        long quietNanos = nowNanos - quietSinceNanos;
        if (quietNanos > SLOW_NANOS && order.hasUntaken() && load.answerBytes().isShort()) {
            server.events().slowClient();
            close();
        } else if (lastAnswerWritten) {
            closeIf(quietNanos
                    > (stopping ? STOP_LINGER_NANOS : options.bodyTimeout().toNanos()));
        } else if (incoming != null) {
            // a client that still waits for 100 Continue is not slow
            long slowNanos = Math.min(nowNanos - incoming.sinceNanos(), quietNanos);
            if (incoming.exchange().wantsContinue()) {
                return;
            }
            if (slowNanos > options.bodyTimeout().toNanos()) {
                refuse(incoming.exchange(), incoming.tooSlow());
            } else if (slowNanos > SLOW_NANOS
                    && incoming.heldBytes() > 0
                    && load.bodyBytes().isShort()) {
                server.events().slowClient();
                refuse(incoming.exchange(), incoming.tooSlowForNow());
            }
        } else if (headerSince.isPresent() && inflow.isRequests() && !inflow.isPaused()) {
            // the client was not slow while reading was paused
            long slowNanos = Math.min(nowNanos - headerSince.getAsLong(), quietNanos);
            if (slowNanos > options.headerTimeout().toNanos()) {
                refuse(unreadable(), Refusal.tooSlow());
            }
        } else {
            pauseOrResume(); // other connections may have released what this one waited for
            closeIf((order.isEmpty() || order.hasUntaken())
                    && quietNanos > options.idleTimeout().toNanos());
        }
    }

    /** Serves the requests that are in progress, then closes the connection. */
    void finish() {
        stopping = true;
        if (incoming != null) {
            incoming.exchange().makeLast();
        } else if (decoder.headerSinceNanos().isEmpty() && inflow.isRequests()) {
            inflow.ignoreRest();
            order.last().ifPresentOrElse(Exchange::makeLast, this::close);
            pauseOrResume();
        }
    }

    /** Returns the client of this connection. */
    Visitor visitor() {
        return visitor;
    }

    void refusedEarly() {
        server.events().refusedEarly();
    }

    /** Closes the connection at once. */
    void close() {
        var unused = context().close();
    }

    private void begin(RequestHead head) {
        Exchange exchange = new Exchange(this, loop, load, head);
        order.add(exchange);
        Optional<Answer> problem = head.problem();
        if (problem.isPresent()) {
            refuse(exchange, problem.get());
            return;
        }
        if (stopping || !head.keepsAlive()) {
            exchange.makeLast();
        }
        Incoming next = Incoming.of(head, routes.find(head.method(), head.path()), exchange, server);
        Optional<Answer> refusal = next.refusal();
        if (refusal.isPresent()) {
            refuse(exchange, refusal.get());
        } else if (next.needsNoBody()) {
            endWith(exchange);
            next.serve(server.nanoTicker().getAsLong());
        } else {
            incoming = next;
            if (head.holdsBodyBack()) {
                exchange.setWantsContinue(true);
                writeReady();
            }
        }
    }

    private void continueWith(HttpContent content, Incoming current) {
        Optional<Answer> refusal = content.decoderResult().isFailure()
                ? Optional.of(Refusal.malformed(content.decoderResult().cause()))
                : current.take(content.content());
        if (refusal.isPresent()) {
            refuse(current.exchange(), refusal.get());
        } else if (content instanceof LastHttpContent) {
            incoming = null;
            touch();
            if (current.exchange().isLast()) {
                if (stopping) {
                    inflow.ignoreRest();
                } else {
                    inflow.expectNothing();
                }
            }
            current.serve(quietSinceNanos);
            if (current.isRefusedEarly()) {
                rest();
            }
            pauseOrResume();
        }
    }

    /** Answers the last request, reads no further requests and discards any further bytes. */
    private void refuse(Exchange exchange, Answer answer) {
        if (answer.status() == 400) {
            visitor.badRequest(answer);
        }
        abortIncoming();
        endWith(exchange);
        exchange.complete(answer);
        writeReady();
    }

    private Exchange unreadable() {
        Exchange exchange = new Exchange(this, loop, load);
        order.add(exchange);
        return exchange;
    }

    private void endWith(Exchange exchange) {
        exchange.makeLast();
        inflow.ignoreRest();
    }

    private void ignore(Object message) {
        inflow.countIgnored(message);
        if (message instanceof LastHttpContent && !stopping) {
            inflow.expectNothing();
        }
        closeIf(lastAnswerWritten && inflow.hasReadEnough());
        pauseOrResume();
    }

    /** Called when the network has accepted the last answer. */
    private void endOutput(Future<? super Void> last) {
        lastAnswerWritten = true;
        touch();
        if (inflow.hasReadEnough() || !last.isSuccess()) {
            close();
        } else {
            TlsFront.endOutput(channel());
        }
    }

    /** Ends the input once everything that the client sent before it shut down its side has been processed. */
    private void endInputIfRead() {
        if (!inflow.isAtEnd()) {
            return;
        }
        if (incoming != null) {
            refuse(incoming.exchange(), Refusal.badRequest("the body ended too early"));
        }
        boolean mayCome = inflow.isRequests();
        inflow.expectNothing();
        if (mayCome) {
            order.last().ifPresentOrElse(Exchange::makeLast, this::close);
        }
        closeIf(lastAnswerWritten);
    }

    private void pauseOrResume() {
        if (inflow.pauseOrResume(incoming != null || mayBegin(), channel())) {
            if (!inflow.isPaused()) {
                touch();
            }
            readOn();
        }
    }

    private void readOn() {
        for (Object next = inflow.poll(); next != null; next = inflow.poll()) {
            take(next);
        }
        endInputIfRead();
    }

    private void rest() {
        if (!resting) {
            resting = true;
            loop.runLater(
                    () -> {
                        resting = false;
                        pauseOrResume();
                    },
                    REST);
        }
    }

    /**
     * Returns whether another request may be read. While answers use too much memory, a client that has not read its
     * earlier answers must wait.
     */
    private boolean mayBegin() {
        return !resting
                && works == 0
                && !(order.hasUntaken() && load.answerBytes().isShort())
                && order.size() < MAX_WAITING_REQUESTS
                && order.heldBytes() < Math.max(routes.maxBodyBytes(), options.maxSkippedBytes())
                && channel().isWritable();
    }

    private void abortIncoming() {
        if (incoming != null) {
            incoming.abort();
            incoming = null;
        }
    }

    private void closeIf(boolean condition) {
        if (condition) {
            close();
        }
    }

    private void touch() {
        quietSinceNanos = server.nanoTicker().getAsLong();
    }

    private DuplexChannel channel() {
        return (DuplexChannel) context().channel();
    }

    private ChannelHandlerContext context() {
        return Objects.requireNonNull(context);
    }
}
