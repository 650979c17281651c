// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class MemoryStateTest extends StateContract {
    private static int histories;
    private final MemoryStorage storage = new MemoryStorage(() -> "history-" + ++histories, Long.MAX_VALUE);
    private final MemoryStorage empty = new MemoryStorage(() -> "history-" + ++histories, Long.MAX_VALUE);

    @Override
    Storage emptyStorage() {
        return empty;
    }

    @Override
    Supplier<Storage> storages() {
        return () -> storage;
    }

    @Test
    void random() {
        random(0, Long.getLong("flk.seeds", 1_000));
    }

    @Test
    @Tag("thorough")
    void random_more() {
        random(1_000, 9_000);
    }

    private static void random(long first, long count) {
        RandomStates.run(first, count, seed -> {
            MemoryStorage storage = new MemoryStorage(() -> "h", Long.MAX_VALUE);
            return () -> storage;
        });
    }
}
