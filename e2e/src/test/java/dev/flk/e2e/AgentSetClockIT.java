// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.sample.Pcs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that the agent works correctly when the clock of its machine is set while certificates wait, arrive and are
 * sent.
 */
@Tag("thorough")
final class AgentSetClockIT {
    private static final int WAITING = 120;
    private static final int MORE = 5;

    @TempDir
    private Path directory;

    private AgentHome home;
    private long taken;
    private int looksWithPending;

    @Test
    void clockSet_eachIsRecordedOnce_noneIsDeadLettered_noAgeIsNegative() throws Exception {
        FakeClock clock = FakeClock.in(directory);
        home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        spool(WAITING);
        // slow enough that some certificates are still pending after the first change of the clock
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("TOKEN_RATE", "40", "TOKEN_BURST", "5"))) {
            Client client = new Client(backend.url());
            try (Program agent = agent(backend, clock)) {
                Client metrics = AgentHome.metrics(agent);
                Duration to1970 = Duration.between(Instant.now(), Instant.EPOCH.plusSeconds(100));
                for (Duration ahead : List.of(
                        Duration.ofHours(1), Duration.ofHours(-1), to1970, Duration.ofDays(400), Duration.ZERO)) {
                    // the count before the next certificates are spooled
                    double accepted = client.metric("flk_accepted");
                    clock.set(ahead);
                    // otherwise the agent may send the next certificates before its clock changes
                    Client.awaitUntil(
                            () -> isAbout(ahead, metrics.get("/metrics").header("Date")));
                    spool(MORE);
                    Client.awaitUntil(() -> hasNoticed(ahead));
                    Client.awaitUntil(() -> home.spoolIsEmpty() && client.metric("flk_accepted") >= accepted + MORE);
                    assertThat(LocalPost.post(home.control(), "/v1/compact?horizon_days=14")
                                    .status())
                            .isEqualTo(200);
                    assertSane(metrics, ahead);
                }
                assertThat(looksWithPending).isPositive(); // on a slow machine, some checks may find none pending
                Client.awaitUntil(() -> home.status().path("pending").asInt() == 0);
                assertThat(client.metric("flk_accepted")).isEqualTo((double) taken);
                assertThat(client.metric("flk_dedup_hits")).isZero();
                assertThat(metrics.metric("flk_agent_outbox_pending")).isZero();
                assertThat(metrics.metric("flk_agent_oldest_pending_seconds")).isZero();
                assertThat(agent.terminate()).as(agent.allLines()).isEqualTo(143);
            }
            try (Program agent = home.start(home.sendingTo(backend.url()), "run", "--until-empty")) {
                assertThat(agent.awaitExit()).isZero();
                assertThat(agent.allLines()).contains("0 certificates wait in the outbox, and 0 are dead letters");
            }
            assertThat(home.deadLetters()).isEmpty();
            assertThat(LogFiles.inbox(directory.resolve("data/wal")).entries()).hasSize((int) taken);
        }
    }

    private Program agent(ServedBackend backend, FakeClock clock) throws Exception {
        Map<String, String> environment = new LinkedHashMap<>(home.sendingTo(backend.url()));
        environment.putAll(clock.environment());
        environment.put("METRICS_PORT", "0");
        return home.start(environment, "run");
    }

    private void spool(int count) throws Exception {
        home.spool(
                "from-" + taken,
                LongStream.range(taken, taken + count).mapToObj(Pcs::number).toList());
        taken += count;
    }

    /** Returns whether the agent's {@code Date} is {@code ahead} of this test's clock, except for a few seconds. */
    private static boolean isAbout(Duration ahead, String date) {
        Instant agent = Instant.from(DateTimeFormatter.RFC_1123_DATE_TIME.parse(date));
        return isShort(Duration.between(Instant.now().plus(ahead), agent));
    }

    private static boolean isShort(Duration difference) {
        return difference.abs().compareTo(Duration.ofSeconds(5)) < 0;
    }

    /**
     * Returns whether the agent has computed, from an answer that arrived after the clock was set, how far the
     * backend's clock is from its own.
     */
    private boolean hasNoticed(Duration ahead) throws Exception {
        JsonNode backend = home.status().path("backends").path(0);
        return backend.path("answering").asBoolean()
                && isShort(Duration.ofMillis(backend.path("clock_ahead_ms").asLong())
                        .plus(ahead));
    }

    /** Checks the status and metrics of the agent shortly after its clock is set. */
    private void assertSane(Client metrics, Duration ahead) throws Exception {
        JsonNode status = home.status();
        looksWithPending += status.path("pending").asInt() > 0 ? 1 : 0;
        assertThat(status.path("oldest_pending_seconds").asLong(0))
                .as(status.toString())
                .isNotNegative();
        assertThat(status.path("drain_seconds").asLong(0)).as(status.toString()).isNotNegative();
        assertThat(status.path("dlq_entries").asInt(-1)).as(status.toString()).isZero();
        assertThat(hasNoticed(ahead)).as(status.toString()).isTrue();
        List<String> negative = metrics.get("/metrics")
                .body()
                .lines()
                .filter(line -> line.startsWith("flk_agent_") && line.contains(" -"))
                .toList();
        assertThat(negative).isEmpty();
    }
}
