// SPDX-License-Identifier: Apache-2.0
package dev.flk.http.client;

import dev.flk.http.client.ClientConnection.Exchange;
import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.timeout.IdleStateHandler;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.Closeable;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpHeaders;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSession;
import org.jspecify.annotations.Nullable;

/**
 * A client of one HTTP/1.1 server, with kept-alive connections, that a hostile server can't harm: the bytes of an
 * answer, of its head and of its trailers, and the time of a request are limited, and a connection is closed as soon as
 * an answer exceeds a limit or is not valid HTTP. The client follows no redirects and decodes no compression. Safe for
 * any thread; it has an event loop of its own, which runs all its code except the look-up of the host.
 *
 * <p>If the host has several addresses, a request tries them in turn until a connection is established; each address
 * gets an equal part of the time that remains. Later connections use the same address until it fails.
 */
public final class BoundedHttpClient implements Closeable {
    private static final int MAX_START_LINE_BYTES = 4 << 10;
    private static final int MAX_HEAD_BYTES = 16 << 10;
    private static final int PART_BYTES = 8 << 10;
    /** Shorter than the default time after which a backend closes an idle connection. */
    private static final int IDLE_SECONDS = 60;

    private final String host;
    private final int port;
    private final @Nullable SSLContext tls;
    private final EventLoopGroup group;
    private final EventLoop loop;
    /** Looks up the host, which may block. */
    private final ThreadPoolExecutor resolver;

    private final Addresses addresses;

    // the fields below are used only on the event loop
    private final Deque<ClientConnection> idle = new ArrayDeque<>();
    /** The addresses, the first of which the next connection uses; a new address of the host is added at the end. */
    private final List<InetAddress> inTurn = new ArrayList<>();

    private int unanswered;
    private boolean isClosing;

    /** A look-up of the addresses of a host. */
    interface Addresses {
        InetAddress[] of(String host) throws UnknownHostException;
    }

    /**
     * A request.
     *
     * @param target the path and the query
     * @param headers the headers besides {@code Host} and {@code Content-Length}
     * @param maxAnswerBytes the maximum length of the body of the answer
     */
    public record Request(String method, String target, Map<String, String> headers, byte[] body, int maxAnswerBytes) {}

    /**
     * A complete answer.
     *
     * @param tls the TLS session of the connection; empty for plain HTTP
     */
    public record Response(int status, HttpHeaders headers, byte[] body, Optional<SSLSession> tls) {}

    /**
     * Creates a client; it connects when a request is sent.
     *
     * @param server a URL with the scheme {@code http} or {@code https}, of which only the host and the port are used
     * @param threads the prefix of the names of the threads
     * @param tls the context for connections with TLS; empty for the JVM's default
     */
    public BoundedHttpClient(URI server, String threads, Optional<SSLContext> tls) {
        this(server, threads, tls, InetAddress::getAllByName);
    }

    BoundedHttpClient(URI server, String threads, Optional<SSLContext> tls, Addresses addresses) {
        this.addresses = addresses;
        boolean isTls = server.getScheme().equalsIgnoreCase("https");
        this.host = server.getHost();
        this.port = server.getPort() >= 0 ? server.getPort() : isTls ? 443 : 80;
        this.tls = isTls ? tls.orElseGet(BoundedHttpClient::defaultTls) : null;
        this.group =
                new MultiThreadIoEventLoopGroup(1, new DefaultThreadFactory(threads, true), NioIoHandler.newFactory());
        this.loop = group.next();
        this.resolver = new ThreadPoolExecutor(
                1,
                1,
                1,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(),
                new DefaultThreadFactory(threads + "-resolver", true));
        resolver.allowCoreThreadTimeOut(true);
    }

    private static SSLContext defaultTls() {
        try {
            return SSLContext.getDefault();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("the TLS configuration of the JVM can't be used: " + e.getMessage(), e);
        }
    }

    /**
     * Sends a request. Calls {@code ended} exactly once, on the event loop: with the complete answer and null, or with
     * null and the failure, at the latest after {@code timeout}. A failure to connect is a {@link ConnectException} or
     * an {@link javax.net.ssl.SSLHandshakeException}.
     */
    public void send(Request request, Duration timeout, BiConsumer<@Nullable Response, @Nullable Throwable> ended) {
        Exchange exchange = new Exchange(request, hostHeader(), ended);
        try {
            loop.execute(() -> begin(exchange, timeout));
        } catch (RejectedExecutionException e) {
            exchange.fail(new IOException("the client is closed", e));
        }
    }

