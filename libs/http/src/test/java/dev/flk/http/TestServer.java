// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.awaitility.Awaitility.await;

import dev.flk.http.Answer.Header;
import dev.flk.http.HttpServer.HttpOptions;
import dev.flk.http.HttpServer.Listener;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.http.testing.RawClient;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * A server on a free port, closed with all clients after each test. {@code POST /echo} and {@code POST /long} answer
 * with the body, or keep the request for the test to answer; {@code GET /ask} answers with an empty text; {@code GET
 * /health} is served even under load; {@code GET /events} opens an event stream.
 */
final class TestServer implements AfterEachCallback, HttpEvents {
    static final Instant NOW = Instant.parse("2026-01-09T10:30:45Z");
    static final int MAX_BODY_BYTES = 1000;
    private static final long PATIENCE_SECONDS = 20;
    private static final Duration LONG = Duration.ofMinutes(10);

    /** The bodies that reached the endpoint. */
    final BlockingQueue<byte[]> served = new LinkedBlockingQueue<>();

    volatile InstantSource clock = () -> NOW;
    private final BlockingQueue<EventStream> streams = new LinkedBlockingQueue<>();
    private final BlockingQueue<Kept> kept = new LinkedBlockingQueue<>();
    private final Map<String, Integer> events = new ConcurrentHashMap<>();
    private volatile UnaryOperator<String> script = UnaryOperator.identity();
    private volatile boolean keeping;
    private volatile boolean throwing;
    private volatile String contentType = EventStream.EVENTS;

    private Consumer<Routes> moreRoutes = routes -> {};
    private Duration headerTimeout = LONG;
    private Duration bodyTimeout = LONG;
    private Duration idleTimeout = LONG;
    private Duration stopWithin = Duration.ofSeconds(20);
    private LongSupplier nanoTicker = System::nanoTime;
    private int maxBodyBytes = MAX_BODY_BYTES;
    private int maxLongBytes = 3 * MAX_BODY_BYTES;
    private int loops = Runtime.getRuntime().availableProcessors();
    private Admission admission = Admission.ALL;
    private Predicate<InetAddress> proxies = address -> false;
    private int maxConnections = 1000;
    private int maxRequests = 1000;
    private long bodyBytes = 256 << 20;
    private long answerBytes = 128 << 20;
    private long maxPendingBytes = 1 << 20;
    private StreamPlaces places = new StreamPlaces(100);
    private @Nullable SSLContext tls;
    private final List<RawClient> clients = new ArrayList<>();
    private HttpServer server;
    private int port;

    /** A request that the test has to answer. */
    record Kept(String body, Exchange exchange) {
        void echo() {
            exchange.answer(TestServer.echo(body));
        }
    }

    /** Makes {@code more} add its routes to those of each listener. */
    TestServer routes(Consumer<Routes> more) {
        moreRoutes = more;
        return this;
    }

    TestServer headerTimeout(Duration timeout) {
        headerTimeout = timeout;
        return this;
    }

    TestServer bodyTimeout(Duration timeout) {
        bodyTimeout = timeout;
        return this;
    }

    TestServer idleTimeout(Duration timeout) {
        idleTimeout = timeout;
        return this;
    }

    TestServer nanoTicker(LongSupplier ticker) {
        nanoTicker = ticker;
        return this;
    }

    TestServer stopWithin(Duration bound) {
        stopWithin = bound;
        return this;
    }

    TestServer maxBodyBytes(int bytes) {
        maxBodyBytes = bytes;
        maxLongBytes = Math.max(maxLongBytes, bytes);
        return this;
    }

    TestServer maxConnections(int connections) {
        maxConnections = connections;
        return this;
    }

    TestServer loops(int number) {
        loops = number;
        return this;
    }

    TestServer admission(Admission rules) {
        admission = rules;
        return this;
    }

    TestServer maxRequests(int requests) {
        maxRequests = requests;
        return this;
    }

    TestServer memory(long ofBodies, long ofAnswers) {
        bodyBytes = ofBodies;
        answerBytes = ofAnswers;
        return this;
    }

    TestServer streams(int most, long pendingBytes) {
        places = new StreamPlaces(most);
        maxPendingBytes = pendingBytes;
        return this;
    }

    /** Sets the content type of the streams. */
    TestServer streamType(String type) {
        contentType = type;
        return this;
    }

    TestServer trustProxies() {
        proxies = address -> true;
        return this;
    }

    TestServer tls(SSLContext context) {
        tls = context;
        return this;
    }

    /** Makes the server answer with the text that {@code given} returns for a body. */
    void answer(UnaryOperator<String> given) {
        script = given;
        keeping = false;
    }

    /** Makes {@code /echo} and {@code /long} keep all requests unanswered; the test gets them from {@link #next}. */
    void keep() {
        keeping = true;
    }

    /** Keeps requests as {@link #keep} does; the endpoint also throws an exception after keeping each one. */
    void keepAndThrow() {
        keeping = true;
        throwing = true;
    }

