// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.timeout.IdleStateEvent;
import io.netty.util.ReferenceCountUtil;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One connection of a local program: a request after the other. On its event loop. */
final class LocalConnection extends SimpleChannelInboundHandler<HttpObject> {
    private static final Logger LOG = LoggerFactory.getLogger(LocalConnection.class);
    private static final Set<String> OWN_NAMES = Set.of("localhost", "127.0.0.1", "[::1]");

    private final LocalServer.Door door;
    private final BodyRoom room;
    private @Nullable HttpRequest request;
    private ByteArrayOutputStream body = new ByteArrayOutputStream();
    private @Nullable Answered refusal;

    LocalConnection(LocalServer.Door door, BodyRoom room) {
        this.door = door;
        this.room = room;
    }

    /** What was read behind a request that is still being answered. */
    private final Queue<HttpObject> early = new ArrayDeque<>();

    private boolean answering;
    /** The rest of the request is read and dropped. */
    private boolean refused;

    @Override
    protected void channelRead0(ChannelHandlerContext context, HttpObject part) {
        if (refused) {
            if (part instanceof LastHttpContent) {
                var unused = context.close(); // only now, or the client might not get to read the answer
            }
        } else if (answering) {
            early.add(ReferenceCountUtil.retain(part));
        } else {
            receive(context, part);
        }
    }

    private void receive(ChannelHandlerContext context, HttpObject part) {
        if (part instanceof HttpRequest begun) {
            request = begun;
            refusal = refusalOf(begun);
            if (refusal == null && HttpUtil.is100ContinueExpected(begun)) {
                var unused = context.writeAndFlush(
                        new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.CONTINUE));
            }
        }
        if (part instanceof HttpContent content && refusal == null) {
            take(content);
        }
        if (refusal != null && request != null) {
            refused = true;
            answer(context, refusal, false);
            if (part instanceof LastHttpContent) {
                var unused = context.close();
            }
        } else if (part instanceof LastHttpContent && request != null) {
            run(context, request);
        }
    }

    /** A page in a browser can reach a loopback port: nothing it sends is taken. */
    private @Nullable Answered refusalOf(HttpRequest begun) {
        if (begun.decoderResult().isFailure()) {
            return Answered.error(400, "this is no HTTP request");
        }
        if (door.isNetwork()) {
            String host = begun.headers().get(HttpHeaderNames.HOST, "").replaceFirst(":\\d+$", "");
            if (begun.headers().contains(HttpHeaderNames.ORIGIN) || !OWN_NAMES.contains(host)) {
                return Answered.error(403, "only programs of this machine, calling it by localhost");
            }
        }
        return null;
    }

    private void take(HttpContent content) {
        int bytes = content.content().readableBytes();
        if (body.size() + bytes > LocalServer.MAX_BODY_BYTES) {
            refusal = Answered.error(413, "longer than " + LocalServer.MAX_BODY_BYTES + " bytes; send it in parts");
        } else if (!room.take(bytes)) {
            refusal = Answered.busy("too much is being sent at once; try again");
        } else {
            try {
                content.content().readBytes(body, bytes);
            } catch (IOException e) {
                throw new IllegalStateException(e); // memory does not fail
            }
        }
    }

    private void run(ChannelHandlerContext context, HttpRequest whole) {
        boolean keepAlive = HttpUtil.isKeepAlive(whole);
        answering = true;
        context.channel().config().setAutoRead(false);
        CompletableFuture<Answered> answer;
        try {
            answer = door.answer(
                    whole.method().name(),
                    whole.uri(),
                    whole.headers().get(HttpHeaderNames.CONTENT_TYPE, ""),
                    body.toByteArray());
        } catch (RuntimeException e) {
            answer = CompletableFuture.failedFuture(e);
        }
        var unused = answer.whenComplete((answered, failure) -> {
            Answered given = answered;
            if (failure != null || given == null) {
                LOG.error("a local request failed", failure);
                given = Answered.error(500, "this should not happen; see the agent's log");
            }
            Answered last = given;
            context.executor().execute(() -> answer(context, last, keepAlive));
        });
    }

    private void answer(ChannelHandlerContext context, Answered answered, boolean keepAlive) {
        forgetRequest();
        var response = new DefaultFullHttpResponse(
                HttpVersion.HTTP_1_1,
                HttpResponseStatus.valueOf(answered.status()),
                Unpooled.wrappedBuffer(answered.body()));
        response.headers().set(HttpHeaderNames.CONTENT_TYPE, "application/json");
        response.headers().setInt(HttpHeaderNames.CONTENT_LENGTH, answered.body().length);
        answered.retryAfterSeconds()
                .ifPresent(seconds -> response.headers().setInt(HttpHeaderNames.RETRY_AFTER, seconds));
        HttpUtil.setKeepAlive(response, keepAlive);
        var written = context.writeAndFlush(response);
        if (keepAlive) {
            goOn(context);
        } else {
            answering = true; // nothing else is heard
            if (!refused) {
                written.addListener(ChannelFutureListener.CLOSE);
            }
        }
    }

    private void goOn(ChannelHandlerContext context) {
        answering = false;
        while (!answering && !early.isEmpty()) {
            HttpObject part = early.remove();
            receive(context, part);
            ReferenceCountUtil.release(part);
        }
        if (!answering) {
            context.channel().config().setAutoRead(true);
        }
    }

    private void forgetRequest() {
        room.give(body.size());
        body = new ByteArrayOutputStream();
        request = null;
        refusal = null;
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        forgetRequest();
        early.forEach(ReferenceCountUtil::release);
        early.clear();
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (event instanceof IdleStateEvent && (!answering || refused)) {
            var unused = context.close();
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        LOG.debug("a local connection broke", cause); // whoever called knows
        var unused = context.close();
    }
}
