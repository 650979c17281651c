// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Admission.Visitor;
import dev.flk.http.EventStream.CloseReason;
import dev.flk.http.HttpServer.HttpOptions;
import dev.flk.http.RequestDecoder.RequestHead;
import dev.flk.http.tls.TlsFront;
import io.netty.buffer.ByteBufHolder;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.ChannelOutputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Queue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A connection that reads requests one after the other and writes their answers in the same order. Used only on its
 * event loop.
 *
 * <p>Reading further requests pauses while too many requests, or requests with too many bytes in total, wait for
 * answers, while the client does not read its answers, and after {@link #holdRequests}. In one iteration of the event
 * loop, at most {@value #MAX_TURN_MESSAGES} messages of the decoder are processed, so that clients that send much do not
 * delay those that send little. After a rejection, the rest of
 * the request is read and discarded, up to a limit, because closing a connection with unread bytes could destroy the
 * answer before the client reads it.
 *
 * <pre>
 * state       input                   ends when                                         next state
 * HEAD        begins a request        a head is complete                                BODY
 *                                     a request is rejected, or its body is not needed  DISCARDING
 *                                     the server stops                                  DISCARDING
 *                                     the client ends its side                          DRAINED
 *                                     an event stream is opened                         DISCARDING
 * BODY        is a body               the body is complete                              HEAD
 *                                     the body of the last request is complete          DRAINED
 *                                     ... while the server stops                        DISCARDING
 *                                     the body is rejected                              DISCARDING
 *                                     an event stream is opened for an earlier request  DISCARDING
 * DISCARDING  is discarded            the rejected request or the input is complete     DRAINED
 *                                     the last answer is written                        LINGERING
 * DRAINED     is not expected         the last answer is written                        CLOSED
 * LINGERING   is discarded            the input is complete, too much is discarded, or  CLOSED
 *                                     nothing has happened for some time
 * any                                 the connection is lost or idle, or its client     CLOSED
 *                                     reads slowly while memory is short
 * </pre>
 */
final class Connection extends ChannelInboundHandlerAdapter {
    private static final Logger log = LoggerFactory.getLogger(Connection.class);
    private static final int MAX_WAITING_REQUESTS = 32;
    /**
     * The maximum number of messages of the decoder that are processed in one iteration of the event loop. A message is
     * the head of a request, or at most 8 KiB of a body; even a request without a body has one that ends it. So an
     * iteration processes at most 4 requests or 64 KiB.
     */
    private static final int MAX_TURN_MESSAGES = 8;

    private static final long MAX_DISCARDED_BYTES = 64 << 20;
    private static final long STOP_LINGER_NANOS = 1_000_000_000;
    /** The time after which a client counts as slow while memory is short, or another stream needs its place. */
    static final long SLOW_NANOS = 2_000_000_000;
    /**
     * The time for which a connection reads no further request after a request was rejected before it reached its
     * endpoint. The pause keeps rejections from starving accepted work.
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
    private final ChannelFutureListener written = future -> touch();
    /** The messages of the decoder that have not been processed yet, because reading is paused. */
    private final Queue<Object> unread = new ArrayDeque<>();

    /** Set when the handler is added, before any other method is called. */
    private @Nullable ChannelHandlerContext context;

    private State state = State.HEAD;
    /** The request whose body is being read; non-null exactly in state BODY. */
    private @Nullable Incoming incoming;

    private boolean stopping;
    /** Whether reading must wait for the server, until answers, memory or holds permit the next request. */
    private boolean paused;
    /** Whether input is processed: not while paused, and not after the last message of a turn. */
    private boolean reading = true;
    /** The number of messages that were processed in the current iteration of the event loop. */
    private int turnMessages;

    private boolean inputEnded;
    /** The number of calls of {@link #holdRequests} that no call of {@link #resumeRequests} has matched yet. */
    private int holds;

    private long discardedBytes;
    private long quietSinceNanos;

    private enum State {
        HEAD,
        BODY,
        DISCARDING,
        DRAINED,
        LINGERING,
        CLOSED
    }

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
        unread.forEach(ReferenceCountUtil::release);
        unread.clear();
        abortIncoming();
        become(State.CLOSED);
        order.release();
        loop.remove(this);
    }

    @Override
    public void channelRead(ChannelHandlerContext read, Object message) {
        unread.add(message);
        readOn();
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext complete) {
        if (turnMessages < MAX_TURN_MESSAGES) {
            turnMessages = 0;
        }
    }

    private void nextTurn() {
        turnMessages = 0;
        pauseOrResume();
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext triggered, Object event) {
        if (event instanceof ChannelInputShutdownEvent) {
            inputEnded = true;
            endInputIfRead();
        } else if (event instanceof ChannelOutputShutdownEvent && state != State.LINGERING) {
            // Netty shuts down the output after a write that failed for another reason than a lost connection
            close();
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
        log.error("a connection was closed after an unexpected failure", cause);
        close();
    }

    /** Writes the answers that are next in order. */
    void writeReady() {
        if (!channel().isActive()) {
            return;
        }
        Optional<EventStream> streaming = order.isStreaming() ? order.stream() : Optional.empty();
        boolean hadUnsent = order.hasUnsent();
        order.write(context(), !readsRequests(), written).ifPresent(last -> last.addListener(this::endOutput));
        if (incoming != null
                && incoming.wantsContinue()
                && order.size() == 1
                && channel().isWritable()) {
            incoming.isAskedToContinue();
            order.writeContinue(context(), written);
        }
        if (!hadUnsent && order.hasUnsent()) {
            touch(); // the client had nothing to read before, so its time limit for reading begins now
        }
        context().flush();
        pauseOrResume();
        closeIf(streaming.filter(EventStream::isAborted).isPresent());
    }

    /**
     * Begins an event stream, which is the answer to {@code exchange} and the last answer of this connection. No
     * further request is read. Requests that were read after {@code exchange} are never answered.
     */
    void openStream(Exchange exchange, EventStream stream) {
        abortIncoming();
        order.dropAfter(exchange);
        if (readsRequests()) {
            become(State.DISCARDING);
        }
        if (stopping) {
            stream.close(CloseReason.STOPPED);
        }
        touch();
        pauseOrResume();
        endInputIfRead();
    }

    /**
     * Pauses reading further requests until the matching {@link #resumeRequests}. Called before another thread
     * processes a long body, so that later requests do not overtake this request or add more work. Also called for a
     * short pause after an early rejection.
     */
    void holdRequests() {
        holds++;
    }

    void resumeRequests() {
        holds--;
        pauseOrResume();
    }

    /** Closes the connection, or rejects the current request, if a timeout has passed. Called periodically. */
    void tick(long nowNanos) {
        OptionalLong headerSince = decoder.headerSinceNanos();
        long quietNanos = nowNanos - quietSinceNanos;
        if (quietNanos > SLOW_NANOS && order.holdsScarceMemory()) {
            countSlowClient();
            closeStream(CloseReason.TOO_SLOW);
            close();
        } else if (state == State.LINGERING) {
            closeIf(quietNanos
                    > (stopping ? STOP_LINGER_NANOS : options.bodyTimeout().toNanos()));
        } else if (incoming != null && incoming.wantsContinue()) {
            // a client that waits for 100 Continue is slow only if it does not read the earlier answers
            closeIf(order.hasUntaken() && quietNanos > options.idleTimeout().toNanos());
        } else if (incoming != null) {
            tickBody(incoming, Math.min(nowNanos - incoming.sinceNanos(), quietNanos));
        } else if (headerSince.isPresent() && state == State.HEAD && !paused) {
            // the time for which reading was paused does not count against the client
            long slowNanos = Math.min(nowNanos - headerSince.getAsLong(), quietNanos);
            if (slowNanos > options.headerTimeout().toNanos()) {
                Exchange unreadable = new Exchange(this, loop, load, null);
                order.add(unreadable);
                refuse(unreadable, Refusal.tooSlow());
            }
        } else {
            pauseOrResume(); // other connections may have released memory that this connection needs
            if ((order.isEmpty() || order.hasUntaken() || order.isStreaming())
                    && quietNanos > options.idleTimeout().toNanos()) {
                closeStream(order.hasUntaken() ? CloseReason.TOO_SLOW : CloseReason.SILENT);
                close();
            }
        }
    }

    private void tickBody(Incoming current, long slowNanos) {
        if (slowNanos > options.bodyTimeout().toNanos()) {
            refuse(current.exchange(), current.tooSlow());
        } else if (slowNanos > SLOW_NANOS && current.holdsScarceMemory()) {
            countSlowClient();
            refuse(current.exchange(), current.tooSlowForNow());
        }
    }

    /** Serves the requests that are in progress, then closes the connection. */
    void finish() {
        stopping = true;
        closeStream(CloseReason.STOPPED);
        if (state == State.HEAD && decoder.headerSinceNanos().isEmpty()) {
            become(State.DISCARDING);
            closeIfAnswered();
            pauseOrResume();
        }
    }

    /** Counts the client as a slow one. Safe for any thread. */
    void countSlowClient() {
        server.events().slowClient();
    }

    /** Returns the client of this connection. */
    Visitor visitor() {
        return visitor;
    }

    /** Returns the address of the client; null if the client has disconnected. */
    @Nullable
    SocketAddress remoteAddress() {
        SocketAddress client = channel().attr(HttpServer.CLIENT).get();
        return client == null ? channel().remoteAddress() : client;
    }

    /** Closes the connection at once. */
    void close() {
        context().close();
    }

    /** Closes the connection at once, even if TLS has bytes to send. */
    void closeAtOnce() {
        channel().unsafe().close(channel().unsafe().voidPromise());
    }

    private boolean readsRequests() {
        return state == State.HEAD || state == State.BODY;
    }

    private void become(State next) {
        if (state != State.CLOSED) {
            state = next;
        }
    }

    private void process(Object message) {
        try {
            if (!readsRequests()) {
                discard(message);
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

    private void begin(RequestHead head) {
        Exchange exchange = new Exchange(this, loop, load, head);
        order.add(exchange);
        Optional<Answer> problem = head.problem();
        if (problem.isPresent()) {
            refuse(exchange, problem.get());
            return;
        }
        Incoming next = Incoming.of(head, routes.find(head.method(), head.path()), exchange, server);
        Optional<Answer> refusal = next.refusal();
        if (refusal.isPresent()) {
            refuse(exchange, refusal.get());
        } else if (next.needsNoBody()) {
            become(State.DISCARDING);
            next.serve(server.nanoTicker().getAsLong());
        } else {
            become(State.BODY);
            incoming = next;
            if (next.wantsContinue()) {
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
            // clients that have not noticed the stop may send more requests, which are discarded
            become(stopping ? State.DISCARDING : current.keepsAlive() ? State.HEAD : State.DRAINED);
            current.serve(quietSinceNanos);
            if (current.isRefusedEarly()) {
                holdRequests();
                loop.runLater(this::resumeRequests, REST);
            }
            pauseOrResume();
        }
    }

    /** Rejects the request that was read last. No further request is read; any further bytes are discarded. */
    private void refuse(Exchange exchange, Answer answer) {
        if (answer.status() == 400) {
            visitor.badRequest(answer);
        }
        abortIncoming();
        become(State.DISCARDING);
        exchange.complete(answer);
        writeReady();
    }

    private void discard(Object message) {
        if (message instanceof ByteBufHolder holder) {
            discardedBytes += holder.content().readableBytes();
        }
        boolean isComplete = message instanceof LastHttpContent && !stopping;
        if (state == State.DISCARDING && isComplete) {
            become(State.DRAINED);
        } else if (state == State.LINGERING) {
            closeIf(isComplete || hasDiscardedTooMuch());
        }
        pauseOrResume();
    }

    private boolean hasDiscardedTooMuch() {
        return discardedBytes > MAX_DISCARDED_BYTES;
    }

    /**
     * Closes the connection after its last answer. If the client may still be sending a rejected request, only shuts
     * down the server's side, and waits for the client to end its side. Called when the write of the last answer has
     * succeeded or failed.
     */
    private void endOutput(Future<? super Void> last) {
        boolean canClose = state != State.DISCARDING || hasDiscardedTooMuch() || !last.isSuccess();
        become(State.LINGERING);
        touch();
        if (canClose) {
            close();
        } else {
            TlsFront.endOutput(channel());
        }
    }

    /**
     * Handles the end of the input, if the client has shut down its side and everything that the client sent before has
     * been processed.
     */
    private void endInputIfRead() {
        if (!inputEnded || !reading || !unread.isEmpty()) {
            return;
        }
        if (incoming != null) {
            Answer cut = Refusal.bodyCut();
            visitor.badRequest(cut);
            refuse(incoming.exchange(), cut);
        }
        closeStream(CloseReason.DISCONNECTED);
        closeIf(state == State.LINGERING);
        if (state == State.HEAD) {
            closeIfAnswered();
        }
        if (state != State.LINGERING) {
            become(State.DRAINED);
        }
    }

    private void pauseOrResume() {
        boolean wanted = switch (state) {
            case HEAD -> mayBegin();
            case BODY -> true;
            case DISCARDING, DRAINED, LINGERING, CLOSED -> !hasDiscardedTooMuch();
        };
        if (!channel().isOpen()) {
            return;
        }
        if (wanted == paused) {
            paused = !wanted;
            if (wanted) {
                touch();
            }
        }
        boolean reads = wanted && turnMessages < MAX_TURN_MESSAGES;
        if (reads != reading) {
            read(reads);
        }
    }

    private void read(boolean reads) {
        reading = reads;
        if (!inputEnded) {
            // after the end of the input there is nothing to read
            channel().config().setAutoRead(reads);
        }
        if (!reads) {
            decoder.pause();
            return;
        }
        readOn();
        if (reading) {
            try {
                decoder.resume(channel().pipeline().context(decoder));
            } catch (Exception e) {
                exceptionCaught(context(), e);
            }
        }
    }

    private void readOn() {
        while (reading) {
            Object next = unread.poll();
            if (next == null) {
                break;
            }
            process(next);
            turnMessages++;
            if (turnMessages == MAX_TURN_MESSAGES) {
                loop.runNext(this::nextTurn);
                pauseOrResume();
            }
        }
        endInputIfRead();
    }

    /**
     * Returns whether another request may be read. While answers use too much memory, a client that has not read its
     * earlier answers must wait.
     */
    private boolean mayBegin() {
        return holds == 0
                && !order.holdsScarceMemory()
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

    private void closeStream(CloseReason reason) {
        order.stream().ifPresent(stream -> stream.close(reason));
    }

    /** Closes the connection if all requests are answered, as soon as the network has accepted the last answer. */
    private void closeIfAnswered() {
        if (order.isEmpty() && order.hasUnsent()) {
            context().writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(this::endOutput);
        } else {
            closeIf(order.isEmpty());
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
