// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Admission.Visitor;
import dev.flk.http.HttpEvents.TlsFailure;
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
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;

/**
 * Puts TLS in front of connections. A client that speaks plain HTTP gets a plain HTTP answer, in a form that differs
 * from the backend's rejection of a certificate: otherwise an agent would give up its certificates for good. Safe for
 * any thread.
 */
final class TlsFront {
    private static final Routes SPEAK_TLS =
            new Routes(Endpoint.always(Answer.text(400, "This port speaks TLS: use https\n")));
    /** The lowest type of a TLS record. */
    private static final int LEAST_TYPE = 20;

    private static final int MOST_TYPE = 24;

    private final HttpServer server;
    private final TlsFailures failures;

    /** Creates a front for connections to {@code server}. */
    TlsFront(HttpServer server, TlsFailures failures) {
        this.server = server;
        this.failures = failures;
    }

    /**
     * Inserts TLS into the pipeline before {@code decoder} and {@code connection}. Called on the event loop of the
     * channel.
     *
     * @param engine an engine for this connection only
     */
    void addTo(
            Channel channel,
            SSLEngine engine,
            Visitor visitor,
            Loop loop,
            RequestDecoder decoder,
            Connection connection) {
        SslHandler tls = new SslHandler(engine);
        tls.setHandshakeTimeoutMillis(server.options().headerTimeout().toMillis());
        HandshakeWatch watch = new HandshakeWatch(failures, (InetSocketAddress) channel.remoteAddress());
        channel.pipeline()
                .addFirst(
                        new LingeringClose(watch),
                        new FirstByte(tls, watch, () -> {
                            Connection answering = new Connection(server, SPEAK_TLS, visitor, loop, decoder);
                            channel.pipeline().replace(connection, null, answering);
                            return answering;
                        }),
                        tls,
                        watch);
    }

    /**
     * Shuts down our side of a connection after everything that was written; over TLS, sends {@code close_notify}
     * first.
     */
    static void endOutput(DuplexChannel channel) {
        SslHandler tls = channel.pipeline().get(SslHandler.class);
        if (tls == null) {
            channel.shutdownOutput().addListener(ChannelFutureListener.CLOSE_ON_FAILURE);
        } else {
            tls.closeOutbound()
                    .addListener(said -> channel.shutdownOutput().addListener(ChannelFutureListener.CLOSE_ON_FAILURE));
        }
    }

    /** Distinguishes TLS from anything else by the first byte, then removes itself. */
    private static final class FirstByte extends ChannelInboundHandlerAdapter {
        private final SslHandler tls;
        private final HandshakeWatch watch;
        private final Supplier<Connection> answerPlainly;

        FirstByte(SslHandler tls, HandshakeWatch watch, Supplier<Connection> answerPlainly) {
            this.tls = tls;
            this.watch = watch;
            this.answerPlainly = answerPlainly;
        }

        @Override
        public void channelRead(ChannelHandlerContext read, Object message) {
            if (message instanceof ByteBuf bytes && bytes.isReadable()) {
                int type = bytes.getUnsignedByte(bytes.readerIndex());
                if (type >= LEAST_TYPE && type <= MOST_TYPE) {
                    watch.begins();
                    read.pipeline().remove(this);
                } else {
                    watch.isNoTls();
                    read.pipeline().remove(watch);
                    read.pipeline().remove(tls);
                    read.pipeline().remove(this);
                    Connection answering = answerPlainly.get();
                    read.fireChannelRead(message);
                    answering.finish();
                    return;
                }
            }
            read.fireChannelRead(message);
        }
    }

    /**
     * A handler before TLS. After a failed handshake it shuts down our side and keeps reading for a moment instead of
     * closing at once. A TLS 1.3 client has already sent its request by then, and closing with unread bytes would
     * destroy the alert that states the reason. Owned by the event loop of the connection.
     */
    private static final class LingeringClose extends ChannelDuplexHandler {
        private static final long LONGEST_MILLIS = 1_000;

        private final HandshakeWatch watch;
        private boolean isSaid;

        LingeringClose(HandshakeWatch watch) {
            this.watch = watch;
        }

        @Override
        public void close(ChannelHandlerContext closing, ChannelPromise promise) {
            if (!watch.hasObjected() || !closing.channel().isActive()) {
                var unusedClose = closing.close(promise);
                return;
            }
            var unused = closing.channel().closeFuture().addListener(closed -> promise.trySuccess());
            if (!isSaid) {
                isSaid = true;
                var unusedEnd = ((DuplexChannel) closing.channel()).shutdownOutput();
                closing.channel().config().setAutoRead(true);
                var unusedTimer =
                        closing.executor().schedule(() -> end(closing), LONGEST_MILLIS, TimeUnit.MILLISECONDS);
            }
        }

        @Override
        public void channelRead(ChannelHandlerContext read, Object message) {
            if (isSaid) {
                ReferenceCountUtil.release(message);
            } else {
                read.fireChannelRead(message);
            }
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext triggered, Object event) {
            if (isSaid && event instanceof ChannelInputShutdownEvent) {
                end(triggered);
            } else {
                triggered.fireUserEventTriggered(event);
            }
        }

        private static void end(ChannelHandlerContext context) {
            var unused = context.close();
        }
    }

    /**
     * A handler after TLS. It reports a failed handshake once, and keeps a client's TLS errors from later handlers,
     * where they would look like a fault of ours. Owned by the event loop of the connection.
     */
    private static final class HandshakeWatch extends ChannelInboundHandlerAdapter {
        private final TlsFailures failures;
        private final InetSocketAddress client;
        private boolean hasBegun;
        private boolean isOver;
        private boolean hasObjected;

        HandshakeWatch(TlsFailures failures, InetSocketAddress client) {
            this.failures = failures;
            this.client = client;
        }

        /** Records that the client has sent a first byte of TLS. */
        void begins() {
            hasBegun = true;
        }

        /** Returns whether the handshake failed because one side objected, and not because the client disconnected. */
        boolean hasObjected() {
            return hasObjected;
        }

        /** Records that the client has sent something other than TLS. */
        void isNoTls() {
            isOver = true;
            failures.tell(TlsFailure.NO_TLS, client, "the client sent plain HTTP, or something else that is not TLS");
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext triggered, Object event) {
            if (event instanceof SslHandshakeCompletionEvent end && !isOver) {
                isOver = true;
                if (!end.isSuccess()) {
                    hasObjected = end.cause() instanceof SSLException;
                    failures.tell(end.cause(), client, hasBegun);
                }
            }
            triggered.fireUserEventTriggered(event);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext caught, Throwable cause) {
            if (cause instanceof SSLException
                    || (cause instanceof DecoderException && cause.getCause() instanceof SSLException)) {
                var unused = caught.close();
            } else {
                caught.fireExceptionCaught(cause);
            }
        }
    }
}
