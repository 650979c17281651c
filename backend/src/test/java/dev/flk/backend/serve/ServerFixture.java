// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.keys.RequestCheck;
import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.agents.AgentConfig;
import dev.flk.backend.agents.AgentMetrics;
import dev.flk.backend.agents.AgentReports;
import dev.flk.backend.agents.Agents;
import dev.flk.backend.ingest.RefusedSubmissions;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.operate.cli.CommandLineProgram;
import dev.flk.backend.outcomes.embedded.OutcomesBackup;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.serve.guard.OperatorConfig;
import dev.flk.backend.serve.guard.OperatorConfig.Login;
import dev.flk.backend.serve.guard.OperatorRefusals;
import dev.flk.backend.serve.guard.Readiness.Component;
import dev.flk.backend.serve.guard.TrustedProxies;
import dev.flk.http.ServerLoad;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.signing.SignatureCheck;
import dev.flk.verification.Policy;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A server on a free port with a scripted ingest. The server and all its clients are closed after each test. */
final class ServerFixture implements AfterEachCallback {
    static final Instant NOW = Instant.parse("2026-01-09T10:30:45Z");
    static final String NAME = "backend-1";
    static final int MAX_BODY_BYTES = 1000;
    static final int MAX_BATCH_LINES = 5;
    static final int MAX_BATCH_BYTES = 3000;
    private static final Duration LONG = Duration.ofMinutes(10);

    static final Duration SILENT_AFTER = Duration.ofMinutes(5);
    static final String INSTANCE = "0123456789abcdef";

    final ScriptedIngest ingest = new ScriptedIngest();
    final SubmissionHeaders submissionHeaders = new SubmissionHeaders(INSTANCE, 1);
    final Metrics metrics = new Metrics("test");
    private final HttpMetrics httpMetrics = new HttpMetrics(metrics, new RefusedSubmissions(metrics));
    final OperatorRefusals operatorRefusals = new OperatorRefusals(metrics, () -> this.refusalNanos);
    /** The time by which the limit on refused requests of operators recovers. */
    volatile long refusalNanos;

    volatile List<Component> components = List.of(new Component("log", true, "open"));

    /** The time of the server's clock. */
    volatile Instant now = NOW;

    private final AgentMetrics agentMetrics = new AgentMetrics(metrics);

    /** The reports of agents; those that sign with the key {@code secret} are accepted. */
    final AgentReports agents = new AgentReports(new AgentConfig(SILENT_AFTER), () -> now, agentMetrics, 64 << 20);

    private final RequestCheck agentCheck =
            new RequestCheck(Signatures.anyOf(0, SignatureCheck.hmac(List.of("secret"))), () -> now);

    /** Whether the server serves the features below; else, the backend is starting. */
    volatile boolean areFeaturesOpen = true;

    /** The record to serve, and the reviews of its outcomes; null for none. */
    volatile RecordedOutcomes record;

    volatile Reviews reviews;
    /** The outcomes to back up; null for none. */
    volatile OutcomesBackup backup;

    /** The backends of the store; null for none. */
    volatile Logs logs;

    private Duration headerTimeout = LONG;
    private long heapBytes = Runtime.getRuntime().maxMemory();
    private Limits limits;
    private Limits.Sizes limitSizes = new Limits.Sizes(BigDecimal.TEN, 10, null, BigDecimal.ZERO, 1, Integer.MAX_VALUE);
    private Login login;
    private Set<String> hosts = Set.of("h");
    private Supplier<SSLEngine> tls;
    private final HttpClient http = HttpClient.newHttpClient();
    private final List<RawClient> clients = new ArrayList<>();
    private BackendServer server;
    private int port;

    ServerFixture headerTimeout(Duration timeout) {
        headerTimeout = timeout;
        return this;
    }

    ServerFixture limits(Limits.Sizes sizes) {
        limitSizes = sizes;
        return this;
    }

    /** Sets the heap size, an eighth of which is for answers. */
    ServerFixture heap(long bytes) {
        heapBytes = bytes;
        return this;
    }

    ServerFixture login(Login login) {
        this.login = login;
        return this;
    }

