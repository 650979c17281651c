// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.awaitility.Awaitility.await;

import dev.flk.backend.config.HttpConfig;
import dev.flk.backend.config.HttpConfig.Login;
import dev.flk.backend.http.BackendServer.Readiness.Component;
import dev.flk.backend.http.RawClient.Answer;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.metrics.Meters;
import dev.flk.backend.record.RecordedOutcomes;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.ConnectException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A server on a free port with a scripted ingest behind it; closed, with all clients, after each test. */
final class ServerFixture implements AfterEachCallback {
    static final Instant NOW = Instant.parse("2026-01-09T10:30:45Z");
    static final int MAX_BODY_BYTES = 1000;
    static final int MAX_BATCH_LINES = 5;
    static final int MAX_BATCH_BYTES = 3000;
    private static final Duration LONG = Duration.ofMinutes(10);

    final ScriptedIngest ingest = new ScriptedIngest();
    final Meters meters = new Meters("test");
    volatile InstantSource clock = () -> NOW;
    volatile RecordedOutcomes record;
    volatile List<Component> components = List.of(new Component("log", true, "open"));

    private Duration headerTimeout = LONG;
    private Duration bodyTimeout = LONG;
    private Duration idleTimeout = LONG;
    private Duration stopWithin = Duration.ofSeconds(20);
    private int maxBodyBytes = MAX_BODY_BYTES;
    private int maxBatchBytes = MAX_BATCH_BYTES;
    private int maxConnections = 1000;
    private int maxRequests = 1000;
    private long heapBytes = Runtime.getRuntime().maxMemory();
    private Limits limits;
    private Limits.Sizes limitSizes = new Limits.Sizes(BigDecimal.TEN, 10, null, BigDecimal.ZERO, 1, Integer.MAX_VALUE);
    private Login login;
    private Supplier<SSLEngine> tls;
    private final List<RawClient> clients = new ArrayList<>();
    private BackendServer server;
    private int port;

    ServerFixture headerTimeout(Duration timeout) {
        headerTimeout = timeout;
        return this;
    }

    ServerFixture bodyTimeout(Duration timeout) {
        bodyTimeout = timeout;
        return this;
    }

    ServerFixture idleTimeout(Duration timeout) {
        idleTimeout = timeout;
        return this;
    }

    ServerFixture stopWithin(Duration bound) {
        stopWithin = bound;
        return this;
    }

    ServerFixture bodies(int maxBodyBytes, int maxBatchBytes) {
        this.maxBodyBytes = maxBodyBytes;
        this.maxBatchBytes = maxBatchBytes;
        return this;
    }

    ServerFixture maxConnections(int connections) {
        maxConnections = connections;
        return this;
    }

    ServerFixture limits(Limits.Sizes sizes) {
        limitSizes = sizes;
        return this;
    }

    ServerFixture maxRequests(int requests) {
        maxRequests = requests;
        return this;
    }

    /** Bounds as on a heap of this size: a quarter of it for bodies, an eighth for answers. */
    ServerFixture heap(long bytes) {
        heapBytes = bytes;
        return this;
    }

    ServerFixture login(Login login) {
        this.login = login;
        return this;
    }

    ServerFixture tls(Supplier<SSLEngine> engines) {
        tls = engines;
        return this;
    }

    /** Starts the server, unless it runs. */
    int port() throws IOException {
        if (server == null) {
            server = another("127.0.0.1", 0);
            port = server.start();
        }
        return port;
    }

    /** A server of the same make, not started; it is the test's to close. */
    BackendServer another(String onAddress, int onPort) {
        var config = new HttpConfig(
                onPort,
                onAddress,
                maxBodyBytes,
                MAX_BATCH_LINES,
                maxBatchBytes,
                maxConnections,
                maxRequests,
                headerTimeout,
                bodyTimeout,
                idleTimeout,
                login);
        return new BackendServer(
                new BackendServer.Parts(
                        config,
                        ingest,
                        () -> components,
                        () -> Optional.ofNullable(record),
                        meters,
                        () -> clock.instant(),
                        System::nanoTime,
                        stopWithin),
                false,
                tls,
                limits(),
                heapBytes);
    }

    /** Those of the server. */
    Limits limits() {
        if (limits == null) {
            limits = new Limits(limitSizes, System::nanoTime, meters).watch();
        }
        return limits;
    }

    BackendServer server() throws IOException {
        port();
        return server;
    }

    RawClient connect() throws IOException {
        return track(new RawClient(port()));
    }

    /** A client whose network takes little before it reads. */
    RawClient connectNarrow() throws IOException {
        return track(new RawClient(port(), 4 << 10));
    }

    Answer get(String path, String... headers) throws IOException {
        String more = headers.length == 0 ? "" : String.join("\n", headers) + "\n";
        return connect()
                .send("GET " + path + " HTTP/1.1\nHost: h\n" + more + "\n")
                .read();
    }

    Answer submit(String body) throws IOException {
        return connect().post("/v1/pcs/submit", body).read();
    }

    Answer batch(String body) throws IOException {
        return connect().post("/v1/pcs/batch", body).read();
    }

    /** The value of a sample, by the text of its line before the value. */
    String sample(String name) {
        String text = new String(meters.expose(null).text(), StandardCharsets.UTF_8);
        return text.lines()
                .filter(line -> line.startsWith(name + " "))
                .findFirst()
                .orElseThrow()
                .substring(name.length() + 1);
    }

    void awaitConnections(int n) {
        await().until(() -> sample("flk_http_connections").equals(n + ".0"));
    }

    /** Until every connection is closed that was ever made. */
    void awaitNoConnections() {
        awaitConnections(0);
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

    private RawClient track(RawClient client) {
        clients.add(client);
        return client;
    }
}
