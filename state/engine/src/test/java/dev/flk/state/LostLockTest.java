// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.state.StateException.Reason;
import dev.flk.state.embedded.EmbeddedStorage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of an engine whose lock no longer excludes other processes. It must stop answering commits, because another
 * process might not see them.
 */
class LostLockTest {
    @TempDir
    private Path directory;

    private Storage open() {
        return new EmbeddedStorage(
                directory.resolve("state"), 1 << 20, () -> UUID.randomUUID().toString());
    }

    @Test
    void lockRemoved_stopsAnsweringCommits_andAnotherEngineCanOpenAfterClose() throws Exception {
        Path state = directory.resolve("state");
        try (EngineHarness first = new EngineHarness(this::open)) {
            first.apply(first.write("a", "k", "1"));
            Files.delete(state.resolve("log/lock"));

            isRefused(first, state);
        }
        try (EngineHarness second = new EngineHarness(this::open)) {
            assertThat(second.apply(second.write("a", "k", "3")).revision()).isGreaterThan(1);
        }
    }

    @Test
    void directoryReplacedByACopy_stopsAnswering_alsoWhenItIsBack() throws Exception {
        Path state = directory.resolve("state");
        Path away = directory.resolve("away");
        try (EngineHarness first = new EngineHarness(this::open)) {
            first.apply(first.write("a", "k", "1"));
            Files.move(state, away);
            try (Stream<Path> files = Files.walk(away)) {
                for (Path file : files.toList()) {
                    Files.copy(file, state.resolve(away.relativize(file).toString()));
                }
            }

            isRefused(first, state);

            Files.move(state, directory.resolve("copy"));
            Files.move(away, state);
            isRefused(first, state);
        }
    }

    private static void isRefused(EngineHarness state, Path directory) {
        assertThatThrownBy(() -> state.apply(state.write("a", "k", "2")))
                .isInstanceOfSatisfying(
                        StateException.class, e -> assertThat(e.reason()).isEqualTo(Reason.STORE_DOWN))
                .hasMessageContainingAll(directory.resolve("log/lock").toString(), "restart this process");
        assertThat(state.engine.problem()).isPresent();
    }
}