    /** Waits for the next kept request, in the order of arrival, and returns it. */
    Kept next() throws InterruptedException {
        Kept next = kept.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        if (next == null) {
            throw new AssertionError("no request came");
        }
        return next;
    }

    List<Kept> next(int n) throws InterruptedException {
        List<Kept> all = new ArrayList<>();
        while (all.size() < n) {
            all.add(next());
        }
        return all;
    }

    /** Waits for the next event stream, in the order of the requests, and returns it. */
    EventStream nextStream() throws InterruptedException {
        EventStream next = streams.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        if (next == null) {
            throw new AssertionError("no stream was opened");
        }
        return next;
    }

    /** Returns the places of the event streams. */
    StreamPlaces places() {
        return places;
    }

    boolean hasKept() {
        return !kept.isEmpty();
    }

    private void serve(Request request, Exchange exchange) {
        served.add(request.body().exact());
        String body = new String(request.body().exact(), StandardCharsets.UTF_8);
        if (!keeping) {
            exchange.answer(echo(script.apply(body)));
            return;
        }
        kept.add(new Kept(body, exchange));
        if (throwing) {
            throw new IllegalStateException("broken");
        }
    }

    private static Answer echo(String body) {
        return Answer.json(200, ('"' + body + '"').getBytes(StandardCharsets.UTF_8));
    }

    /** Starts the server if it is not running; returns its port. */
    int port() throws IOException {
        if (server == null) {
            server = new HttpServer(
                    new HttpOptions(
                            "test",
                            loops,
                            maxConnections,
                            maxRequests,
                            maxBodyBytes,
                            bodyBytes,
                            answerBytes,
                            headerTimeout,
                            bodyTimeout,
                            idleTimeout,
                            stopWithin),
                    this,
                    () -> clock.instant(),
                    nanoTicker);
            server.trustProxies(proxies);
            port = server.listen(listener("127.0.0.1"));
        }
        return port;
    }

    Listener listener(String host) {
        Routes routes = new Routes(Endpoint.always(Refusal.notFound()))
                .post("/echo", Endpoint.withBody(maxBodyBytes, this::serve))
                .post("/long", Endpoint.withBody(maxLongBytes, this::serve))
                .get("/ask", Endpoint.asking((request, exchange) -> exchange.answer(Answer.text(200, ""))))
                .get("/health", Endpoint.always(Answer.text(200, "OK")))
                .get("/events", Endpoint.asking((request, exchange) -> openStream(exchange)));
        moreRoutes.accept(routes);
        return new Listener(
                new InetSocketAddress(host, 0),
                host + " port 0",
                "PORT",
                "too many",
                routes,
                admission,
                tls == null ? null : this::engine);
    }

    private SSLEngine engine() {
        SSLEngine engine = tls.createSSLEngine();
        engine.setUseClientMode(false);
        return engine;
    }

    void openStream(Exchange exchange) {
        exchange.stream(contentType, places, server.load().answerBytes(), maxPendingBytes, new Header("X-Extra", "y"))
                .ifPresent(streams::add);
    }

    HttpServer server() throws IOException {
        port();
        return server;
    }

    ServerLoad load() throws IOException {
        return server().load();
    }

    RawClient connect() throws IOException {
        return track(new RawClient(port()));
    }

    /** Connects a client with a small receive buffer, so that the server can send little before the client reads. */
    RawClient connectNarrow() throws IOException {
        return track(new RawClient(port(), 4 << 10));
    }

    /** Connects a client over TLS, with the context given to {@link #tls} and a small receive buffer. */
    RawClient connectTls() throws IOException {
        Socket socket = RawClient.connect(port(), 4 << 10);
        return track(new RawClient(tls.getSocketFactory().createSocket(socket, "localhost", port, true)));
    }

    private RawClient track(RawClient client) {
        clients.add(client);
        return client;
    }

    /** Returns how often an event occurred; the event is the name of a method of {@link HttpEvents}. */
    int count(String event) {
        return events.getOrDefault(event, 0);
    }

    private void add(String event) {
        events.merge(event, 1, Integer::sum);
    }

    @Override
    public void connectionRefused() {
        add("connectionRefused");
    }

    @Override
    public void slowClient() {
        add("slowClient");
    }

    @Override
    public void refusedEarly() {
        add("refusedEarly");
    }

    @Override
    public void bodyTooLong() {
        add("bodyTooLong");
    }

    @Override
    public void bodyTooSlow() {
        add("bodyTooSlow");
    }

    void awaitConnections(int n) {
        await().until(() -> load().connections().held() == n);
    }

    void awaitNotListening() {
        await().until(() -> {
            try {
                new RawClient(port).close();
                return false;
            } catch (ConnectException e) {
                return true;
            }
        });
    }

    void closeClients() throws IOException {
        for (RawClient client : clients) {
            client.close();
        }
    }

    @Override
    public void afterEach(ExtensionContext context) throws IOException {
        closeClients();
        if (server != null) {
            server.close();
        }
    }
}
