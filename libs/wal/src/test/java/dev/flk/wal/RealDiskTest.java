// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentNames;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of the log as it runs in production: with real files, its own two threads and several appending threads. */
final class RealDiskTest {
    private static final LogSizes SIZES = LogSizes.usual();

    @TempDir
    private Path directory;

    @Test
    void filesAndDirectories_areForTheirOwnerOnly() throws Exception {
        Path made = directory.resolve("made/log");
        try (Log log = Log.start(
                new DiskFiles(), LogOptions.of(made, "inbox", "policy").with(SIZES), LogListener.NONE)) {
            Waiting append = Waiting.append(log, "a record");
            append.end().get();
        }
        try (Stream<Path> paths = Files.walk(directory.resolve("made"))) {
            for (Path path : paths.toList()) {
                assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                        .as(path.toString())
                        .isEqualTo(Files.isDirectory(path) ? "rwx------" : "rw-------");
            }
        }
    }

    @Test
    void append_fromSeveralThreads_acrossRotations_allReadBackInOrder() throws Exception {
        int threads = 4;
        int each = 300;
        LogOptions options =
                options(SIZES.withSegments(64 * 1024, Duration.ofDays(1)).withFillAhead(16 * 1024));
        Set<Long> sequences = new HashSet<>();
        try (Log log = Log.start(new DiskFiles(), options, LogListener.NONE)) {
            var pool = Executors.newFixedThreadPool(threads);
            List<Future<List<Long>>> results = new ArrayList<>();
            for (int t = 0; t < threads; t++) {
                int thread = t;
                results.add(pool.submit(() -> {
                    List<Long> mine = new ArrayList<>();
                    for (int i = 0; i < each; i++) {
                        Waiting append = Waiting.append(log, "thread " + thread + " record " + i + " " + "x".repeat(i));
                        mine.add(append.end().get());
                    }
                    return mine;
                }));
            }
            for (Future<List<Long>> result : results) {
                List<Long> mine = result.get();
                assertThat(mine).isSorted();
                sequences.addAll(mine);
            }
            pool.shutdown();
        }
        assertThat(sequences).hasSize(threads * each);
        assertThat(segments()).hasSizeGreaterThan(3);
        try (LogReader reader = LogReader.open(new DiskFiles(), directory, "inbox", 1, OnDamage.STOP)) {
            long expected = 1;
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                assertThat(record.sequence()).isEqualTo(expected++);
                assertThat(new String(record.body(), StandardCharsets.UTF_8)).startsWith("thread ");
            }
            assertThat(expected).isEqualTo(threads * each + 1);
        }
    }

    @Test
    void fillAhead_growsTheSegmentBeforeItIsNeeded_andCloseCutsIt() throws Exception {
        Path segment;
        try (Log log = Log.start(new DiskFiles(), options(SIZES.withFillAhead(1 << 20)), LogListener.NONE)) {
            segment = directory.resolve(segments().get(0));
            await().until(() -> Files.size(segment) > 1 << 20);
            Waiting append = Waiting.append(log, "a");
            append.end().get();
        }
        assertThat(Files.size(segment)).isLessThan(SimulatedLog.HEADER_BYTES + 4_096);
    }

    @Test
    void close_finishesWhatIsQueued() throws Exception {
        Waiting append = Waiting.of("a");
        try (Log log = Log.start(new DiskFiles(), options(), LogListener.NONE)) {
            log.append(append);
        }
        assertThat(append.end()).isCompletedWithValue(1L);
    }

    @ParameterizedTest
    @ValueSource(strings = {"inbox.id", "inbox-lost-1", "lock"})
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void start_fifoHasTheNameOfAFile_isNotOpened(String name) throws Exception {
        Path fifo = directory.resolve(name);
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();

        assertThatThrownBy(() -> Log.start(new DiskFiles(), options(), LogListener.NONE))
                .hasMessage(fifo + " is not a regular file; move it away");
    }

    @Test
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void open_linkToAFifo_isNotOpened() throws Exception {
        Path fifo = directory.resolve("fifo");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();
        Path link = Files.createSymbolicLink(directory.resolve("link"), fifo);
        DiskFiles files = new DiskFiles();

        for (ThrowingCallable open :
                List.<ThrowingCallable>of(() -> files.openForReading(link), () -> files.openForWriting(link))) {
            assertThatThrownBy(open).hasMessage(link + " is not a regular file; move it away");
        }
    }

    @Test
    void lock_secondOwner_isToldWhoHoldsIt() throws IOException {
        try (Log log = Log.start(new DiskFiles(), options(), LogListener.NONE)) {
            assertThat(log.directory()).isEqualTo(directory);
            assertThatThrownBy(() -> Log.start(new DiskFiles(), options(), LogListener.NONE))
                    .isInstanceOf(LogLockedException.class)
                    .hasMessage("%s is in use by process %d; stop it, or use another directory"
                            .formatted(directory, ProcessHandle.current().pid()));
        }
        Log.start(new DiskFiles(), options(), LogListener.NONE).close();
    }

    private LogOptions options() {
        return options(SIZES);
    }

    private LogOptions options(LogSizes sizes) {
        return LogOptions.of(directory, "inbox", "policy").with(sizes);
    }

    private List<String> segments() throws IOException {
        return new DiskFiles()
                .list(directory).stream()
                        .filter(name -> name.endsWith(SegmentNames.SUFFIX))
                        .toList();
    }
}
