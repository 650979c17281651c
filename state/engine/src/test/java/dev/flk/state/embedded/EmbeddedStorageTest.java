// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.StateException;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Batch;
import dev.flk.state.embedded.Tables.Changes;
import dev.flk.state.embedded.Tables.Table;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.AbstractList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedStorageTest {
    @TempDir
    private Path directory;

    @Test
    void newerFormat_isRefusedWithAMessageAndLeftAlone() throws Exception {
        try (EmbeddedStorage storage = open()) {
            storage.open();
        }
        try (Database database = new Database(directory.resolve("state"), 1 << 20)) {
            database.write(new Changes().put(Table.META, StateLayout.FORMAT_KEY, StateLayout.ints(4)));
        }

        try (EmbeddedStorage storage = open()) {
            for (int i = 0; i < 2; i++) {
                assertThatThrownBy(storage::open)
                        .isInstanceOf(StateException.class)
                        .hasMessage("the state in " + directory.resolve("state")
                                + " has format 4, this version reads 3: run the version that wrote it");
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
    void lockRemoved_noCommits_isNoticed() throws Exception {
        try (EmbeddedStorage storage = open()) {
            storage.open();
            Files.delete(directory.resolve("state/log/lock"));

            assertThatThrownBy(() -> storage.forgetAnswers(0)).hasMessageContaining("log/lock");
            assertThatThrownBy(storage::open).hasMessageContaining("log/lock");
        }
    }

    @Test
    void directory_isPrivateAndHasNoNativeLibrary() throws Exception {
        try (EmbeddedStorage storage = open()) {
            storage.open();

            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve("state"))))
                    .isEqualTo("rwx------");
            assertThat(directory.resolve("state/native")).doesNotExist();
        }
    }

    /** Simulates a trim that was interrupted after it had removed events up to revision 3. */
    @Test
    void trim_earlierThanAnInterruptedOne_doesNotLowerThePosition() throws Exception {
        try (EmbeddedStorage storage = open()) {
            storage.open();
            for (long revision = 1; revision <= 4; revision++) {
                commit(storage, revision);
            }
        }
        try (Database database = new Database(directory.resolve("state"), 1 << 20)) {
            database.write(new Changes().put(Table.META, StateLayout.trimmed("default"), StateLayout.longs(3, 0)));
            database.flush();
        }

        for (int i = 0; i < 2; i++) {
            try (EmbeddedStorage storage = open()) {
                storage.open();
                storage.trim("default", 2);
                assertThat(storage.trimmedUpTo("default")).isEqualTo(3);
            }
        }
    }

    @Test
    void close_activeSegmentMoved_commitsAreKept() throws Exception {
        try (EmbeddedStorage storage = open()) {
            storage.open();
            commit(storage, 1);
            try (Stream<Path> files = Files.list(directory.resolve("state/log"))) {
                Path segment = files.filter(file -> file.toString().endsWith(".wal"))
                        .findFirst()
                        .orElseThrow();
                Files.move(segment, directory.resolve("moved"));
            }
        }

        try (EmbeddedStorage storage = open()) {
            storage.open();
            assertThat(storage.head().historyId()).isEqualTo("history");
            assertThat(storage.head().revision()).isEqualTo(1);
        }
    }

    /** The next commit would get the same revision, and a start would lose it, if the first one stayed unapplied. */
    @Test
    void commitLoggedButNotApplied_isAppliedBeforeTheNext() throws Exception {
        try (EmbeddedStorage storage = open()) {
            storage.open();
            Event first = event(1);
            List<Change> appliedWithAnError = new AbstractList<>() {
                @Override
                public Iterator<Change> iterator() {
                    return first.changes().iterator(); // used for the log
                }

                @Override
                public Change get(int index) {
                    throw new OutOfMemoryError("injected");
                }

                @Override
                public int size() {
                    return 1;
                }
            };
            Event failing = new Event(1, first.committedAtMicros(), appliedWithAnError);

            assertThatThrownBy(() -> storage.commit(
                            Set.of(), Set.of(), existing -> new Batch(List.of(failing), Map.of(), Map.of())))
                    .hasMessageContaining("could not be applied");
            storage.open();
            commit(storage, 2);
        }

        try (EmbeddedStorage storage = open()) {
            storage.open();
            assertThat(storage.head().historyId()).isEqualTo("history");
            List<Event> events = storage.read(reads -> reads.events(1, Long.MAX_VALUE));
            assertThat(events).containsExactly(event(1), event(2));
        }
    }

    private static void commit(EmbeddedStorage storage, long revision) {
        storage.commit(Set.of(), Set.of(), existing -> new Batch(List.of(event(revision)), Map.of(), Map.of()));
    }

    private static Event event(long revision) {
        Change change = new Change(new StateKey("default", "a", "k" + revision), 1, "" + revision);
        return new Event(revision, 1_000 + revision, List.of(change));
    }

    private EmbeddedStorage open() {
        return new EmbeddedStorage(directory.resolve("state"), 1 << 20, () -> "history");
    }
}
