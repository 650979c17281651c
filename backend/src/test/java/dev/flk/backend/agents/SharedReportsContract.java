// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.keys.RequestCheck;
import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.program.metrics.Metrics;
import dev.flk.signing.SignatureCheck;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests of the promises of every store that backends share their reports in. */
abstract class SharedReportsContract {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private SharedReports shared;

    /** Opens the reports, which are empty when a test begins. */
    abstract SharedReports open();

    /** Ends the connections of all backends. */
    abstract void cut();

    @AfterEach
    void close() {
        if (shared != null) {
            shared.close();
        }
    }

    private Map<String, String> exchange(Map<String, String> newest) {
        if (shared == null) {
            shared = open();
        }
        Map<String, String> read = new TreeMap<>();
        shared.exchange(newest, (id, text) -> {
            read.put(id, text);
            return !text.equals("old");
        });
        return read;
    }

    @Test
    void exchange_replacesReports_readsAll_andRemovesOldOnes() {
        assertThat(exchange(Map.of("a", "1", "ä ☃", "old"))).isEqualTo(Map.of("a", "1", "ä ☃", "old"));
        assertThat(exchange(Map.of("a", "2"))).isEqualTo(Map.of("a", "2"));
        assertThat(exchange(Map.of())).isEqualTo(Map.of("a", "2"));
    }

    @Test
    void manyReports_areWrittenAndReadInSteps() {
        Map<String, String> many =
                IntStream.range(0, 1_050).boxed().collect(Collectors.toMap(i -> "agent-" + i, i -> "x".repeat(100)));
        assertThat(exchange(many)).isEqualTo(many);
    }

    @Test
    void connectionEnds_aLaterExchangeConnectsAgain() {
        exchange(Map.of("a", "1"));
        cut();
        try { // the first call may meet the connection that was ended
            exchange(Map.of());
        } catch (StoreUnavailableException e) {
            assertThat(e).hasMessageContaining("127.0.0.1");
        }
        assertThat(exchange(Map.of())).isEqualTo(Map.of("a", "1"));
    }

    private Agents backend(AgentReports reports, AgentMetrics metrics) {
        return new Agents(
                reports,
                new RequestCheck(Signatures.anyOf(0, SignatureCheck.none()), Instant::now),
                Optional.of(open()),
                metrics);
    }

    private static AgentReports reports(AgentMetrics metrics) {
        return new AgentReports(new AgentConfig(Duration.ofMinutes(5)), Instant::now, metrics, 8 << 20);
    }

    @Test
    void backends_shareTheirReports_alsoWithOneThatStartsLater() {
        AgentMetrics metrics = new AgentMetrics(new Metrics("test"));
        AgentReports first = reports(metrics);
        try (Agents agents = backend(first, metrics)) {
            assertThat(agents.reports()).isSameAs(first);
            await().atMost(PATIENCE).until(() -> first.incompleteSince().isEmpty());
            first.accept("pump-7", "{\"pending\":7}", Instant.now());
        } // a stop shares the last reports
        AgentReports second = reports(metrics);
        try (Agents agents = backend(second, metrics)) {
            assertThat(agents.reports()).isSameAs(second);
            await().atMost(PATIENCE).until(() -> second.find("pump-7").isPresent());
            assertThat(second.find("pump-7")).isEqualTo(first.find("pump-7"));
        }
    }
}
