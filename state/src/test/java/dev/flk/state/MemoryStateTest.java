// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.function.Supplier;

class MemoryStateTest extends StateContract {
    private final MemoryStorage storage = new MemoryStorage("history", Long.MAX_VALUE);

    @Override
    Supplier<Storage> storages() {
        return () -> storage;
    }
}
