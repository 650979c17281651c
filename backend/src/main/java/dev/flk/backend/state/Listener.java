// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Accepts connections of the state's port up to a maximum number, and closes further ones at once. Owns the threads
 * that read and write.
 */
@Sharable
final class Listener extends ChannelInboundHandlerAdapter implements AutoCloseable {
    private static final long CLOSE_MILLIS = 1_000;

    private final int maxConnections;
    private final AtomicInteger connections = new AtomicInteger();
    private final boolean isEpoll = Epoll.isAvailable();
    private final EventLoopGroup loops =
            new MultiThreadIoEventLoopGroup(isEpoll ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());

    Listener(int maxConnections) {
        this.maxConnections = maxConnections;
    }

    NettyServerBuilder listenFor(NettyServerBuilder builder) {
        return builder.channelFactory(this::listening).bossEventLoopGroup(loops).workerEventLoopGroup(loops);
    }

    private ServerChannel listening() {
        ServerChannel listening = isEpoll ? new EpollServerSocketChannel() : new NioServerSocketChannel();
        listening.pipeline().addLast(this);
        return listening;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object accepted) {
        Channel connection = (Channel) accepted;
        if (connections.incrementAndGet() > maxConnections) {
            connections.decrementAndGet();
            connection.unsafe().closeForcibly();
            return;
        }
        connection.closeFuture().addListener(closed -> connections.decrementAndGet());
        context.fireChannelRead(accepted);
    }

    /** Stops the threads. Called after the server has been closed. */
    @Override
    public void close() {
        var unused = loops.shutdownGracefully(0, CLOSE_MILLIS, TimeUnit.MILLISECONDS);
    }
}