    /** Sets the names under which operators' paths are served without a login. */
    ServerFixture hosts(String... names) {
        hosts = Set.of(names);
        return this;
    }

    ServerFixture tls(Supplier<SSLEngine> engines) {
        tls = engines;
        return this;
    }

    /** Returns the port of the server, and starts the server if necessary. */
    int port() throws IOException {
        if (server == null) {
            server = new BackendServer(parts(), false, tls, limits(), heapBytes);
            port = server.start();
        }
        return port;
    }

    BackendServer.Parts parts() {
        HttpConfig config = new HttpConfig(
                0,
                "127.0.0.1",
                MAX_BODY_BYTES,
                MAX_BATCH_LINES,
                MAX_BATCH_BYTES,
                1000,
                1000,
                headerTimeout,
                LONG,
                LONG,
                TrustedProxies.NONE,
                new OperatorConfig(login, hosts, true, null));
        return new BackendServer.Parts(
                NAME,
                config,
                ingest,
                submissionHeaders,
                () -> components,
                () -> new Features(
                        areFeaturesOpen,
                        Optional.ofNullable(record),
                        Optional.ofNullable(reviews),
                        Optional.empty(),
                        Optional.ofNullable(backup),
                        areFeaturesOpen
                                ? Optional.of(new Agents(agents, agentCheck, Optional.empty(), agentMetrics))
                                : Optional.empty(),
                        Optional.ofNullable(logs)),
                new BackendServer.ServerMetrics(metrics, httpMetrics, agentMetrics, operatorRefusals),
                Policy.defaults(),
                () -> now,
                System::nanoTime,
                Duration.ofSeconds(20));
    }

    /** Returns the resources that all connections of the server use. */
    ServerLoad load() throws IOException {
        port();
        return server.server().load();
    }

    Limits limits() {
        if (limits == null) {
            limits = new Limits(limitSizes, System::nanoTime, metrics);
        }
        return limits;
    }

    RawClient connect() throws IOException {
        RawClient client = new RawClient(port());
        clients.add(client);
        return client;
    }

    Reply get(String path, String... headers) throws IOException {
        String more = headers.length == 0 ? "" : String.join("\n", headers) + "\n";
        return connect()
                .send("GET " + path + " HTTP/1.1\nHost: h\n" + more + "\n")
                .read();
    }

    /** Sends a request with Java's client, which keeps its connections, and reads the answer. */
    HttpResponse<String> send(String method, String target, String body, String... headers)
            throws IOException, InterruptedException {
        return send(BodyHandlers.ofString(), method, target, body, headers);
    }

    <T> HttpResponse<T> send(BodyHandler<T> reader, String method, String target, String body, String... headers)
            throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port() + target))
                .method(method, body.isEmpty() ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return http.send(request.build(), reader);
    }

    /** Runs a command of {@code flk-backend} that asks this server, and returns its output. */
    String run(Map<String, String> environment, int exitCode, String... args) throws IOException {
        StringWriter printed = new StringWriter();
        PrintWriter out = new PrintWriter(printed);
        List<String> command = new ArrayList<>(List.of(args));
        command.addAll(List.of("--url", "http://127.0.0.1:" + port()));
        int ended = new CommandLineProgram(environment, (config, again) -> {}, out, out)
                .run(command.toArray(String[]::new));
        assertThat(ended).as(printed.toString()).isEqualTo(exitCode);
        return printed.toString();
    }

    Reply submit(String body) throws IOException {
        return connect().post("/v1/pcs/submit", body).read();
    }

    Reply batch(String body) throws IOException {
        return connect().post("/v1/pcs/batch", body).read();
    }

    /** Returns the value of the sample whose line starts with {@code name}. */
    String sample(String name) {
        String text = ScrapedText.text(metrics);
        return text.lines()
                .filter(line -> line.startsWith(name + " "))
                .findFirst()
                .orElseThrow()
                .substring(name.length() + 1);
    }

    void awaitConnections(int n) {
        await().until(() -> sample("flk_http_connections").equals(n + ".0"));
    }

    /** Blocks until every connection is closed. */
    void awaitNoConnections() {
        awaitConnections(0);
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
