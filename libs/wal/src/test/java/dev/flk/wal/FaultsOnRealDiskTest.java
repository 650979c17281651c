// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.RecordFormat;
import dev.flk.wal.testing.FaultyFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of faults on the real disk that the writer survives. */
final class FaultsOnRealDiskTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @TempDir
    private Path directory;

    private LogOptions options() {
        return LogOptions.of(directory, "inbox", "policy-1")
                .with(LogSizes.usual().withFillAhead(0));
    }

    @Test
    void reopen_directoryCantBeListed_theLogGoesOnWhenItCan() throws Exception {
        FaultyFiles files = new FaultyFiles();
        try (Log log = Log.start(files, options(), LogListener.NONE)) {
            Waiting first = Waiting.append(log, "one");
            first.end().get();
            files.failForces(1);
            files.throwOnList(new UncheckedIOException(new IOException("injected: Input/output error")));
            Waiting failed = Waiting.append(log, "two");
            await().dontCatchUncaughtExceptions().until(failed.end()::isDone);
            await().dontCatchUncaughtExceptions().until(files::hasThrownOnList);
            Waiting next = Waiting.append(log, "three");
            await().dontCatchUncaughtExceptions().until(next.end()::isDone);
            assertThat(next.end()).isCompletedWithValue(2L);
        }
    }

    @Test
    void write_throwsAnError_everyAppendOfTheGroupFails() throws Exception {
        FaultyFiles files = new FaultyFiles();
        try (Log log = Log.start(files, options(), LogListener.NONE)) {
            files.hold();
            Waiting before = Waiting.append(log, "one");
            files.awaitHeld();
            // in place of an OutOfMemoryError, which surefire would take for its own
            files.throwOnWrite(new InternalError("injected"));
            List<Waiting> group = List.of(Waiting.append(log, "two"), Waiting.append(log, "three"));
            files.release();

            assertThat(before.end()).succeedsWithin(PATIENCE);
            for (Waiting append : group) {
                assertThat(append.end())
                        .failsWithin(PATIENCE)
                        .withThrowableThat()
                        .withMessageContaining("InternalError");
            }
            assertThat(Waiting.append(log, "four").end()).succeedsWithin(PATIENCE);
        }
    }

    @Test
    void failedSegment_isNeitherWrittenNorForcedByFilling() throws Exception {
        FaultyFiles files = new FaultyFiles();
        Log log = Log.open(
                files,
                options().with(LogSizes.usual().withFillAhead(16 * 1024)),
                LogListener.NONE,
                InstantSource.system(),
                System::nanoTime,
                new Random(1));
        files.failForces(1);
        files.setCreateFails(true);
        Waiting failed = Waiting.append(log, "one");
        log.step();
        assertThat(failed.end()).isCompletedExceptionally();
        assertThat(files.takeForced()).hasSize(2); // the log's id and the segment header, both before the failure
        int written = files.writes();
        while (log.fillStep()) {
            // fill until there is nothing left to do
        }
        assertThat(files.takeForced()).isEmpty();
        assertThat(files.writes()).isEqualTo(written);
        files.setCreateFails(false);
        log.close();
    }

    /** Checks that two starts continue the sequences after a group that is longer than the longest body of a record. */
    @Test
    void append_moreThanAHeaderCanCarry_isStillThereAfterTwoStarts() throws Exception {
        int bytes = RecordFormat.MAX_BODY_BYTES / 2;
        LogOptions big = options().with(LogSizes.usual().withFillAhead(0).withQueue(1L << 30, 1L << 27));
        FaultyFiles files = new FaultyFiles();
        try (Log log = Log.start(files, big, LogListener.NONE)) {
            Waiting append = new Waiting(
                    List.of(new Entry('s', "k", 0, new byte[bytes]), new Entry('s', "k", 0, new byte[bytes])),
                    new CompletableFuture<>());
            log.append(append);
            append.end().get();
        }
        try (Log log = Log.start(files, big, LogListener.NONE)) {
            Waiting append = Waiting.append(log, "three");
            assertThat(append.end().get()).isEqualTo(3);
        }
        try (Log log = Log.start(files, big, LogListener.NONE)) {
            assertThat(log.forcedEnd()).isEqualTo(4);
        }
    }
}
