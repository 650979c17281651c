// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.state.StateException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedStorageTest {
    @TempDir
    private Path directory;

    @Test
    void newerFormat_isRefusedInWords_andLeftAlone() throws Exception {
        try (EmbeddedStorage storage = open()) {
            storage.open();
        }
        try (Database database = new Database(directory.resolve("state"), 1 << 20)) {
            database.put(database.meta(), StateLayout.FORMAT_KEY, StateLayout.ints(3));
        }

        try (EmbeddedStorage storage = open()) {
            for (int i = 0; i < 2; i++) {
                assertThatThrownBy(storage::open)
                        .isInstanceOf(StateException.class)
                        .hasMessage("the state in " + directory.resolve("state")
                                + " has format 3, this version reads 2: run the version that wrote it");
            }
        }
    }

    @Test
    void secondProcess_isRefused() throws Exception {
        try (EmbeddedStorage second = open()) {
            try (EmbeddedStorage first = open()) {
                first.open();
                assertThatThrownBy(second::open)
                        .isInstanceOf(StateException.class)
                        .hasMessageContaining("is used by another process");
            }
            second.open();
            assertThat(second.head().revision()).isZero();
        }
    }

    @Test
    void lockThatIsRemoved_nobodyCommits_isNoticedAsWell() throws Exception {
        try (EmbeddedStorage storage = open()) {
            storage.open();
            Files.delete(directory.resolve("state/log/lock"));

            assertThatThrownBy(() -> storage.forgetAnswers(0)).hasMessageContaining("log/lock");
            assertThatThrownBy(storage::open).hasMessageContaining("log/lock");
        }
    }

    @Test
    void directory_isItsOwners_andNoLibraryIsLeftInIt() throws Exception {
        try (EmbeddedStorage storage = open()) {
            storage.open();

            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve("state"))))
                    .isEqualTo("rwx------");
            assertThat(directory.resolve("state/native")).doesNotExist();
        }
    }

    private EmbeddedStorage open() {
        return new EmbeddedStorage(directory.resolve("state"), 1 << 20, () -> "history");
    }
}
