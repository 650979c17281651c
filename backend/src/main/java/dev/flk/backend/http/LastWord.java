// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.ReferenceCountUtil;
import java.util.concurrent.TimeUnit;

/**
 * Stands before TLS on a connection: when a handshake has failed, ends the own side and reads on for a moment, instead of closing at once. A client of
 * TLS 1.3 has sent its request by then; to close with that unread would take from it the alert that says why. Owned by the event
 * loop of the connection.
 */
final class LastWord extends ChannelDuplexHandler {
    private static final long LONGEST_MILLIS = 1_000;

    private final HandshakeWatch watch;
    private boolean isSaid;

    LastWord(HandshakeWatch watch) {
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
            var unusedTimer = closing.executor().schedule(() -> end(closing), LONGEST_MILLIS, TimeUnit.MILLISECONDS);
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
