// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.function.Supplier;

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
}
