// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.embedded.EmbeddedStorage;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RandomStatesTest {
    @TempDir
    private Path directory;

    @Test
    void memory() {
        RandomStates.run(0, Long.getLong("flk.seeds", 1_000), seed -> {
            MemoryStorage storage = new MemoryStorage(() -> "h", Long.MAX_VALUE);
            return () -> storage;
        });
    }

    @Test
    void embedded() {
        embedded(0, 100);
    }

    @Test
    @Tag("thorough")
    void memory_more() {
        RandomStates.run(1_000, 9_000, seed -> {
            MemoryStorage storage = new MemoryStorage(() -> "h", Long.MAX_VALUE);
            return () -> storage;
        });
    }

    @Test
    @Tag("thorough")
    void embedded_more() {
        embedded(100, 900);
    }

    private void embedded(long first, long count) {
        RandomStates.run(
                first,
                count,
                seed -> () -> new EmbeddedStorage(directory.resolve("state-" + seed), 1 << 20, () -> "h"));
    }
}
