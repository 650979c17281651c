// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
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
import java.net.SocketAddress;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The limit on the number of connections to the state's port. This object also owns the threads that read from the
 * connections and write to them.
 *
 * <p>If the port has tokens, a connection counts toward the maximum number only after a call with a valid token. Until
 * then, the connection occupies one of the separate places for connections without a token. The number of these places
 * is a quarter of the maximum. When all of these places are taken, a new connection replaces the oldest connection
 * without a token, so that idle connections never keep a caller from showing its token. If the port has tokens, add the
 * limit to the server as an interceptor that runs directly after the interceptor {@link TokenCheck}.
 */
@Sharable
final class ConnectionLimit extends ChannelInboundHandlerAdapter implements ServerInterceptor, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.state");
    private static final long CLOSE_MILLIS = 1_000;
    /** The maximum number of connections, divided by the maximum number of connections without a token. */
    private static final int PART_WITHOUT_TOKEN = 4;

    private final int maxConnections;
    private final int maxWithoutToken;
    private final boolean needsToken;
    private final StateMetrics metrics;
    private final Refusals refusals;
    private final boolean isEpoll = Epoll.isAvailable();
    private final EventLoopGroup loops =
            new MultiThreadIoEventLoopGroup(isEpoll ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());

    // guarded by this; the key is the client's address, which is unique among open connections
    private final Map<SocketAddress, Channel> known = new HashMap<>();
    /** The connections without a token, the oldest first. */
    private final Map<SocketAddress, Channel> withoutToken = new LinkedHashMap<>();

    /**
     * Creates the threads; accepts nothing yet.
     *
     * @param needsToken whether the port has tokens
     * @param nanoTicker monotonic time
     */
    ConnectionLimit(int maxConnections, boolean needsToken, LongSupplier nanoTicker, StateMetrics metrics) {
        this.maxConnections = maxConnections;
        this.maxWithoutToken = Math.max(1, maxConnections / PART_WITHOUT_TOKEN);
        this.needsToken = needsToken;
        this.metrics = metrics;
        this.refusals = new Refusals(nanoTicker);
    }

    NettyServerBuilder listenFor(NettyServerBuilder builder) {
        return builder.channelFactory(this::listening).bossEventLoopGroup(loops).workerEventLoopGroup(loops);
    }

    private ServerChannel listening() {
        ServerChannel listening = isEpoll ? new EpollServerSocketChannel() : new NioServerSocketChannel();
        listening.pipeline().addLast(this);
        return listening;
    }

    /** Returns a description of the connections that were refused in the last seconds; empty if none were. */
    Optional<String> refusing() {
        return refusals.latest();
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object accepted) {
        Channel connection = (Channel) accepted;
        SocketAddress address = connection.remoteAddress();
        if (needsToken) {
            Channel oldest = addWithoutToken(address, connection);
            if (oldest != null) {
                refused(
                        "without_token",
                        "too many connections without a token",
                        "the oldest of these are closed in favour of new ones");
                closeNow(oldest);
            }
        } else if (!addKnown(address, connection)) {
            refused();
            connection.unsafe().closeForcibly();
            return;
        }
        connection.closeFuture().addListener(closed -> remove(address, connection));
        context.fireChannelRead(accepted);
    }

    /**
     * Adds a connection without a token. If all places for such connections are taken, removes the oldest of these
     * connections and returns it; otherwise returns null.
     */
    private synchronized @Nullable Channel addWithoutToken(SocketAddress address, Channel connection) {
        Channel oldest = null;
        if (withoutToken.size() == maxWithoutToken) {
            Iterator<Channel> oldestFirst = withoutToken.values().iterator();
            oldest = oldestFirst.next();
            oldestFirst.remove();
        }
        withoutToken.put(address, connection);
        return oldest;
    }

    private synchronized boolean addKnown(SocketAddress address, Channel connection) {
        if (known.size() >= maxConnections) {
            return false;
        }
        known.put(address, connection);
        return true;
    }

    private synchronized void remove(SocketAddress address, Channel connection) {
        // removes only this connection: its address may already belong to a newer one
        if (!withoutToken.remove(address, connection)) {
            known.remove(address, connection);
        }
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        // the interceptor TokenCheck has already checked the token, and checks it again when the request is complete
        if (Caller.CURRENT.get().equals(Caller.STRANGER) || isKnown(call)) {
            return next.startCall(call, headers);
        }
        return new ServerCall.Listener<>() {}; // the connection is being closed, which ends the call
    }

    /**
     * Returns true if the connection of a call with a valid token has a place among the connections that have shown a
     * token, or gets one now. If no such place is free, closes the connection and returns false. Also returns false if
     * the connection is already being closed.
     */
    private boolean isKnown(ServerCall<?, ?> call) {
        SocketAddress address = call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR);
        Channel connection;
        synchronized (this) {
            if (known.containsKey(address)) {
                return true;
            }
            connection = withoutToken.remove(address);
            if (connection == null) {
                return false;
            }
            if (addKnown(address, connection)) {
                return true;
            }
        }
        refused();
        closeNow(connection);
        return false;
    }

    /** Closes the connection of a client, if it is still open. */
    void close(SocketAddress client) {
        Channel connection;
        synchronized (this) {
            connection = withoutToken.getOrDefault(client, known.get(client));
        }
        if (connection != null) {
            closeNow(connection);
        }
    }

    /** Closes a connection without waiting for its client, which may never read what is sent to it. */
    private static void closeNow(Channel connection) {
        connection
                .eventLoop()
                .execute(() -> connection.unsafe().close(connection.unsafe().voidPromise()));
    }

    private void refused() {
        refused("connections", "too many connections", "further connections are closed until others have ended");
    }

    /**
     * Reports a refusal. Called before the connection is closed, so that the report exists when the client notices the
     * refusal.
     */
    private void refused(String cause, String what, String effect) {
        metrics.connectionsRefused.increment(cause);
        refusals.report(cause, what, leftOut -> LOG.warn("the port of the state has {}; {}{}", what, effect, leftOut));
    }

    /** Stops the threads. Called after the server has been closed. */
    @Override
    public void close() {
        loops.shutdownGracefully(0, CLOSE_MILLIS, TimeUnit.MILLISECONDS);
    }
}
