// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Faults that the writer survives and that a reader tells, on the real disk. */
final class FaultsOnRealDiskTest {
    @TempDir
    private Path directory;

    private record Waiting(List<Entry> entries, CompletableFuture<Long> end) implements Append {
        static Waiting of(String body) {
            return new Waiting(List.of(SimulatedLog.entry(body)), new CompletableFuture<>());
        }

        @Override
        public void forced(long firstSequence) {
            end.complete(firstSequence);
        }

        @Override
        public void failed(IOException cause) {
            end.completeExceptionally(cause);
        }
    }

    private LogOptions options() {
        return LogOptions.of(directory, "inbox", "policy-1")
                .with(LogSizes.usual().withFillAhead(0));
    }

    /** The real disk with faults that the test switches. */
    private static class Faulty implements FileOps {
        final DiskFiles disk = new DiskFiles();
        volatile boolean forceFails;
        volatile boolean createFails;
        volatile boolean listFails;
        volatile Error onWrite;
        final List<String> forcedWhileFailed = new ArrayList<>();

        @Override
        public void createDirectories(Path dir) throws IOException {
            disk.createDirectories(dir);
        }

        @Override
        public List<String> list(Path dir) throws IOException {
            if (listFails) {
                listFails = false;
                // what DiskFiles.list throws when readdir fails: Files.list reports it through the stream
                throw new UncheckedIOException(new IOException("injected: Input/output error"));
            }
            return disk.list(dir);
        }

        @Override
        public OpenFile create(Path file) throws IOException {
            if (createFails) {
                throw new IOException("injected: Input/output error");
            }
            return new Wrapped(file, disk.create(file));
        }

        @Override
        public OpenFile openForWriting(Path file) throws IOException {
            return new Wrapped(file, disk.openForWriting(file));
        }

        @Override
        public OpenFile openForReading(Path file) throws IOException {
            return disk.openForReading(file);
        }

        @Override
        public void move(Path from, Path to) throws IOException {
            disk.move(from, to);
        }

        @Override
        public void delete(Path file) throws IOException {
            disk.delete(file);
        }

        @Override
        public void forceDirectory(Path dir) throws IOException {
            disk.forceDirectory(dir);
        }

        @Override
        public Closeable lock(Path file, String holder) throws IOException {
            return disk.lock(file, holder);
        }

        private final class Wrapped implements OpenFile {
            private final Path path;
            private final OpenFile file;

            Wrapped(Path path, OpenFile file) {
                this.path = path;
                this.file = file;
            }

            @Override
            public int read(ByteBuffer target, long position) throws IOException {
                return file.read(target, position);
            }

            @Override
            public void write(ByteBuffer source, long position) throws IOException {
                Error error = onWrite;
                if (error != null) {
                    onWrite = null;
                    throw error;
                }
                file.write(source, position);
            }

            @Override
            public void force() throws IOException {
                if (forceFails) {
                    forceFails = false;
                    throw new IOException("injected: Input/output error");
                }
                if (createFails) {
                    forcedWhileFailed.add(path.getFileName().toString());
                }
                file.force();
            }

            @Override
            public void truncate(long size) throws IOException {
                file.truncate(size);
            }

            @Override
            public long size() throws IOException {
                return file.size();
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        }
    }

    @Test
    void reopen_directoryCantBeListed_theLogGoesOnWhenItCan() throws Exception {
        Faulty files = new Faulty();
        try (Log log = Log.start(files, options(), LogListener.NONE)) {
            Waiting first = Waiting.of("one");
            log.append(first);
            first.end().get();
            files.forceFails = true;
            files.listFails = true;
            Waiting failed = Waiting.of("two");
            log.append(failed);
            await().dontCatchUncaughtExceptions().until(failed.end()::isDone);
            await().dontCatchUncaughtExceptions().until(() -> !files.listFails);
            Waiting next = Waiting.of("three");
            assertThat(log.append(next)).as("taken").isTrue();
            await().dontCatchUncaughtExceptions().atMost(Duration.ofSeconds(3)).until(next.end()::isDone);
            assertThat(next.end()).isCompletedWithValue(2L);
        }
    }