    private void begin(Exchange exchange, Duration timeout) {
        unanswered++;
        exchange.whenEnded(
                loop.schedule(exchange::timeOut, timeout.toMillis(), TimeUnit.MILLISECONDS), this::exchangeEnded);
        if (isClosing) {
            exchange.fail(new IOException("the client is closed"));
            return;
        }
        for (ClientConnection kept = idle.pollLast(); kept != null; kept = idle.pollLast()) {
            if (kept.begin(exchange)) {
                return;
            }
        }
        long deadlineNanos = System.nanoTime() + timeout.toNanos();
        resolver.execute(() -> {
            List<InetAddress> found = lookUp();
            try {
                loop.execute(() -> connect(exchange, found, deadlineNanos));
            } catch (RejectedExecutionException e) {
                // ignored: the request has timed out, and the client is closed
            }
        });
    }

    /** Returns the addresses of the host; empty if they are not known. */
    private List<InetAddress> lookUp() {
        try {
            return List.of(addresses.of(withoutBrackets()));
        } catch (UnknownHostException e) {
            return List.of();
        }
    }

    private void exchangeEnded() {
        unanswered--;
        endIfDone();
    }

    private void connect(Exchange exchange, List<InetAddress> found, long deadlineNanos) {
        if (found.isEmpty()) {
            exchange.fail(connectFailure(new UnknownHostException(host)));
            return;
        }
        inTurn.retainAll(found);
        found.stream().filter(address -> !inTurn.contains(address)).forEach(inTurn::add);
        connect(exchange, inTurn.size(), deadlineNanos);
    }

    /** @param attempts the number of addresses to try, at least 1 */
    private void connect(Exchange exchange, int attempts, long deadlineNanos) {
        if (exchange.hasEnded()) {
            return; // timed out
        }
        InetAddress address = inTurn.get(0);
        ClientConnection connection = new ClientConnection(idle, exchange, () -> failed(address));
        long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadlineNanos - System.nanoTime());
        ChannelFuture connected = new Bootstrap()
                .group(group)
                .channel(NioSocketChannel.class)
                // the last attempt ends with the request
                .option(
                        ChannelOption.CONNECT_TIMEOUT_MILLIS,
                        attempts == 1 ? 0 : (int) Math.max(1, Math.min(Integer.MAX_VALUE, leftMillis / attempts)))
                .handler(new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        addHandlers(channel, connection);
                    }
                })
                .connect(new InetSocketAddress(address, port));
        exchange.use(connected.channel());
        connected.addListener(done -> {
            if (done.isSuccess()) {
                return;
            }
            failed(address);
            if (attempts > 1) {
                connect(exchange, attempts - 1, deadlineNanos);
            } else {
                exchange.fail(connectFailure(done.cause()));
            }
        });
    }

    private void failed(InetAddress address) {
        if (inTurn.remove(address)) {
            inTurn.add(address);
        }
    }

    private void addHandlers(Channel channel, ClientConnection connection) {
        if (tls != null) {
            SslHandler handler = new SslHandler(engine(tls));
            handler.setHandshakeTimeoutMillis(0); // the time of the request is limited
            channel.pipeline().addLast(handler);
        }
        HttpDecoderConfig limits = new HttpDecoderConfig()
                .setMaxInitialLineLength(MAX_START_LINE_BYTES)
                .setMaxHeaderSize(MAX_HEAD_BYTES)
                .setMaxChunkSize(PART_BYTES);
        channel.pipeline()
                .addLast(
                        new HttpClientCodec(limits, false, false),
                        new IdleStateHandler(0, 0, IDLE_SECONDS),
                        connection);
    }

    private SSLEngine engine(SSLContext context) {
        SSLEngine engine = context.createSSLEngine(withoutBrackets(), port);
        engine.setUseClientMode(true);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        if (!NetUtil.isValidIpV4Address(withoutBrackets()) && !NetUtil.isValidIpV6Address(withoutBrackets())) {
            parameters.setServerNames(List.of(new SNIHostName(host)));
        }
        engine.setSSLParameters(parameters);
        return engine;
    }

    private static ConnectException connectFailure(Throwable cause) {
        ConnectException failure = new ConnectException(String.valueOf(cause.getMessage()));
        failure.initCause(cause);
        return failure;
    }

    private String hostHeader() {
        return port == (tls == null ? 80 : 443) ? host : host + ":" + port;
    }

    /** Returns the host as the resolver and TLS want it: an IPv6 address without brackets. */
    private String withoutBrackets() {
        return host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
    }

    /** Closes idle connections. The client ends as soon as all requests have ended; further requests fail. */
    @Override
    public void close() {
        try {
            loop.execute(() -> {
                isClosing = true;
                endIfDone();
            });
        } catch (RejectedExecutionException e) {
            // ignored: the client is closed already
        }
    }

    private void endIfDone() {
        if (isClosing && unanswered == 0) {
            resolver.shutdown();
            group.shutdownGracefully(0, 1, TimeUnit.SECONDS); // closes the connections
        }
    }
}
