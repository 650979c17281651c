// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.embedded.EmbeddedStorage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedStateTest extends StateContract {
    @TempDir
    private Path directory;

    @Override
    Supplier<Storage> storages() {
        return () -> open("state");
    }

    @Override
    Storage emptyStorage() {
        return open("other");
    }

    private EmbeddedStorage open(String name) {
        return new EmbeddedStorage(
                directory.resolve(name), 1 << 20, () -> UUID.randomUUID().toString());
    }

    @Test
    void sameRequest_clockJumpsBeforeARestart_isRememberedForRunningTime() {
        try (EngineHarness state = new EngineHarness(() -> open("jumps"))) {
            for (int days : List.of(20, -20)) {
                Committed first = state.apply("r", state.write("a", "k", "1"));
                state.pass(Duration.ofMinutes(1));
                state.setClock(Duration.ofDays(days));
                state.restart();
                state.engine.lifetimes().forgetAnswers();
                assertThat(state.apply("r", state.write("a", "k", "1"))).isEqualTo(first);

                state.pass(Duration.ofMinutes(15));
                assertThat(state.apply("r", state.write("a", "k", "2")).revision())
                        .isEqualTo(first.revision() + 1);
                state.pass(Duration.ofMinutes(15));
            }
        }
    }

    @Test
    void random_agreesWithTheModel() {
        random(0, 5);
    }

    @Test
    @Tag("thorough")
    void random_manySeeds_agreesWithTheModel() {
        random(5, 995);
    }

    private void random(long first, long count) {
        RandomStates.run(first, count, seed -> () -> open("state-" + seed));
    }
}