    @Test
    void write_outOfDirectMemory_everyAppendOfTheGroupIsTold() throws Exception {
        Faulty files = new Faulty();
        try (Log log = Log.start(files, options(), LogListener.NONE)) {
            files.onWrite = new InternalError("stands for OutOfMemoryError, which surefire takes for its own");
            Waiting first = Waiting.of("one");
            log.append(first);
            await().dontCatchUncaughtExceptions().atMost(Duration.ofSeconds(3)).until(first.end()::isDone);
        }
    }

    @Test
    void failedSegment_isNeverWrittenOrForcedAgain() throws Exception {
        Faulty files = new Faulty();
        Log log = Log.open(
                files,
                options().with(LogSizes.usual().withFillAhead(16 * 1024)),
                LogListener.NONE,
                InstantSource.system(),
                System::nanoTime,
                new Random(1));
        files.forceFails = true;
        files.createFails = true;
        Waiting failed = Waiting.of("one");
        log.append(failed);
        log.step();
        assertThat(failed.end()).isCompletedExceptionally();
        while (log.fillStep()) {
            // as long as it does anything
        }
        assertThat(files.forcedWhileFailed).isEmpty();
        files.createFails = false;
        log.close();
    }

    /** A header that carries more than a record may hold can't be read again. */
    @Test
    void append_moreThanAHeaderCanCarry_isStillThereAfterTwoStarts() throws Exception {
        int bytes = RecordFormat.MAX_BODY_BYTES / 2;
        LogOptions big = options().with(LogSizes.usual().withFillAhead(0).withQueue(1L << 30, 1L << 27));
        Faulty files = new Faulty();
        try (Log log = Log.start(files, big, LogListener.NONE)) {
            Waiting append = new Waiting(
                    List.of(new Entry('s', "k", 0, new byte[bytes]), new Entry('s', "k", 0, new byte[bytes])),
                    new CompletableFuture<>());
            log.append(append);
            append.end().get();
        }
        try (Log log = Log.start(files, big, LogListener.NONE)) {
            Waiting append = Waiting.of("three");
            log.append(append);
            assertThat(append.end().get()).isEqualTo(3);
        }
        try (Log log = Log.start(files, big, LogListener.NONE)) {
            assertThat(log.forcedEnd()).isEqualTo(4);
        }
    }

    /** A middle segment whose header is broken: its records are missing, and that must be said. */
    @Test
    void read_headerOfAMiddleSegmentBroken_isDamage() throws Exception {
        DiskFiles files = new DiskFiles();
        LogOptions small = options().with(LogSizes.usual().withFillAhead(0).withSegments(5_000, Duration.ofDays(1)));
        try (Log log = Log.start(files, small, LogListener.NONE)) {
            for (int i = 0; i < 12; i++) {
                Waiting append = Waiting.of("record " + i + "x".repeat(300));
                log.append(append);
                append.end().get();
            }
        }
        List<String> segments = files.list(directory).stream()
                .filter(name -> name.endsWith(".wal"))
                .toList();
        assertThat(segments).hasSizeGreaterThanOrEqualTo(3);
        try (var channel = FileChannel.open(directory.resolve(segments.get(1)), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {'#'}), 200);
        }
        List<Long> read = new ArrayList<>();
        List<Damage> damages;
        try (LogReader reader = LogReader.open(files, directory, "inbox", 1, OnDamage.SKIP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                read.add(record.sequence());
            }
            damages = reader.damages();
        }

        assertThat(read.size()
                        + damages.stream()
                                .mapToLong(d -> d.lastMissing() - d.firstMissing() + 1)
                                .sum())
                .isEqualTo(12);
    }
}
