// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Batch;
import dev.flk.state.embedded.EmbeddedStorage;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the log commands on the log of the state. */
class StateLogCommandsTest {
    @TempDir
    private Path directory;

    @Test
    void lsVerifyAndRepair_workOnTheLogOfTheState() {
        try (EmbeddedStorage storage = new EmbeddedStorage(directory, 1 << 20, () -> "history")) {
            storage.open();
            Change change = new Change(new StateKey("default", "a", "k"), 1, "1");
            storage.commit(
                    Set.of(),
                    Set.of(),
                    existing -> new Batch(List.of(new Event(1, 1, List.of(change))), Map.of(), Map.of()));
        }
        String log = directory.resolve(EmbeddedStorage.LOG_DIRECTORY).toString();
        CommandRun commands = new CommandRun();

        assertThat(commands.run(Map.of(), "wal", "ls", "--dir", log)).isZero();
        assertThat(commands.out()).contains("state-").contains("1 record");
        assertThat(commands.run(Map.of(), "wal", "verify", "--dir", log)).isZero();
        assertThat(commands.out()).contains("whole: 1 record");
        assertThat(commands.run(Map.of(), "wal", "repair", "--dir", log)).isZero();
        assertThat(commands.out()).contains("nothing to do");
    }
}
