// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DiskSpaceTest {
    @TempDir
    private Path directory;

    @Test
    void watch_existingFiles_areCountedFromTheStart() throws IOException {
        Files.write(directory.resolve("a"), new byte[10]);
        Files.write(directory.resolve("b"), new byte[5]);

        try (DiskSpace space = DiskSpace.watch(directory)) {
            assertThat(space.usedBytes()).isEqualTo(15);
            assertThat(space.freeBytes()).isPositive();
        }
    }

    @Test
    void look_moreWasWritten_isCounted() throws IOException {
        try (DiskSpace space = DiskSpace.watch(directory)) {
            Files.write(directory.resolve("a"), new byte[10]);

            space.look();

            assertThat(space.usedBytes()).isEqualTo(10);
        }
    }

    @Test
    void watch_missingDirectory_isNaN() throws IOException {
        try (DiskSpace space = DiskSpace.watch(directory.resolve("missing"))) {
            assertThat(space.usedBytes()).isNaN();
            assertThat(space.freeBytes()).isNaN();
        }
    }
}
