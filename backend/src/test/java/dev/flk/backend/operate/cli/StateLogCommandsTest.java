// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the log commands on a log of flk-state, whose files have other names. */
class StateLogCommandsTest {
    @TempDir
    private Path directory;

    @Test
    void lsVerifyAndRepair_workOnTheLogOfTheState() throws IOException {
        LogOptions options = LogOptions.of(directory, "state", "state 2");
        try (Log log = Log.open(new DiskFiles(), options, LogListener.NONE, Instant::now, () -> 0, new Random(1))) {
            CommandRun.append(log, new Entry('c', "none", 0, new byte[] {1}));
        }
        CommandRun commands = new CommandRun();

        assertThat(commands.run(Map.of(), "wal", "ls", "--dir", directory.toString()))
                .isZero();
        assertThat(commands.out()).contains("state-").contains("1 record");
        assertThat(commands.run(Map.of(), "wal", "verify", "--dir", directory.toString()))
                .isZero();
        assertThat(commands.out()).contains("whole: 1 record");
        assertThat(commands.run(Map.of(), "wal", "repair", "--dir", directory.toString()))
                .isZero();
        assertThat(commands.out()).contains("nothing to do");
    }
}
