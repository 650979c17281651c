// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests that the real jar, with little memory, withstands attempts to bypass the login and bodies that are expensive to
 * read.
 */
final class HttpAbuseIT {
    private static final String LOGIN = "Basic c3JlOnNlY3JldA==";

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.process(
            Map.of("METRICS_USER", "sre", "METRICS_PASS", "secret", "ADDRESS_FAILURE_RATE", "0"), "-Xmx64m");

    @AfterEach
    void honestClients_areServedAsBefore() throws Exception {
        assertThat(backend.client().submit(backend.next()).status()).isEqualTo(200);
        // the test's own client may hold one of the connections
        Client.awaitUntil(() -> metric("flk_http_connections") <= 2);
        assertThat(metric("flk_http_body_bytes")).isZero();
        assertThat(backend.backend().allLines()).doesNotContain("ERROR", "Exception", "Error:");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/metrics", "/metrics?x=/health", "http://e2e/metrics", "x://other/metrics"})
    void metrics_anyFormOfRequest_requireTheLogin(String target) throws IOException {
        try (RawConnection connection = backend.connect()) {
            String head = "GET " + target + " HTTP/1.1\r\nHost: e2e\r\n";
            assertThat(connection.send(head + "\r\n").read().status()).isEqualTo(401);
            assertThat(connection
                            .send(head + "Authorization: " + LOGIN + "\r\n\r\n")
                            .read()
                            .status())
                    .isEqualTo(200);
        }
    }

    @Test
    void largestBodies_areAccepted() throws Exception {
        Pcs manyKeys = backend.next().with("x", keys(121_000));
        assertThat(manyKeys.bytes().length).isBetween(1_000_000, 1 << 20);
        assertThat(backend.client().submit(manyKeys).status()).isEqualTo(200);
        Pcs longNumbers = backend.next()
                .with("attempt", "9".repeat(300_000))
                .with("r", "0.8" + "0".repeat(300_000))
                .with("x", "-9." + "7".repeat(300_000) + "e-999999999");
        assertThat(backend.client().submit(longNumbers).status()).isEqualTo(200);
    }

    /** This heap has room to parse one such certificate at a time. */
    @Test
    void moreKeysThanTheHeapHolds_are503AndOthersAreServed(@TempDir Path directory) throws Exception {
        byte[] body = backend.next().with("x", keys(121_000)).bytes();
        ExecutorService senders = Executors.newFixedThreadPool(4);
        try (BackendProcess small = BackendProcess.start(directory, Map.of(), List.of("-Xmx64m"))) {
            Client client = new Client(small.url());
            List<Callable<Answer>> requests = Collections.nCopies(4, () -> client.submit(body));
            Client.awaitUntil(() -> {
                boolean isRefused = false;
                for (Future<Answer> sent : senders.invokeAll(requests)) {
                    Answer answer = sent.get();
                    assertThat(answer.status()).as(answer.body()).isIn(200, 503);
                    isRefused |= answer.status() == 503 && answer.error().equals("overloaded");
                }
                return isRefused;
            });
            assertThat(client.submit(backend.next()).status()).isEqualTo(200);
            small.program().awaitLine(line -> line.contains("not enough memory to read a certificate of"));
        } finally {
            senders.shutdownNow();
        }
    }

    /** Returns a JSON object with {@code count} different keys, each as short as possible. */
    private static String keys(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> "\"" + Integer.toString(i, Character.MAX_RADIX) + "\":0")
                .collect(Collectors.joining(",", "{", "}"));
    }

    private static double metric(String sample) throws IOException, InterruptedException {
        return backend.client().withLogin("sre", "secret").metric(sample);
    }
}
