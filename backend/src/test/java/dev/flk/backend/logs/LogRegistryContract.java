// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.logs.LogRegistry.Change.Add;
import dev.flk.backend.logs.LogRegistry.Change.Put;
import dev.flk.backend.logs.LogRegistry.Change.Remove;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What every registry of logs promises. */
abstract class LogRegistryContract {
    private LogRegistry registry;

    /** Opens the registry, which is empty when a test begins. */
    abstract LogRegistry open();

    static LogEntry entry(int log, String name) {
        return new LogEntry(
                "%032x".formatted(log),
                name,
                "%016x".formatted(7),
                "host:1",
                "1.0",
                "p",
                "k",
                1,
                2,
                3,
                0,
                false,
                false,
                new LogEntry.Figures("https://h:1/ui", 1L, null, 3L, 4L));
    }

    private LogRegistry registry() {
        if (registry == null) {
            registry = open();
        }
        return registry;
    }

    @AfterEach
    void close() {
        if (registry != null) {
            registry.close();
        }
    }

    private Map<String, LogEntry> all() {
        return registry().update(List.of());
    }

    @Test
    void update_returnsTheEntriesBeforeIt() {
        assertThat(registry().update(List.of(new Put(entry(1, "a"))))).isEmpty();
        assertThat(registry().update(List.of(new Put(entry(1, "b")), new Put(entry(2, "c")))))
                .containsExactly(Map.entry("%032x".formatted(1), entry(1, "a")));
        assertThat(all().values()).containsExactlyInAnyOrder(entry(1, "b"), entry(2, "c"));
    }

    @Test
    void entryOfAnEarlierVersion_hasNoFigures() {
        LogEntry old = LogEntry.parse(entry(1, "a").text().replaceFirst(",\"figures\":\\{.*?}", ""))
                .orElseThrow();
        assertThat(old.figures()).isNull();
        registry().update(List.of(new Put(old), new Put(entry(2, "b"))));
        assertThat(all().values()).containsExactlyInAnyOrder(old, entry(2, "b"));
    }

    @Test
    void add_keepsAnExistingEntry() {
        registry().update(List.of(new Put(entry(1, "a"))));
        registry().update(List.of(new Add(entry(1, "b")), new Add(entry(2, "c"))));
        assertThat(all().values()).containsExactlyInAnyOrder(entry(1, "a"), entry(2, "c"));
    }

    @Test
    void remove_removesOneEntry_andIgnoresUnknownOnes() {
        registry().update(List.of(new Put(entry(1, "a")), new Put(entry(2, "b"))));
        registry()
                .update(List.of(
                        new Remove(entry(1, "").logId()),
                        new Remove(entry(3, "").logId())));
        assertThat(all().values()).containsExactly(entry(2, "b"));
        registry().update(List.of(new Put(entry(1, "again"))));
        assertThat(all().values()).containsExactlyInAnyOrder(entry(2, "b"), entry(1, "again"));
    }

    /** Writes texts into the store, as somebody else may, by the ids of logs. */
    abstract void write(Map<String, String> texts);

    @Test
    void entriesThatNoBackendWrites_areSkipped() {
        registry().update(List.of(new Put(entry(1, "a"))));
        String other = entry(2, "b").text();
        write(Map.of(
                "%032x".formatted(2),
                other.replace("\"b\"", "\"" + "n".repeat(3_000_000) + "\""),
                "%032x".formatted(3),
                other,
                "%032x".formatted(4),
                "nonsense"));
        assertThat(all().values()).containsExactly(entry(1, "a"));
    }

    @Test
    void moreEntriesThanAreRead_doNotFillTheMemory() {
        registry().update(List.of());
        write(IntStream.range(0, 1_200)
                .boxed()
                .collect(Collectors.toMap(
                        "%032x"::formatted, log -> entry(log, "n").text())));
        assertThat(all()).hasSize(registry().isShared() ? 1_000 : 0);
    }

    @Test
    void concurrentUpdates_loseNoEntry() throws Exception {
        registry().update(List.of());
        if (!registry().isShared()) {
            return;
        }
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                int backend = i;
                running.add(threads.submit(() -> {
                    try (LogRegistry own = open()) {
                        for (int round = 0; round < 10; round++) {
                            own.update(List.of(new Put(entry(10 * backend + round, "n" + backend))));
                        }
                    }
                }));
            }
            for (Future<?> each : running) {
                each.get();
            }
        } finally {
            threads.shutdown();
        }
        assertThat(all()).hasSize(40);
    }
}
