// SPDX-License-Identifier: Apache-2.0
package dev.flk.http.tls;

import dev.flk.http.tls.TlsFailures.TlsFailure;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.DecoderException;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.ReferenceCountUtil;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;

/**
 * TLS on one connection. A client that speaks plain HTTP gets an answer in plain HTTP, with plain text instead of JSON
 * as its body. If the answer looked like the backend's rejection of a submission, an agent would give up its
 * submissions for good.
 *
 * <p>After a failed handshake, the server's side is shut down, but the connection stays open for a moment. A TLS 1.3
 * client may have sent its request before the handshake failed. If the connection were closed before these bytes are
 * read, the alert that states the reason would be lost. Used only on the event loop of the connection.
 *
 * <pre>
 * state      input             ends when                                      next state
 * WAITING    has not arrived   the first byte is the type of a TLS record     HANDSHAKE
 *                              the first byte is anything else                OVER
 *                              the client leaves                              OVER
 *                              the handshake times out                        REFUSED
 * HANDSHAKE  goes to TLS       the handshake succeeds, or the client leaves   OVER
 *                              the handshake fails with a TLS error           REFUSED
 * OVER       is passed on
 * REFUSED    goes to TLS       the connection is to be closed                 LINGERING
 * LINGERING  is discarded      the client ends its side, or a second passes
 * </pre>
 */
public final class TlsFront {
    /** The lowest type of a TLS record. The first byte of a record is its type. */
    private static final int LEAST_TYPE = 20;

    private static final int MOST_TYPE = 24;
    private static final long LONGEST_LINGER_MILLIS = 1_000;

    private final TlsFailures failures;
    private final InetSocketAddress client;
    private final SslHandler tls;
    private final Supplier<Runnable> plain;
    private final AfterTls afterTls = new AfterTls();
    private State state = State.WAITING;

    private enum State {
        WAITING,
        HANDSHAKE,
        OVER,
        REFUSED,
        LINGERING
    }

    /** @param plain a function as for {@link #addTo} */
    private TlsFront(TlsFailures failures, InetSocketAddress client, SslHandler tls, Supplier<Runnable> plain) {
        this.failures = failures;
        this.client = client;
        this.tls = tls;
        this.plain = plain;
    }

    /**
     * Inserts TLS at the beginning of the pipeline. Called on the event loop of the channel.
     *
     * @param client the address of the client
     * @param engine an engine for this connection only
     * @param plain a function that replaces the handler of the connection with one that answers in plain HTTP; it returns
     *     what closes the connection after the requests that were read
     */
    public static void addTo(
            Channel channel,
            InetSocketAddress client,
            SSLEngine engine,
            Duration handshakeTimeout,
            TlsFailures failures,
            Supplier<Runnable> plain) {
        SslHandler tls = new SslHandler(engine);
        tls.setHandshakeTimeoutMillis(handshakeTimeout.toMillis());
        TlsFront front = new TlsFront(failures, client, tls, plain);
        channel.pipeline().addFirst(front.new BeforeTls(), tls, front.afterTls);
    }

    /**
     * Shuts down the server's side of a connection. Bytes that were written before are still sent; over TLS, {@code
     * close_notify} follows them.
     */
    public static void endOutput(DuplexChannel channel) {
        SslHandler tls = channel.pipeline().get(SslHandler.class);
        if (tls == null) {
            channel.shutdownOutput().addListener(ChannelFutureListener.CLOSE_ON_FAILURE);
        } else {
            tls.closeOutbound()
                    .addListener(said -> channel.shutdownOutput().addListener(ChannelFutureListener.CLOSE_ON_FAILURE));
        }
    }

    /**
     * The handler before TLS. It decides by the first byte whether the client speaks TLS. After a failed handshake, it
     * delays the closing of the connection.
     */
    private final class BeforeTls extends ChannelDuplexHandler {
        @Override
        public void channelRead(ChannelHandlerContext read, Object message) {
            if (state == State.LINGERING) {
                ReferenceCountUtil.release(message);
            } else if (state == State.WAITING && message instanceof ByteBuf bytes && bytes.isReadable()) {
                int type = bytes.getUnsignedByte(bytes.readerIndex());
                if (type >= LEAST_TYPE && type <= MOST_TYPE) {
                    state = State.HANDSHAKE;
                    read.fireChannelRead(message);
                } else {
                    answerPlainly(read, message);
                }
            } else {
                read.fireChannelRead(message);
            }
        }

        private void answerPlainly(ChannelHandlerContext read, Object message) {
            state = State.OVER;
            failures.report(TlsFailure.NO_TLS, client, "the client sent plain HTTP, or something else that is not TLS");
            read.pipeline().remove(afterTls);
            read.pipeline().remove(tls);
            Runnable finish = plain.get();
            read.fireChannelRead(message);
            finish.run();
        }

        @Override
        public void close(ChannelHandlerContext closing, ChannelPromise promise) {
            if ((state != State.REFUSED && state != State.LINGERING)
                    || !closing.channel().isActive()) {
                closing.close(promise);
                return;
            }
            closing.channel().closeFuture().addListener(closed -> promise.trySuccess());
            if (state == State.REFUSED) {
                state = State.LINGERING;
                ((DuplexChannel) closing.channel()).shutdownOutput();
                closing.channel().config().setAutoRead(true);
                closing.executor().schedule(() -> end(closing), LONGEST_LINGER_MILLIS, TimeUnit.MILLISECONDS);
            }
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext triggered, Object event) {
            if (state == State.LINGERING && event instanceof ChannelInputShutdownEvent) {
                end(triggered);
            } else {
                triggered.fireUserEventTriggered(event);
            }
        }

        private static void end(ChannelHandlerContext context) {
            context.close();
        }
    }

    /**
     * The handler after TLS. It reports a failed handshake once. It closes the connection on a TLS error and hides the
     * error from later handlers, which would log it as a failure of the server.
     */
    private final class AfterTls extends ChannelInboundHandlerAdapter {
        @Override
        public void userEventTriggered(ChannelHandlerContext triggered, Object event) {
            if (event instanceof SslHandshakeCompletionEvent end
                    && (state == State.WAITING || state == State.HANDSHAKE)) {
                boolean hasBegun = state == State.HANDSHAKE;
                state = end.cause() instanceof SSLException ? State.REFUSED : State.OVER;
                if (!end.isSuccess()) {
                    failures.report(end.cause(), client, hasBegun);
                }
            }
            triggered.fireUserEventTriggered(event);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext caught, Throwable cause) {
            if (cause instanceof SSLException
                    || (cause instanceof DecoderException && cause.getCause() instanceof SSLException)) {
                caught.close();
            } else {
                caught.fireExceptionCaught(cause);
            }
        }
    }
}
