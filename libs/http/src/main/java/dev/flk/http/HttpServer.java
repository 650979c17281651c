// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Admission.Visitor;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.tls.TlsFailures;
import dev.flk.http.tls.TlsFront;
import dev.flk.program.logging.LineLimit;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollChannelOption;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.util.AttributeKey;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An HTTP server whose event loops accept, read and write for one or more {@link Listener listeners}. {@link #listen}
 * and {@link #close} must be called on one thread, which must not be one of the event loops. The server stores nothing
 * durably; endpoints give the answers, and the server sends them in the order of the requests.
 */
public final class HttpServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HttpServer.class);

    private static final int BACKLOG = 1024;
    private static final Duration LINE_EVERY = Duration.ofMinutes(1);
    private static final long LONGEST_END_SECONDS = 3;
    /** The maximum number of long bodies that wait for a thread. */
    private static final int MAX_WAITING_BODIES = 256;

    /** The time after which an idle thread for long bodies ends. */
    private static final long IDLE_SECONDS = 30;
    /**
     * The limits on the unsent bytes of a connection. Once more than 32 KiB are unsent, no further answer is passed to
     * the network until less than 8 KiB are unsent. See {@link AnswerOrder#write}.
     */
    private static final WriteBufferWaterMark UNSENT_BYTES = new WriteBufferWaterMark(8 << 10, 32 << 10);

    /**
     * The maximum number of bytes that the kernel buffers for a connection and has not sent yet. Without this limit,
     * the kernel would fill its whole send buffer for a client that does not read.
     */
    private static final int UNSENT_KERNEL_BYTES = 64 << 10;

    /**
     * The size of the kernel's send buffer, including bytes in transit; the kernel doubles this size for its own needs.
     * If the buffer held less than a few segments of the loopback interface (64 KiB each), each segment would wait 40
     * ms for the acknowledgement of the previous segment.
     */
    private static final int SEND_BUFFER_BYTES = 256 << 10;

    private static final Routes SPEAK_TLS =
            new Routes(Endpoint.always(Answer.text(400, "This port speaks TLS: use https\n")));

    private final HttpOptions options;
    private final HttpEvents events;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final ServerLoad load;
    /** The address of the client that a trusted proxy has named. */
    static final AttributeKey<SocketAddress> CLIENT = AttributeKey.valueOf(HttpServer.class, "client");

    private final LineLimit limit;
    private final TlsFailures tlsFailures;
    private final ThreadPoolExecutor longBodies;
    private final boolean epoll = Epoll.isAvailable();
    private final Map<EventLoop, Loop> loops = new ConcurrentHashMap<>();
    private final List<Channel> listeners = new CopyOnWriteArrayList<>();
    private volatile Predicate<InetAddress> isProxy = address -> false;
    private @Nullable EventLoopGroup group;

    /**
     * An address to listen on, with the routes, the admission and the TLS engine of its connections.
     *
     * @param address a host and a port, where port 0 means any free port; or a Unix socket whose file does not exist
     *     yet
     * @param where the address as messages show it, such as "127.0.0.1 port 8080"
     * @param settings the settings that a message suggests to change if listening fails, such as "BIND_ADDR or PORT"
     * @param tooMany the log line for a connection that is closed because the server has too many
     * @param tls a function that creates an engine for each connection; null for plain HTTP
     */
    public record Listener(
            SocketAddress address,
            String where,
            String settings,
            String tooMany,
            Routes routes,
            Admission admission,
            @Nullable Supplier<SSLEngine> tls) {}

    /**
     * Creates a server without listeners, which holds no resources yet.
     *
     * @param clock the clock for the {@code Date} header
     * @param nanoTicker monotonic time, for timeouts and durations
     */
    public HttpServer(HttpOptions options, HttpEvents events, InstantSource clock, LongSupplier nanoTicker) {
        this.options = options;
        this.events = events;
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.load = ServerLoad.of(options);
        this.limit = new LineLimit(1, LINE_EVERY, nanoTicker);
        this.tlsFailures = new TlsFailures(events::tlsFailed, nanoTicker);
        this.longBodies = new ThreadPoolExecutor(
                options.loops(),
                options.loops(),
                IDLE_SECONDS,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(MAX_WAITING_BODIES),
                new DefaultThreadFactory("long-bodies", true));
        longBodies.allowCoreThreadTimeOut(true);
    }

    /**
     * Trusts proxies: a connection from one of these addresses may begin with a header of the PROXY protocol, whose client
     * then counts as the client of the connection. To be called before {@link #listen}.
     */
    public void trustProxies(Predicate<InetAddress> proxies) {
        isProxy = proxies;
    }

    HttpOptions options() {
        return options;
    }

    HttpEvents events() {
        return events;
    }

    LongSupplier nanoTicker() {
        return nanoTicker;
    }

    /**
     * Returns the amounts of resources that the connections of this server use in total. The returned object always
     * shows the current amounts.
     */
    public ServerLoad load() {
        return load;
    }

    /**
     * Opens a listener.
     *
     * @return the bound port: the port of the address, or a free port if the port of the address is 0; 0 for a Unix
     *     socket
     * @throws IOException if the address can't be bound; if this was the first listener, nothing remains open
     */
    public int listen(Listener door) throws IOException {
        boolean isUnix = door.address() instanceof UnixDomainSocketAddress;
        if (group == null) {
            group = new MultiThreadIoEventLoopGroup(
                    options.loops(),
                    new DefaultThreadFactory(options.threads(), true),
                    epoll ? HalfClosedEpoll.newFactory() : NioIoHandler.newFactory());
        }
        ServerBootstrap bootstrap = new ServerBootstrap()
                .group(group)
                .channel(channel(isUnix))
                .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, UNSENT_BYTES)
                .childHandler(new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        serve(channel, door);
                    }
                });
        if (!isUnix || epoll) {
            // keeps the connection open for a client that shuts down its side after its request and still waits for the
            // answer. The JDK's Unix sockets lack this option; if it were set, Netty would log a warning for each
            // connection
            bootstrap.childOption(ChannelOption.ALLOW_HALF_CLOSURE, true);
        }
        if (!isUnix) {
            bootstrap
                    .option(ChannelOption.SO_BACKLOG, BACKLOG)
                    .option(ChannelOption.SO_REUSEADDR, true)
                    .childOption(ChannelOption.SO_SNDBUF, SEND_BUFFER_BYTES);
        }
        if (!isUnix && epoll) {
            bootstrap.childOption(EpollChannelOption.TCP_NOTSENT_LOWAT, (long) UNSENT_KERNEL_BYTES);
        }
        ChannelFuture bound = bootstrap.bind(bindable(door.address())).awaitUninterruptibly();
        @Nullable Throwable cause = bound.cause();
        if (cause != null) {
            if (listeners.isEmpty()) {
                close();
            }
            throw new IOException(
                    "can't listen on %s: %s; choose another %s"
                            .formatted(
                                    door.where(),
                                    cause instanceof UnresolvedAddressException
                                            ? "there is no such host"
                                            : cause.getMessage(),
                                    door.settings()),
                    cause);
        }
        listeners.add(bound.channel());
        bound.channel()
                .pipeline()
                .addLast(
                        // if accepting fails, Netty's own handler stops accepting for a second, and at once passes the
                        // exception on to this handler
                        new ChannelInboundHandlerAdapter() {
                            @Override
                            public void exceptionCaught(ChannelHandlerContext context, Throwable thrown) {
                                events.acceptFailed();
                                limit.say(
                                        "accept",
                                        leftOut -> LOG.warn(
                                                "connections to {} can't be accepted: {}{}",
                                                door.where(),
                                                thrown.getMessage(),
                                                leftOut));
                            }
                        });
        return bound.channel().localAddress() instanceof InetSocketAddress inet ? inet.getPort() : 0;
    }

    private Class<? extends ServerChannel> channel(boolean isUnix) {
        if (epoll) {
            return isUnix ? EpollServerDomainSocketChannel.class : EpollServerSocketChannel.class;
        }
        return isUnix ? NioServerDomainSocketChannel.class : NioServerSocketChannel.class;
    }

    private SocketAddress bindable(SocketAddress address) {
        return epoll && address instanceof UnixDomainSocketAddress unix
                ? new DomainSocketAddress(unix.getPath().toFile())
                : address;
    }

    /**
     * Serves an accepted connection with the routes, the admission and the TLS engine of {@code door}. Must be called
     * on the event loop of the channel. Public for callers that accept connections themselves.
     */
    public void serve(Channel channel, Listener door) {
        if (channel.remoteAddress() instanceof InetSocketAddress proxy && isProxy.test(proxy.getAddress())) {
            ProxyFront.addTo(channel, options.headerTimeout(), client -> {
                channel.attr(CLIENT).set(client);
                serve(channel, door, client);
            });
        } else {
            serve(channel, door, channel.remoteAddress());
        }
    }

    private void serve(Channel channel, Listener door, @Nullable SocketAddress client) {
        Visitor visitor = door.admission().connect(client);
        if (visitor == null) {
            channel.close();
            return;
        }
        Loop loop = loopOf(channel);
        if (!takeConnection(loop, door)) {
            visitor.disconnected();
            channel.close();
            return;
        }
        channel.closeFuture().addListener(closed -> {
            load.connections().giveBack(1);
            visitor.disconnected();
        });
        RequestDecoder decoder = new RequestDecoder(nanoTicker);
        Connection connection = new Connection(this, door.routes(), visitor, loop, decoder);
        channel.pipeline().addLast(decoder).addLast(connection);
        Supplier<SSLEngine> engines = door.tls();
        if (engines != null) {
            TlsFront.addTo(
                    channel,
                    (InetSocketAddress) Objects.requireNonNull(client),
                    engines.get(),
                    options.headerTimeout(),
                    tlsFailures,
                    () -> {
                        Connection answering = new Connection(this, SPEAK_TLS, visitor, loop, decoder);
                        channel.pipeline().replace(connection, null, answering);
                        return answering::finish;
                    });
        }
    }

    /**
     * Takes a place for a new connection. If none is free, closes the oldest connection of the loop whose client has
     * shown no credentials, so that idle strangers keep nobody out; returns false if there is no such connection.
     */
    private boolean takeConnection(Loop loop, Listener door) {
        if (load.connections().take(1)) {
            return true;
        }
        events.connectionRefused();
        limit.say("connections " + door.where(), leftOut -> LOG.warn("{}{}", door.tooMany(), leftOut));
        return loop.closeReplaceable() && load.connections().take(1);
    }

    /**
     * Stops accepting connections, lets requests in progress finish within the configured time, then closes everything.
     */
    @Override
    public void close() {
        if (group == null) {
            return; // nothing was opened, or everything is already closed
        }
        long stopNanos = options.stopWithin().toNanos();
        listeners.forEach(listener -> listener.close().awaitUninterruptibly(stopNanos, TimeUnit.NANOSECONDS));
        var all = CompletableFuture.allOf(
                loops.values().stream().map(Loop::finish).toArray(CompletableFuture[]::new));
        all.completeOnTimeout(null, stopNanos, TimeUnit.NANOSECONDS).join();
        loops.values().forEach(Loop::closeAll);
        // the wait is bounded, because an event loop whose thread has died never terminates
        group.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(LONGEST_END_SECONDS, TimeUnit.SECONDS);
        longBodies.shutdownNow();
        group = null;
    }

    private Loop loopOf(Channel channel) {
        return loops.computeIfAbsent(channel.eventLoop(), eventLoop -> {
            Loop loop = new Loop(eventLoop, longBodies, clock, nanoTicker);
            loop.tickEvery(options.tick());
            return loop;
        });
    }

    /**
     * The limits and timeouts of a server.
     *
     * @param threads the prefix of the names of the event loop threads
     * @param loops the number of event loops
     * @param maxConnections the maximum number of open connections
     * @param maxRequests the maximum number of requests in progress, not counting requests to endpoints that answer at
     *     once
     * @param maxSkippedBytes the maximum length in bytes of a body that is discarded because its endpoint reads no body
     * @param bodyBytes the maximum memory for all bodies, in bytes
     * @param answerBytes the maximum memory for all answers, in bytes
     * @param headerTimeout the time from the first byte of a request to the end of its header; also the time for a TLS
     *     handshake
     * @param bodyTimeout the time from the end of the header to the last byte of the body; also the time that a client
     *     has to end its side after a rejection
     * @param idleTimeout the time after which a connection is closed if no request arrives, the client does not read an
     *     answer, or nothing is sent on an event stream
     * @param stopWithin the time that {@link HttpServer#close} gives requests to finish
     */
    public record HttpOptions(
            String threads,
            int loops,
            int maxConnections,
            int maxRequests,
            int maxSkippedBytes,
            long bodyBytes,
            long answerBytes,
            Duration headerTimeout,
            Duration bodyTimeout,
            Duration idleTimeout,
            Duration stopWithin) {

        /**
         * Returns the interval between checks for slow connections: about a quarter of the shortest timeout, but at
         * most half a second. A timeout may take effect about one interval late.
         */
        Duration tick() {
            Duration tick = Duration.ofMillis(500);
            for (Duration timeout : new Duration[] {headerTimeout, bodyTimeout, idleTimeout}) {
                Duration part = timeout.dividedBy(4).plusMillis(1);
                tick = part.compareTo(tick) < 0 ? part : tick;
            }
            return tick;
        }
    }
}
