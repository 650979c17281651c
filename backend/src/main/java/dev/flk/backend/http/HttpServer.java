// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.config.HttpConfig;
import dev.flk.backend.config.HttpConfig.OpsConfig;
import dev.flk.backend.http.Endpoint.Kind;
import dev.flk.backend.http.Loop.LongBodies;
import dev.flk.backend.http.OpsHandler.MetricsGuard;
import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.limit.Sender;
import dev.flk.backend.metrics.Meters;
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
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The HTTP server: an event loop per core, which accept, read and write. {@link #start} and {@link #close} are for one
 * thread, which is none of the loops. Nothing here is durable: an answer is what ingest says, in its order.
 */
public final class HttpServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HttpServer.class);

    private static final int BACKLOG = 1024;
    private static final long LONGEST_END_SECONDS = 3;
    private static final Duration LONGEST_TICK = Duration.ofMillis(500);
    /** Time-outs are late by up to a part of this size. */
    private static final int TICKS_PER_TIMEOUT = 4;
    /** An answer goes over to the network when less than the first of these waits there; see {@link AnswerOrder}. */
    private static final WriteBufferWaterMark UNSENT_BYTES = new WriteBufferWaterMark(8 << 10, 32 << 10);

    /**
     * What the kernel takes of an answer beyond what is on its way, so that it does not keep megabytes for a client that does not read.
     */
    private static final int UNSENT_KERNEL_BYTES = 64 << 10;

    /**
     * The most that the kernel keeps, what is on its way included; it doubles this for its own needs. Were it less than
     * some segments of the loopback interface (64 KiB each), each of them would wait 40 ms for the acknowledgement of the one before.
     */
    private static final int SEND_BUFFER_BYTES = 256 << 10;

    /** A few scrapers and probes, and a few that hang. */
    private static final int MAX_OPS_CONNECTIONS = 64;
    /** For its bodies and answers, a part of which is theirs. */
    private static final int OPS_OF_HEAP = 8;

    private final ServerParts parts;
    private final Ingest ingest;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final Duration stopWithin;
    private final Scrapes scrapes;
    private final LongBodies longBodies;
    private final @Nullable DebugHandler debug;
    private final LineLimit limit;
    private final Site site;
    private final @Nullable TlsFront tls;
    private final Map<EventLoop, Loop> loops = new ConcurrentHashMap<>();
    private @Nullable EventLoopGroup group;
    private @Nullable Channel listener;

    /** What is said of a port, and how many loops it has. */
    private record Site(String portSetting, String addressSetting, String threads, int loops, String tooMany) {
        static Site of(Served served) {
            return served.isForOperators()
                    ? new Site(
                            "OPS_PORT",
                            "OPS_BIND_ADDR",
                            "flk-ops",
                            1,
                            "too many connections to OPS_PORT: closed one at once, it takes {}{}")
                    : new Site(
                            "PORT",
                            "BIND_ADDR",
                            "flk-http",
                            Runtime.getRuntime().availableProcessors(),
                            "too many connections: closed one at once, MAX_CONNECTIONS is {}{}");
        }
    }

    /**
     * A server for the port of {@code config}; takes no resources yet.
     *
     * @param served all, or all but what {@link #forOperations another} serves
     * @param tls gives an engine for each connection; null: plain HTTP
     * @param limits who may connect, and who may not be read
     * @param readiness what {@code /readyz} tells; asked on an event loop
     * @param clock for the {@code Date} of answers
     * @param nanoTicker monotonic time, for time-outs and timings
     * @param stopWithin how long {@link #close} lets requests finish
     */
    public HttpServer(
            HttpConfig config,
            Served served,
            @Nullable Supplier<SSLEngine> tls,
            Ingest ingest,
            Limits limits,
            Readiness readiness,
            Meters meters,
            InstantSource clock,
            LongSupplier nanoTicker,
            Duration stopWithin) {
        this(
                config,
                served,
                tls,
                ServerLoad.of(config, Runtime.getRuntime().maxMemory()),
                ingest,
                limits,
                readiness,
                meters,
                clock,
                nanoTicker,
                stopWithin);
        parts.load().watch(meters);
    }

    HttpServer(
            HttpConfig config,
            Served served,
            @Nullable Supplier<SSLEngine> tls,
            ServerLoad load,
            Ingest ingest,
            Limits limits,
            Readiness readiness,
            Meters meters,
            InstantSource clock,
            LongSupplier nanoTicker,
            Duration stopWithin) {
        this.scrapes = new Scrapes(meters);
        this.site = Site.of(served);
        this.longBodies = new LongBodies(site.loops());
        this.limit = new LineLimit(1, Duration.ofSeconds(10), nanoTicker);
        MetricsGuard guard = new MetricsGuard(config.metricsLogin());
        this.debug = served == Served.OPERATIONS_AND_DEBUG ? new DebugHandler(guard) : null;
        Routes routes = Routes.of(
                served,
                new SubmitHandler(config.maxBodyBytes(), meters, nanoTicker),
                new BatchHandler(config, limits, meters, nanoTicker),
                Endpoint.bodyless(Kind.LOOK_UP, new LookUpHandler(ingest)::serve),
                new OpsHandler(readiness, scrapes, guard),
                debug);
        this.parts = new ServerParts(config, routes, load, limits, meters, nanoTicker);
        this.tls = tls == null ? null : new TlsFront(tls, parts);
        this.ingest = ingest;
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.stopWithin = stopWithin;
    }

    /**
     * A server for what operators and their machines ask, on a port, a thread and with bounds of its own: it answers whatever goes on at the
     * other. Plain HTTP; takes no resources yet.
     */
    public static HttpServer forOperations(
            OpsConfig ops,
            HttpConfig config,
            Ingest ingest,
            Readiness readiness,
            Meters meters,
            InstantSource clock,
            LongSupplier nanoTicker,
            Duration stopWithin) {
        HttpConfig own = config.at(ops.port(), ops.bindAddress(), MAX_OPS_CONNECTIONS);
        return new HttpServer(
                own,
                ops.debug() ? Served.OPERATIONS_AND_DEBUG : Served.OPERATIONS,
                null,
                ServerLoad.of(own, Runtime.getRuntime().maxMemory() / OPS_OF_HEAP),
                ingest,
                Limits.none(nanoTicker, meters),
                readiness,
                meters,
                clock,
                nanoTicker,
                stopWithin);
    }

    /**
     * Listens.
     *
     * @return the port, which is the configured one unless that is 0
     * @throws IOException if the address can't be bound; nothing is left open then
     */
    public int start() throws IOException {
        HttpConfig config = parts.config();
        EventLoopGroup started = new MultiThreadIoEventLoopGroup(
                site.loops(),
                new DefaultThreadFactory(site.threads()),
                Epoll.isAvailable() ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());
        group = started;
        ServerBootstrap bootstrap = new ServerBootstrap()
                .group(started)
                .channel(serverChannel())
                .option(ChannelOption.SO_BACKLOG, BACKLOG)
                .option(ChannelOption.SO_REUSEADDR, true)
                // a client that has sent its request may shut down its side and still wait for the answer
                .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
                .childOption(ChannelOption.SO_SNDBUF, SEND_BUFFER_BYTES)
                .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, UNSENT_BYTES)
                .childHandler(new Initializer());
        if (Epoll.isAvailable()) {
            bootstrap.childOption(EpollChannelOption.TCP_NOTSENT_LOWAT, (long) UNSENT_KERNEL_BYTES);
        }
        ChannelFuture bound = bootstrap
                .bind(new InetSocketAddress(config.bindAddress(), config.port()))
                .awaitUninterruptibly();
        if (!bound.isSuccess()) {
            endLoops(started);
            throw new IOException(
                    "can't listen on %s port %d: %s; choose another %s or %s"
                            .formatted(
                                    config.bindAddress(),
                                    config.port(),
                                    bound.cause() instanceof UnresolvedAddressException
                                            ? "there is no such host"
                                            : bound.cause().getMessage(),
                                    site.addressSetting(),
                                    site.portSetting()),
                    bound.cause());
        }
        listener = bound.channel();
        listener.pipeline()
                .addLast(
                        new ChannelInboundHandlerAdapter() { // behind what pauses accepting for a second
                            @Override
                            public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
                                limit.say(
                                        "accept",
                                        leftOut -> LOG.warn(
                                                "connections can't be accepted: {}{}", cause.getMessage(), leftOut));
                            }
                        });
        return ((InetSocketAddress) bound.channel().localAddress()).getPort();
    }

    /** Stops to accept, lets requests finish that are under way, but not longer than was said, then closes everything. */
    @Override
    public void close() {
        if (listener == null || group == null) {
            return;
        }
        listener.close().awaitUninterruptibly(stopWithin.toMillis());
        var all = CompletableFuture.allOf(
                loops.values().stream().map(Loop::finish).toArray(CompletableFuture[]::new));
        all.completeOnTimeout(null, stopWithin.toNanos(), TimeUnit.NANOSECONDS).join();
        loops.values().forEach(Loop::closeAll);
        endLoops(group);
        scrapes.close();
        longBodies.close();
        if (debug != null) {
            debug.close();
        }
        listener = null;
    }

    /** Never waits for a loop whose thread has died: it would be for ever. */
    private static void endLoops(EventLoopGroup group) {
        group.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(LONGEST_END_SECONDS, TimeUnit.SECONDS);
    }

    private static Class<? extends ServerChannel> serverChannel() {
        return Epoll.isAvailable() ? EpollServerSocketChannel.class : NioServerSocketChannel.class;
    }

    private Loop loopOf(Channel channel) {
        return loops.computeIfAbsent(channel.eventLoop(), eventLoop -> {
            Loop loop = new Loop(eventLoop, ingest, longBodies, parts.meters(), clock, nanoTicker);
            loop.tickEvery(tick());
            return loop;
        });
    }

    private Duration tick() {
        HttpConfig config = parts.config();
        Duration tick = LONGEST_TICK;
        for (Duration timeout : new Duration[] {config.headerTimeout(), config.bodyTimeout(), config.idleTimeout()}) {
            Duration part = timeout.dividedBy(TICKS_PER_TIMEOUT).plusMillis(1);
            tick = part.compareTo(tick) < 0 ? part : tick;
        }
        return tick;
    }

    private final class Initializer extends ChannelInitializer<SocketChannel> {
        @Override
        protected void initChannel(SocketChannel channel) {
            if (!parts.load().connections().take(1)) {
                parts.meters().connectionRefused();
                limit.say(
                        "connections",
                        leftOut -> LOG.warn(site.tooMany(), parts.config().maxConnections(), leftOut));
                var unused = channel.close();
                return;
            }
            InetSocketAddress remote = channel.remoteAddress();
            // a client that is gone already has none
            Sender sender = Sender.from(remote == null ? new InetSocketAddress(0).getAddress() : remote.getAddress());
            if (!parts.limits().connect(sender)) {
                parts.load().connections().giveBack(1);
                parts.meters().addressConnectionRefused();
                limit.say(
                        "address",
                        leftOut -> LOG.warn(
                                "too many connections from {}: closed one at once, see MAX_CONNECTIONS_PER_ADDRESS{}",
                                sender.address(),
                                leftOut));
                var unused = channel.close();
                return;
            }
            RequestDecoder decoder = new RequestDecoder(nanoTicker);
            Loop loop = loopOf(channel);
            Connection connection = new Connection(parts, sender, loop, decoder);
            channel.pipeline().addLast(decoder).addLast(connection);
            if (tls != null) {
                tls.addTo(channel, sender, loop, decoder, connection);
            }
        }
    }

    /**
     * What all connections share.
     *
     * @param nanoTicker monotonic time
     */
    record ServerParts(
            HttpConfig config, Routes routes, ServerLoad load, Limits limits, Meters meters, LongSupplier nanoTicker) {}
}
