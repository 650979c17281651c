// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.embedded.EmbeddedStorage;
import java.nio.file.Path;
import java.util.function.Supplier;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedStateTest extends StateContract {
    @TempDir
    private Path directory;

    @Override
    Supplier<Storage> storages() {
        return () -> new EmbeddedStorage(directory.resolve("state"), 1 << 20, () -> "history");
    }
}
