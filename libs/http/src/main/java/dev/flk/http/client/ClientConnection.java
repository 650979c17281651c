// SPDX-License-Identifier: Apache-2.0
package dev.flk.http.client;

import dev.flk.http.client.BoundedHttpClient.Request;
import dev.flk.http.client.BoundedHttpClient.Response;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.DecoderException;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.handler.timeout.IdleStateEvent;
import java.io.IOException;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpHeaders;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** A connection of a {@link BoundedHttpClient}, with at most one exchange at a time. Used only on its event loop. */
final class ClientConnection extends SimpleChannelInboundHandler<HttpObject> {
    /** The maximum number of answers such as 100 (continue) before the answer. */
    private static final int MAX_INTERIM = 8;

    private final Deque<ClientConnection> idle;
    private final Runnable unanswered;
    private @Nullable Channel channel;
    /** Null while the connection is idle, and after it has failed. */
    private @Nullable Exchange exchange;

    private @Nullable HttpResponse head;
    private byte[] body = {};
    private int bodyBytes;
    private int interim;
    private boolean isRequestWritten;

    /**
     * @param idle the connections that can be used again
     * @param unanswered called when the established connection ends an exchange without an answer
     */
    ClientConnection(Deque<ClientConnection> idle, Exchange first, Runnable unanswered) {
        this.idle = idle;
        this.unanswered = unanswered;
        this.exchange = first;
    }

    /** Sends the request of an exchange; returns false if the connection has been closed. */
    boolean begin(Exchange next) {
        if (channel == null || !channel.isActive()) {
            return false;
        }
        exchange = next;
        next.use(channel);
        write(channel, next);
        return true;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
        channel = context.channel();
        if (context.pipeline().get(SslHandler.class) == null) {
            connected(context.channel());
        }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (event instanceof SslHandshakeCompletionEvent handshake) {
            if (handshake.isSuccess()) {
                connected(context.channel());
            } else {
                fail(context, handshake.cause());
            }
        } else if (event instanceof IdleStateEvent && exchange == null) {
            context.close();
        }
    }

    private void connected(Channel established) {
        if (exchange != null) {
            exchange.isConnected = true;
            write(established, exchange);
        }
    }

    private void write(Channel to, Exchange begun) {
        head = null;
        body = new byte[0];
        bodyBytes = 0;
        interim = 0;
        isRequestWritten = false;
        begun.isConnected = true;
        Request request = begun.request;
        DefaultFullHttpRequest message = new DefaultFullHttpRequest(
                HttpVersion.HTTP_1_1,
                HttpMethod.valueOf(request.method()),
                request.target(),
                Unpooled.wrappedBuffer(request.body()));
        request.headers().forEach(message.headers()::set);
        message.headers().set(HttpHeaderNames.HOST, begun.host);
        if (request.body().length > 0) {
            message.headers().set(HttpHeaderNames.CONTENT_LENGTH, request.body().length);
        }
        // if the request can't be written, the connection is closed, which ends the exchange
        to.writeAndFlush(message).addListener(written -> isRequestWritten = written.isSuccess());
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, HttpObject part) {
        if (exchange == null || exchange.hasEnded()) {
            context.close(); // the server has sent more than its answers, or the request has ended without one
            return;
        }
        if (part.decoderResult().isFailure()) {
            fail(
                    context,
                    new IOException("the answer is not valid HTTP, or its head is too long: "
                            + part.decoderResult().cause().getMessage()));
            return;
        }
        if (part instanceof HttpResponse response) {
            head = response;
        }
        if (head == null || head.status().codeClass() == HttpStatusClass.INFORMATIONAL) {
            skipInterim(context, part);
        } else if (part instanceof HttpContent content) {
            read(context, content.content(), exchange);
            if (part instanceof LastHttpContent && exchange != null) {
                answered(context, head, exchange);
            }
        }
    }

    private void skipInterim(ChannelHandlerContext context, HttpObject part) {
        if (part instanceof HttpResponse && ++interim > MAX_INTERIM) {
            fail(context, new IOException("the server sends interim answers only"));
        }
    }

    private void read(ChannelHandlerContext context, ByteBuf content, Exchange begun) {
        int added = content.readableBytes();
        int most = begun.request.maxAnswerBytes();
        if (added > most - bodyBytes) {
            fail(context, new IOException("the answer is longer than " + most + " bytes"));
            return;
        }
        if (bodyBytes + added > body.length) {
            // at most as long as an answer may be, because that is what callers reserve
            body = Arrays.copyOf(body, (int) Math.min(most, Math.max(2L * body.length, bodyBytes + added)));
        }
        content.readBytes(body, bodyBytes, added);
        bodyBytes += added;
    }

    private void answered(ChannelHandlerContext context, HttpResponse answer, Exchange answered) {
        Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        answer.headers()
                .forEach(header -> headers.computeIfAbsent(header.getKey(), name -> new ArrayList<>())
                        .add(header.getValue()));
        SslHandler tls = context.pipeline().get(SslHandler.class);
        Response response = new Response(
                answer.status().code(),
                HttpHeaders.of(headers, (name, value) -> true),
                Arrays.copyOf(body, bodyBytes),
                Optional.ofNullable(tls).map(handler -> handler.engine().getSession()));
        exchange = null;
        head = null;
        body = new byte[0];
        if (HttpUtil.isKeepAlive(answer) && isRequestWritten) {
            idle.addLast(this);
        } else {
            context.close();
        }
        answered.end(response, null);
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        boolean unused = idle.remove(this);
        fail(context, new IOException("the connection was closed before the answer was complete"));
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable thrown) {
        fail(context, thrown instanceof DecoderException && thrown.getCause() != null ? thrown.getCause() : thrown);
    }

    private void fail(ChannelHandlerContext context, Throwable failure) {
        Exchange failed = exchange;
        exchange = null;
        body = new byte[0];
        context.close();
        if (failed != null) {
            unanswered.run();
            failed.fail(failure);
        }
    }

    /** A request and what to do when it ends. Used only on the event loop. */
    static final class Exchange {
        private final Request request;
        private final String host;
        private final BiConsumer<@Nullable Response, @Nullable Throwable> ended;
        private @Nullable Future<?> timer;
        private @Nullable Runnable afterwards;
        private @Nullable Channel channel;
        private boolean isConnected;
        private boolean hasEnded;

        Exchange(Request request, String host, BiConsumer<@Nullable Response, @Nullable Throwable> ended) {
            this.request = request;
            this.host = host;
            this.ended = ended;
        }

        void whenEnded(Future<?> cancelled, Runnable run) {
            timer = cancelled;
            afterwards = run;
        }

        /** Closes this channel when the exchange fails. */
        void use(Channel used) {
            channel = used;
        }

        boolean hasEnded() {
            return hasEnded;
        }

        void timeOut() {
            fail(isConnected ? new TimeoutException() : new HttpConnectTimeoutException("no connection in time"));
        }

        void fail(Throwable failure) {
            if (channel != null) {
                channel.close();
            }
            end(null, failure);
        }

        private void end(@Nullable Response response, @Nullable Throwable failure) {
            if (hasEnded) {
                return;
            }
            hasEnded = true;
            if (timer != null) {
                timer.cancel(false);
            }
            try {
                ended.accept(response, failure);
            } finally {
                if (afterwards != null) {
                    afterwards.run();
                }
            }
        }
    }
}
