// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.sun.net.httpserver.HttpServer;
import dev.flk.bench.LoadClient.Load;
import dev.flk.bench.Results.Figure;
import dev.flk.bench.Results.Figures;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject;
import dev.flk.bench.Workbench.Subject.Plan;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.signing.HmacSigner;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LoadClientTest {
    private static final Duration NONE = Duration.ZERO;
    private static final Duration LONG = Duration.ofMinutes(1);

    private final ConcurrentLinkedQueue<String> bodies = new ConcurrentLinkedQueue<>();
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private HttpServer server;
    private volatile int status = 200;
    private volatile String answer = "{\"accepted\":true}";

    @BeforeAll
    static void answerAtOnce() {
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/", exchange -> {
            bodies.add(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
            byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
        threads.shutdownNow();
    }

    private static Stock singles(int requests) {
        Stock stock = Stock.ofSingles("/", new Certificates(new HmacSigner("key"), "5a".repeat(32)));
        stock.fill(requests);
        return stock;
    }

    @Test
    void load_stockRunsOutInTheWarmUp_roundIsRepeatedWithALargerOne(@TempDir Path directory) throws Exception {
        Program measured = Program.start("sleep", directory, Map.of(), List.of("sleep", "60"));
        try (Server subject = new Server(measured, server.getAddress().getPort())) {
            Subject load = Workbench.load("server", subject, 1, singles(0), 1, "200");

            Sample sample = load.round().measure(new Plan(1, Duration.ofSeconds(1), Duration.ofMillis(100)));

            assertThat(sample.get(Figure.PER_SECOND)).isPositive();
        }
    }

    @Test
    void phases_haveTheRatesOfTheirTime_andNoneIfTheLoadWasShorter(@TempDir Path directory) throws Exception {
        Program measured = Program.start("sleep", directory, Map.of(), List.of("sleep", "60"));
        try (Server subject = new Server(measured, server.getAddress().getPort())) {
            List<Figures> all = HttpSuites.phases("server", subject, singles(0), 0.1, 0.2, 0.3);
            List<Figures> cut = HttpSuites.phases("server", subject, singles(0), 0.1, 0.2, 0.15);

            assertThat(all).extracting(each -> each.median(Figure.PER_SECOND)).allMatch(rate -> rate > 0);
            assertThat(all.get(2).median(Figure.CPU_MICROS)).isNotNegative();
            assertThat(Report.table(new Results("singles", "certificates", "", cut), List.of()))
                    .satisfiesExactly(
                            heading -> assertThat(heading).isEqualTo("singles"),
                            columns -> assertThat(columns).contains("CPU us"),
                            first -> assertThat(first).matches("server, first 0 s +[0-9,]+ .*"),
                            minute -> assertThat(minute).matches("server, first minute +-"),
                            warm -> assertThat(warm).matches("server, warm +-"));
        }
    }

    @Test
    void run_singles_sendsEachCertificateOnceAndCountsTheResponses() throws Exception {
        try (LoadClient client = new LoadClient(server.getAddress().getPort(), 4, singles(100), "2")) {
            Load load = client.run(NONE, LONG, () -> {});

            // The last response on each connection may arrive after the end of the measured time.
            assertThat(load.items()).isBetween(96L, 100L);
        }
        assertThat(bodies).hasSize(100).doesNotHaveDuplicates();
        for (String body : bodies) {
            ParsedCertificate parsed = CertificateReader.parse(body.getBytes(StandardCharsets.UTF_8));
            assertThat(parsed).isNotNull();
        }
    }

    @Test
    void run_batches_countsTheirLines() throws Exception {
        answer = "{\"status\":200,\"body\":{}}\n".repeat(3);
        Stock stock = Stock.ofBatches("/", new Certificates(new HmacSigner("key"), "5a".repeat(32)), 3);
        stock.fill(10);
        try (LoadClient client = new LoadClient(server.getAddress().getPort(), 1, stock, "200")) {
            assertThat(client.run(NONE, LONG, () -> {}).items()).isBetween(27L, 30L);
        }
        assertThat(bodies).allSatisfy(body -> assertThat(body.lines()).hasSize(3));
    }

    @Test
    void run_unexpectedStatus_failsWithTheResponse() throws Exception {
        status = 401;
        answer = "{\"error\":\"no\"}";
        try (LoadClient client = new LoadClient(server.getAddress().getPort(), 1, singles(1), "200")) {
            assertThatExceptionOfType(IOException.class)
                    .isThrownBy(() -> client.run(NONE, LONG, () -> {}))
                    .withMessageContaining("401")
                    .withMessageContaining("{\"error\":\"no\"}");
        }
    }

    @Test
    void run_lineOfABatchRefused_fails() throws Exception {
        answer = "{\"status\":200,\"body\":{}}\n{\"status\":429,\"body\":{}}\n";
        Stock stock = Stock.ofBatches("/", new Certificates(new HmacSigner("key"), "5a".repeat(32)), 2);
        stock.fill(1);
        try (LoadClient client = new LoadClient(server.getAddress().getPort(), 1, stock, "200")) {
            assertThatExceptionOfType(IOException.class)
                    .isThrownBy(() -> client.run(NONE, LONG, () -> {}))
                    .withMessageContaining("429");
        }
    }
}
