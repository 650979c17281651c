// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.embedded.EmbeddedStorage;
import java.nio.file.Path;
import java.util.UUID;
import java.util.function.Supplier;
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
}
