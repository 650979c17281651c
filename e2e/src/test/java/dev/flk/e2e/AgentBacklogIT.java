// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.flk.certificate.PcsId;
import dev.flk.sample.Pcs;
import dev.flk.testkit.FreePort;
import java.io.BufferedWriter;
import java.io.IOException;
import java.net.ConnectException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that an agent with a heap of 64 MiB can handle the backlog of a long outage: it accepts the backlog, reads it
 * at startup, keeps it while no backend answers, and sends it when one does. With {@code -Dflk.load=full}, the backlog
 * is a million certificates.
 */
@Tag("thorough")
final class AgentBacklogIT {
    private static final int CERTIFICATES = "full".equals(System.getProperty("flk.load")) ? 1_000_000 : 50_000;
    private static final List<String> SMALL_HEAP = List.of("-Xmx64m", "-XX:+ExitOnOutOfMemoryError");
    private static final int MOST_BYTES_PER_ENTRY = 18;
    /** The largest difference between the heaps of two agents that the backlog does not explain. */
    private static final long NOISE_BYTES = 2 << 20;

    private static final Duration PATIENCE = Duration.ofMinutes(15);
    private static final Pattern TOTAL = Pattern.compile("(?m)^Total +[0-9]+ +([0-9]+)$");

    @TempDir
    private Path directory;

    @Test
    void longOutage_smallHeap_losesNothingAndSendsAll() throws Exception {
        int port = FreePort.choose();
        long heapOfOne = heapWithOneWaiting(port);
        AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        submitAll(home, environment(home, port));

        long started = System.nanoTime();
        try (Program agent = start(home, port)) {
            awaitTrue(() -> status(home, agent).path("pending").asInt() == CERTIFICATES);
            long startMillis = millisSince(started);
            awaitTrue(() -> isWithoutAnswer(home, agent));
            long heap = heapInUse(agent);
            long ofBacklog = heap - heapOfOne;

            started = System.nanoTime();
            try (Program backend = backend(port)) {
                awaitTrue(() -> status(home, agent).path("pending").asInt() == 0);
                System.out.printf(
                        "AgentBacklogIT, -Xmx64m: %d certificates wait; started in %d ms; %.1f MiB of heap in use, %.1f"
                                + " bytes for each that waits; all sent %d ms after the start of the backend%n",
                        CERTIFICATES,
                        startMillis,
                        heap / 1048576.0,
                        (double) ofBacklog / CERTIFICATES,
                        millisSince(started));
                Client client = new Client("http://127.0.0.1:" + port);
                assertThat(client.metric("flk_accepted")).isEqualTo((double) CERTIFICATES);
                assertThat(client.metric("flk_dedup_hits")).isZero();
                assertThat(backend.isAlive()).isTrue();
            }
            assertThat(ofBacklog)
                    .as("bytes of heap for what waits")
                    .isLessThan((long) MOST_BYTES_PER_ENTRY * CERTIFICATES + NOISE_BYTES);
            assertThat(home.deadLetters()).isEmpty();
            assertThat(agent.terminate()).as(agent.allLines()).isEqualTo(143);
        }
    }

    private long heapWithOneWaiting(int port) throws Exception {
        AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("one")));
        home.spool("one", List.of(Pcs.number(0)));
        try (Program agent = start(home, port)) {
            awaitTrue(() -> isWithoutAnswer(home, agent));
            return heapInUse(agent);
        }
    }

    /** Returns whether the agent reports that its backend does not answer, which requires an attempt to send. */
    private static boolean isWithoutAnswer(AgentHome home, Program agent) throws IOException {
        return !status(home, agent).path("backends").path(0).path("answering").asBoolean(true);
    }

    private Program start(AgentHome home, int port) throws IOException {
        return Program.java("flk-agent", directory, environment(home, port), SMALL_HEAP, "run");
    }

    private static Map<String, String> environment(AgentHome home, int port) {
        Map<String, String> environment = new LinkedHashMap<>(home.sendingTo("http://127.0.0.1:" + port));
        environment.remove("BATCH_SIZE");
        environment.put("LOG_LEVEL", "WARN");
        return environment;
    }

    private Program backend(int port) throws IOException {
        Map<String, String> environment = ServedBackend.environment();
        environment.put("PORT", Integer.toString(port));
        environment.put("LOG_LEVEL", "WARN");
        return Program.java("flk-backend", directory, environment, List.of());
    }

    private void submitAll(AgentHome home, Map<String, String> environment) throws Exception {
        Path file = directory.resolve("all.ndjson");
        write(file);
        try (Program submit =
                Program.java("flk-agent", directory, environment, SMALL_HEAP, "submit", file.toString())) {
            assertThat(submit.awaitExit(PATIENCE)).as(submit.allLines()).isZero();
            // a long path may wrap onto another line
            assertThat(submit.out().split("\\s+"))
                    .startsWith((CERTIFICATES + " certificates added to the outbox " + home.outbox()).split(" "));
        }
        Files.delete(file);
    }

    /** Writes certificates that differ only in epoch and id. */
    private static void write(Path file) throws IOException {
        Pcs like = Pcs.number(0).without("sig").without("sent_at").without("v_star");
        String[] parts = like.json().replace(like.id().toString(), "%").split("%|(?<=\"epoch\":)0");
        assertThat(parts).hasSize(3);
        try (BufferedWriter out = Files.newBufferedWriter(file, StandardCharsets.US_ASCII)) {
            for (long epoch = 0; epoch < CERTIFICATES; epoch++) {
                PcsId id = PcsId.of("5a".repeat(32), epoch, "shard-1");
                out.write(parts[0] + id + parts[1] + epoch + parts[2] + "\n");
            }
        }
    }

    private static JsonNode status(AgentHome home, Program agent) throws IOException {
        assertThat(agent.isAlive()).as(agent.allLines()).isTrue();
        try {
            return home.status();
        } catch (ConnectException e) {
            return MissingNode.getInstance(); // the agent is not listening yet
        }
    }

    private static void awaitTrue(Callable<Boolean> condition) {
        await().atMost(PATIENCE).pollInterval(Duration.ofMillis(20)).until(condition);
    }

    private static long millisSince(long nanos) {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - nanos);
    }

    /** Returns the number of bytes of heap in use after a garbage collection. */
    private static long heapInUse(Program program) throws Exception {
        String jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
        Process histogram = new ProcessBuilder(jcmd, Long.toString(program.pid()), "GC.class_histogram")
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String text = new String(histogram.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(histogram.waitFor()).isZero();
        Matcher total = TOTAL.matcher(text);
        assertThat(total.find()).isTrue();
        return Long.parseLong(total.group(1));
    }
}
