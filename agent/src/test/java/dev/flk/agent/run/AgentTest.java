// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.RunningAgent;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.Certificates;
import dev.flk.agent.send.ScriptedBackend;
import dev.flk.agent.send.Sender.Surroundings;
import dev.flk.agent.send.Settlement;
import dev.flk.program.logging.LogCapture;
import dev.flk.testkit.TestAuthority;
import dev.flk.testkit.TestAuthority.Issued;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class AgentTest {
    @TempDir
    Path directory;

    private ScriptedBackend backend;
    private Path spool;

    @BeforeEach
    void start() throws Exception {
        spool = Files.createDirectory(directory.resolve("spool"));
        backend = new ScriptedBackend();
    }

    @AfterEach
    void stop() {
        backend.close();
    }

    @Test
    void stop_whileRunning_endsAndKeepsPending() throws Exception {
        backend.close();
        Files.write(spool.resolve("a.json"), Certificates.certificate(1));
        try (Agent agent = open()) {
            FutureTask<Boolean> running = running(agent);
            Awaitility.await().until(() -> spool.toFile().list().length == 0);

            agent.stop();
            assertThat(running.get()).isTrue();
        }

        assertThat(new OutboxInspector(directory.resolve("outbox")).summary().pendingEntries())
                .isEqualTo(1);
    }

    @Test
    void run_badlyDamagedOutbox_namesSomeLossesAndCountsTheRest() throws Exception {
        Path outbox = directory.resolve("outbox");
        try (Outbox filled = Outbox.open(new OutboxOptions(outbox, 64 << 20, 0), InstantSource.system())) {
            filled.append(
                    LongStream.range(0, 200).mapToObj(Certificates::certificate).toList());
        }
        Path segment;
        try (Stream<Path> files = Files.list(outbox)) {
            segment = files.filter(file -> file.toString().endsWith(".wal"))
                    .sorted()
                    .findFirst()
                    .orElseThrow();
        }
        String text = Files.readString(segment, StandardCharsets.ISO_8859_1);
        // damages every other record of the first hundred
        Files.writeString(
                segment, text.replaceAll("\"epoch\":(\\d?[02468]),", "\"epocH\":$1,"), StandardCharsets.ISO_8859_1);

        try (LogCapture log = new LogCapture();
                Agent agent = open()) {
            agent.runUntilEmpty();

            assertThat(log.lines("; unsettled certificates in this part are lost"))
                    .hasSize(20)
                    .allMatch(line -> line.matches(
                            "ERROR outbox: segment \\S+ is damaged at byte \\d+: record \\d+ can't be read;.*"));
            assertThat(log.lines("further parts are missing or damaged"))
                    .containsExactly(
                            "ERROR outbox: 30 further parts are missing or damaged; 'flk-agent fsck --dry-run' lists"
                                    + " all of them");
            assertThat(log.lines("INFO PCS ")).hasSize(150);
        }
    }

    @Test
    void metrics_beforeAnythingHappened_showEveryFamily() throws Exception {
        try (Agent agent = open()) {
            assertThat(metrics(agent).lines())
                    .contains(
                            "flk_agent_outbox_pending 0.0",
                            "flk_agent_oldest_pending_seconds 0.0",
                            "flk_agent_submitted_total{status=\"200\",} 0.0",
                            "flk_agent_submitted_total{status=\"outage\",} 0.0",
                            "flk_agent_retries_total 0.0",
                            "flk_agent_dlq_entries 0.0",
                            "flk_agent_breaker_open 0.0",
                            "flk_agent_outbox_lost_total 0.0",
                            "flk_agent_shard_pending{shard=\"(others)\",} 0.0",
                            "flk_agent_shard_oldest_pending_seconds{shard=\"(others)\",} 0.0",
                            "flk_agent_shard_retries_total{shard=\"(others)\",} 0.0",
                            "flk_agent_shard_dead_letters_total{shard=\"(others)\",} 0.0")
                    .anyMatch(line -> line.startsWith("jvm_"));
        }
    }

    @Test
    void metrics_clockSetBack_noAgeIsNegative() throws Exception {
        Instant start = Instant.parse("2026-11-20T08:00:00Z");
        AtomicReference<Instant> now = new AtomicReference<>(start);
        Surroundings real = Surroundings.real();
        try (Agent agent = open(new Surroundings(now::get, real.nanoTicker(), real.random()))) {
            submit(Certificates.certificate(1));
            now.set(start.plusSeconds(90));
            assertThat(metrics(agent).lines()).contains("flk_agent_oldest_pending_seconds 90.0");

            now.set(start.minus(Duration.ofHours(1)));

            assertThat(metrics(agent).lines()).contains("flk_agent_oldest_pending_seconds 0.0");
        }
    }

    @Test
    void metrics_shardNameWithEscapes_isOneSamplePerFamily() throws Exception {
        Instant start = Instant.parse("2026-11-20T08:00:00Z");
        AtomicReference<Instant> now = new AtomicReference<>(start);
        Surroundings real = Surroundings.real();
        try (Agent agent = open(new Surroundings(now::get, real.nanoTicker(), real.random()))) {
            String json = "a\\\"} 7\\nflk_agent_shard_pending{shard=\\\"b\\\\";
            submit(Certificates.certificate(1, json));
            now.set(start.plusSeconds(90));

            // the backslash, the quote and the newline are each escaped with a backslash
            String label = "{shard=\"a\\\"} 7\\nflk_agent_shard_pending{shard=\\\"b\\\\\",} ";
            assertThat(metrics(agent)
                            .lines()
                            .filter(line -> line.startsWith("flk_agent_shard_") && !line.contains("_created{")))
                    .hasSize(8)
                    .contains(
                            "flk_agent_shard_pending" + label + "1.0",
                            "flk_agent_shard_oldest_pending_seconds" + label + "90.0",
                            "flk_agent_shard_retries_total" + label + "0.0",
                            "flk_agent_shard_dead_letters_total" + label + "0.0");
        }
    }

    @Test
    void metrics_tlsCertificates_showBothExpiries_alsoAfterAReplacement() throws Exception {
        String metric = "flk_agent_tls_not_after_seconds{certificate=\"%s\",} %s";
        TestAuthority authority = TestAuthority.named("authority");
        Issued ofServer = valid(authority, 7, "localhost");
        Issued before = valid(authority, 3, "agent");
        Issued after = valid(authority, 300, "agent");
        HttpsServer server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(authority.context(ofServer)));
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(503, -1);
            exchange.close();
        });
        server.start();
        Map<String, String> tls = settings();
        tls.put("ENDPOINT", "https://localhost:" + server.getAddress().getPort());
        tls.put("TLS_CA", authority.pem());
        try (Agent agent = Agent.open(AgentConfig.of(with(tls, before)), Surroundings.real())) {
            assertThat(metrics(agent).lines())
                    .contains(metric.formatted("client", seconds(before)), metric.formatted("endpoint", "0.0"));

            FutureTask<Boolean> running = running(agent);
            submit(Certificates.certificate(1));
            awaitLine(agent, metric.formatted("endpoint", seconds(ofServer)));

            agent.reload(AgentConfig.of(with(tls, after)));
            awaitLine(agent, metric.formatted("client", seconds(after)));
            agent.stop();
            assertThat(running.get()).isTrue();
        } finally {
            server.stop(0);
        }
    }

    @Test
    void lockLost_awaitedSettlementsFail() throws Exception {
        backend.close();
        try (Agent agent = Agent.open(AgentConfig.of(settings()))) {
            CompletableFuture<Settlement> awaited =
                    agent.submit(Certificates.certificate(1)).toCompletableFuture();
            Files.delete(directory.resolve("outbox/lock"));

            assertThatExceptionOfType(IOException.class).isThrownBy(() -> agent.submit(Certificates.certificate(2)));

            assertThatExceptionOfType(ExecutionException.class)
                    .isThrownBy(() -> awaited.get(30, TimeUnit.SECONDS))
                    .withMessageContaining("sending has stopped");
        }
    }

    private static Issued valid(TestAuthority authority, int days, String name) {
        Instant now = Instant.now();
        return authority.issue(name, now.minus(Duration.ofHours(1)), now.plus(Duration.ofDays(days)), name);
    }

    private static Map<String, String> with(Map<String, String> settings, Issued client) {
        settings.put("TLS_CERT", client.certificatePem());
        settings.put("TLS_KEY", client.keyPem());
        return settings;
    }

    private static double seconds(Issued issued) {
        return issued.certificate().getNotAfter().toInstant().getEpochSecond();
    }

    private static void awaitLine(Agent agent, String line) {
        Awaitility.await().until(() -> metrics(agent).lines().anyMatch(line::equals));
    }

    private static FutureTask<Boolean> running(Agent agent) {
        FutureTask<Boolean> running = new FutureTask<>(() -> {
            agent.run();
            return true;
        });
        new Thread(running).start();
        return running;
    }

    private static String metrics(Agent agent) throws Exception {
        return HttpClient.newHttpClient()
                .send(
                        HttpRequest.newBuilder(URI.create("http://127.0.0.1:"
                                        + agent.metricsPort().orElseThrow() + "/metrics"))
                                .timeout(Duration.ofSeconds(10))
                                .build(),
                        BodyHandlers.ofString())
                .body();
    }

    private Agent open() throws Exception {
        return open(Surroundings.real());
    }

    private Agent open(Surroundings surroundings) throws Exception {
        return Agent.open(AgentConfig.of(settings()), surroundings);
    }

    private Map<String, String> settings() {
        Map<String, String> settings = backend.settings(directory);
        settings.put("SPOOL_DIR", spool.toString());
        settings.put("METRICS_PORT", "0");
        return settings;
    }

    /** Submits certificates as another program on this machine does. */
    private void submit(byte[]... certificates) throws Exception {
        Path outbox = directory.resolve("outbox");
        RunningAgent agent = RunningAgent.at(outbox.resolve("control.sock"), outbox);
        agent.append(List.of(certificates));
    }
}
