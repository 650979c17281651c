// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.SIZES;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.SimulatedLog.Recorded;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of a log in use whose lock file is removed, so that another process can open the log. */
final class SecondWriterTest {
    private final SimulatedDisk disk = new SimulatedDisk(new Random(1));
    private final List<LockLostException> reported = new ArrayList<>();

    private SimulatedLog open(LogListener listener) throws IOException {
        return SimulatedLog.open(disk, options(), new Clock(), listener);
    }

    private SimulatedLog openReporting() throws IOException {
        return open(new LogListener() {
            @Override
            public void lockLost(LockLostException cause) {
                reported.add(cause);
            }
        });
    }

    @Test
    void append_lockRemoved_failsForGood() throws IOException {
        SimulatedLog log = openReporting();
        log.append(entry("answered"));
        disk.removeLock();

        assertThat(log.append(entry("refused")).failure).isInstanceOf(LockLostException.class);
        assertThat(log.append(entry("refused, too")).failure).isInstanceOf(LockLostException.class);

        assertThat(reported).hasSize(1);
        assertThat(log.log.problem()).containsInstanceOf(LockLostException.class);
        List<String> names = disk.names();
        log.log.watchStep();
        log.log.close();
        assertThat(disk.names()).isEqualTo(names);
    }

    @Test
    void watch_lockRemovedAndNothingAppended_reportsIt() throws IOException {
        SimulatedLog log = openReporting();
        disk.removeLock();

        log.log.watchStep();
        log.log.step();

        assertThat(reported).hasSize(1);
        assertThatThrownBy(log.log::requireOwned).isInstanceOf(LockLostException.class);
    }

    @Test
    void seal_lockRemovedAndNothingAppended_reportsIt() throws IOException {
        SimulatedLog log = openReporting();
        log.append(entry("answered"));
        disk.removeLock();

        CompletableFuture<Void> seal = log.log.seal();
        log.log.step();

        assertThat(seal).isCompletedExceptionally();
        assertThat(reported).hasSize(1);
    }

    /** Lets another process start, append and answer right before each operation of an append. */
    @Test
    void append_secondWriterBeforeEveryOperation_everyAnswerIsInTheLog() throws IOException {
        meddleBeforeEveryOperation(options());
        meddleBeforeEveryOperation(options(SIZES.withSegments(1, Duration.ofDays(1)))); // each append opens a segment
    }

    private static void meddleBeforeEveryOperation(LogOptions options) throws IOException {
        boolean reachedTheEnd = false;
        for (int operation = 0; !reachedTheEnd; operation++) {
            SimulatedDisk shared = new SimulatedDisk(new Random(operation));
            SimulatedLog first = SimulatedLog.open(shared, options, new Clock());
            List<String> answered = new ArrayList<>();
            note(answered, first.append(entry("before")));
            List<SimulatedLog> second = new ArrayList<>();
            List<IOException> refused = new ArrayList<>();
            shared.meddleBefore(operation, () -> {
                shared.removeLock();
                try {
                    Clock later = new Clock();
                    later.advance(Duration.ofSeconds(1)); // makes the ids differ
                    second.add(SimulatedLog.open(shared, options, later));
                    note(answered, second.get(0).append(entry("by the second")));
                } catch (IOException e) {
                    refused.add(e);
                }
            });

            note(answered, first.append(entry("meanwhile")));
            reachedTheEnd = second.isEmpty();
            assertThat(refused).as("operation %d", operation).isEmpty();
            shared.meddleBefore(Long.MAX_VALUE / 2, () -> {});
            Recorded later = first.append(entry("later"));
            assertThat(later.acknowledged()).isEqualTo(reachedTheEnd);
            if (!reachedTheEnd) {
                note(answered, second.get(0).append(entry("by the second, later")));
                assertThat(answered).contains("by the second", "by the second, later");
            } else {
                note(answered, later);
            }

            shared.kill();
            SimulatedLog.open(shared);
            assertThat(bodies(readAll(shared))).as("operation %d", operation).containsAll(answered);
        }
    }

    private static void note(List<String> answered, Recorded append) {
        if (append.acknowledged()) {
            answered.add(new String(append.entries.get(0).body(), StandardCharsets.UTF_8));
        }
    }

    @Test
    void start_directoryReplacedByACopy_theOwnerNoticesAndLeavesTheCopyAlone(@TempDir Path parent) throws Exception {
        Path directory = parent.resolve("log");
        CompletableFuture<LockLostException> lost = new CompletableFuture<>();
        Log log = Log.start(new DiskFiles(), LogOptions.of(directory, "inbox", "p"), new LogListener() {
            @Override
            public void lockLost(LockLostException cause) {
                lost.complete(cause);
            }
        });
        Files.move(directory, parent.resolve("moved"));
        Files.createDirectory(directory);
        for (Path file : filesIn(parent.resolve("moved"))) {
            Files.copy(file, directory.resolve(file.getFileName()));
        }
        List<Path> copied = filesIn(directory);

        await().until(lost::isDone);
        log.close();

        assertThat(lost.join()).hasMessageContaining(directory.resolve("lock").toString());
        assertThat(filesIn(directory)).isEqualTo(copied);
    }

    private static List<Path> filesIn(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.sorted().toList();
        }
    }
}
