// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.flk.agent.run.Agent;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of a key that is given to an agent before one of two backends behind a balancer has it. The
 * backends need no common store here, because each certificate is accepted once.
 */
final class KeyRolloutIT {
    private static final int CERTIFICATES = 300;

    @TempDir
    private Path directory;

    /** A balancer that gives each request to the next backend. */
    private static final class Balancer implements AutoCloseable {
        private final HttpClient http = HttpClient.newHttpClient();
        private final ExecutorService threads = Executors.newCachedThreadPool();
        private final AtomicInteger requests = new AtomicInteger();
        private final List<String> backends;
        private final boolean passesHeaders;
        private final HttpServer server;

        /** @param passesHeaders whether the headers that name a backend and its keys are passed on */
        Balancer(boolean passesHeaders, String... backends) throws IOException {
            this.backends = List.of(backends);
            this.passesHeaders = passesHeaders;
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.setExecutor(threads);
            server.createContext("/", this::serve);
            server.start();
        }

        String url() {
            return "http://127.0.0.1:" + server.getAddress().getPort();
        }

        private void serve(HttpExchange exchange) throws IOException {
            try (exchange) {
                String backend = backends.get(requests.getAndIncrement() % backends.size());
                HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(backend + exchange.getRequestURI()))
                        .method(
                                exchange.getRequestMethod(),
                                BodyPublishers.ofByteArray(
                                        exchange.getRequestBody().readAllBytes()));
                String digest = exchange.getRequestHeaders().getFirst("Content-Digest");
                if (digest != null) {
                    request.header("Content-Digest", digest);
                }
                HttpResponse<byte[]> answer = http.send(request.build(), BodyHandlers.ofByteArray());
                answer.headers().map().forEach((name, values) -> {
                    boolean isPassed = passesHeaders || !name.startsWith("x-flk-");
                    if (isPassed && !Set.of("content-length", "connection").contains(name.toLowerCase(Locale.ROOT))) {
                        exchange.getResponseHeaders().put(name, values);
                    }
                });
                exchange.sendResponseHeaders(answer.statusCode(), answer.body().length);
                exchange.getResponseBody().write(answer.body());
            } catch (InterruptedException e) {
                throw new InterruptedIOException();
            }
        }

        @Override
        public void close() {
            server.stop(0);
            threads.shutdownNow();
        }
    }

    private Path home(String name) throws IOException {
        return Files.createDirectories(directory.resolve(name));
    }

    /** Replaces the keys file of a backend; each key is the name of its secret. */
    private Path keys(String backend, String... keys) throws IOException {
        StringBuilder entries = new StringBuilder();
        for (String key : keys) {
            Path secret = Files.writeString(home(backend).resolve(key + ".secret"), secret(key));
            secret.toFile().setReadable(false, false);
            secret.toFile().setReadable(true, true);
            entries.append(entries.isEmpty() ? "" : ",")
                    .append(
                            "{\"id\":\"%s\",\"algorithm\":\"hmac\",\"secret_file\":\"%s.secret\",\"shard_prefixes\":[\"\"],\"state\":\"active\"}"
                                    .formatted(key, key));
        }
        Path written =
                Files.writeString(home(backend).resolve("keys.new"), "{\"version\":1,\"keys\":[" + entries + "]}");
        return Files.move(written, home(backend).resolve("keys.json"), StandardCopyOption.REPLACE_EXISTING);
    }

    private static String secret(String key) {
        return "the secret of the key " + key;
    }

    private ServedBackend backend(String name, String... keys) throws IOException {
        Path file = keys(name, keys);
        return BackendInJvm.start(
                home(name),
                Map.of(
                        "KEYS_FILE",
                        file.toString(),
                        "PCS_HMAC_KEY",
                        "",
                        "ADDRESS_FAILURE_RATE",
                        "0",
                        "WAL_DIR",
                        home(name).resolve("wal").toString()));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void agentsGetTheKeyFirst_oneBackendLags_losesNothing(boolean passesHeaders) throws Exception {
        AgentHome home = AgentHome.in(home("agent"));
        try (ServedBackend current = backend("current", "old", "new");
                ServedBackend lagging = backend("lagging", "old");
                Balancer balancer = new Balancer(passesHeaders, current.url(), lagging.url())) {
            Map<String, String> environment = home.sendingTo(balancer.url());
            environment.putAll(
                    Map.of("PCS_HMAC_KEY", secret("new"), "BASE_DELAY", "50ms", "MAX_DELAY", "1s", "BATCH_SIZE", "5"));
            Client ofCurrent = new Client(current.url());
            Client ofLagging = new Client(lagging.url());
            try (Agent agent = AgentHome.open(environment)) {
                spool(home, 1, CERTIFICATES);
                Client.awaitUntil(() -> ofCurrent.metric("flk_accepted") == CERTIFICATES);
                assertThat(ofLagging.metric("flk_signature_errors")).isPositive();
                assertThat(ofLagging.metric("flk_accepted")).isZero();

                keys("lagging", "old", "new");
                lagging.awaitLine(line -> line.endsWith("; key new was added"));
                spool(home, CERTIFICATES + 1, CERTIFICATES);
                Client.awaitUntil(
                        () -> ofCurrent.metric("flk_accepted") + ofLagging.metric("flk_accepted") == 2 * CERTIFICATES);

                assertThat(ofLagging.metric("flk_accepted")).isPositive();
                assertThat(home.deadLetters()).isEmpty();
                assertThat(agent.lockLost()).isEmpty();
            }
        }
    }

    private static void spool(AgentHome home, long first, long count) throws IOException {
        home.spool(
                "from-" + first,
                LongStream.range(first, first + count).mapToObj(Pcs::number).toList());
    }
}
