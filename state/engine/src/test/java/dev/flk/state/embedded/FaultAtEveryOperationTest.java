// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.KilledFiles;
import dev.flk.state.StateException;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Batch;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tests in which one file operation of a storage's log fails in each run, during the same sequence of start, commits, a
 * flush of RocksDB, rotation and more commits. Then the process is killed or the machine loses power, but RocksDB keeps
 * its files. The next start must have every answered commit.
 */
class FaultAtEveryOperationTest {
    private static final int COMMITS = 6;

    @TempDir
    private Path directory;

    /** The values of the answered commits, by revision. */
    private final Map<Long, String> answered = new HashMap<>();

    private final List<String> tried = new ArrayList<>();
    private final List<String> missing = new ArrayList<>();

    @ParameterizedTest
    @EnumSource(Fault.class)
    void operation_fails_answeredCommitsAreKept(Fault fault) throws IOException {
        failEach(fault, 9); // odd, so that runs with and without a loss of power alternate
    }

    @ParameterizedTest
    @EnumSource(Fault.class)
    @Tag("thorough")
    void eachOperation_fails_answeredCommitsAreKept(Fault fault) throws IOException {
        failEach(fault, 1);
    }

    private void failEach(Fault fault, int step) throws IOException {
        int number = 0;
        while (run(fault, number)) {
            number += step;
        }
        assertThat(number).isGreaterThan(60);
    }

    /** Tests a fault at one operation; returns whether the operation was reached. */
    private boolean run(Fault fault, int number) throws IOException {
        answered.clear();
        tried.clear();
        SimulatedDisk disk = new SimulatedDisk(new Random(number));
        Path first = directory.resolve(fault + "-" + number);
        Path second = directory.resolve(fault + "-" + number + "-after");
        disk.failOperation(number, fault);
        Files.createDirectory(first); // the process may die before it creates the directory
        EmbeddedStorage storage = open(first, disk);
        try {
            live(storage);
        } catch (SimulatedDisk.Killed e) {
            // as intended
        }
        boolean isReached = disk.faultHappened();
        KilledFiles.leave(first, second);
        close(storage, disk);
        if (number % 2 == 0) {
            disk.losePower();
        }
        disk.kill();
        try (EmbeddedStorage next = open(second, disk)) {
            next.open();
            audit(next, fault + " at operation " + number);
            commit(next, "last");
            audit(next, fault + " at operation " + number + ", after another commit");
        }
        return isReached;
    }

    private EmbeddedStorage open(Path path, SimulatedDisk disk) {
        EmbeddedStorage storage = new EmbeddedStorage(
                path,
                1 << 20,
                () -> "history",
                disk,
                CommitLog.sizes().withFillAhead(0).withSegments(8_400, Duration.ofDays(1)));
        storage.whenAnsweredAreMissing(missing::add);
        return storage;
    }

    private void live(EmbeddedStorage storage) {
        for (int i = 1; i <= COMMITS; i++) {
            try {
                storage.open(); // reopens the storage after a failure
                commit(storage, Integer.toString(i));
                if (i == 3) {
                    storage.trim("flk.x", 1); // makes RocksDB flush
                }
            } catch (StateException e) {
                // the commit must be kept completely or not at all
            }
        }
    }

    private void commit(EmbeddedStorage storage, String value) {
        tried.add(value);
        long[] revision = new long[1];
        storage.commit(Set.of(), Set.of(), existing -> {
            revision[0] = existing.head().revision() + 1;
            Change change = new Change(new StateKey("default", "a", "k" + revision[0]), 1, value);
            return new Batch(List.of(new Event(revision[0], 1_000 + revision[0], List.of(change))), Map.of(), Map.of());
        });
        answered.put(revision[0], value);
    }

    private void audit(EmbeddedStorage storage, String what) {
        List<Event> events = storage.read(reads -> reads.events(1, Long.MAX_VALUE));
        assertThat(missing).as(what).isEmpty();
        assertThat(events).as(what).hasSize(Math.toIntExact(storage.head().revision()));
        answered.forEach((revision, value) -> assertThat(
                        events.size() >= revision
                                ? events.get(Math.toIntExact(revision) - 1)
                                        .changes()
                                        .get(0)
                                        .json()
                                : "missing")
                .as("%s: revision %d", what, revision)
                .isEqualTo(value));
        assertThat(events)
                .as(what)
                .extracting(event -> event.changes().get(0).json())
                .isSubsetOf(tried)
                .doesNotHaveDuplicates();
    }

    private static void close(EmbeddedStorage storage, SimulatedDisk disk) {
        try {
            disk.failOperation(0, Fault.KILL); // a dead process writes nothing
            storage.close();
        } catch (SimulatedDisk.Killed e) {
            // the log is not closed
        }
    }
}
