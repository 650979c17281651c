// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.embedded.EmbeddedStorage;
import java.nio.file.Path;
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
    void random() {
        random(0, 100);
    }

    @Test
    @Tag("thorough")
    void random_more() {
        random(100, 900);
    }

    private void random(long first, long count) {
        RandomStates.run(first, count, seed -> () -> open("state-" + seed));
    }
}
