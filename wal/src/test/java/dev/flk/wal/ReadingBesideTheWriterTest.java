// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.wal.Damage.OnDamage;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What a reader sees of a log that is appended to, rotated or replaced between two of its reads. */
final class ReadingBesideTheWriterTest {
    private final SimulatedDisk disk = new SimulatedDisk(new Random(11));

    /** What happens before each next read of a segment's records; nothing more once it is empty. */
    private final Deque<Runnable> between = new ArrayDeque<>();

    @Test
    void groupsWrittenBehindWhatWasRead_areNoDamage() throws IOException {
        SimulatedLog owner = SimulatedLog.open(disk, options(LogSizes.usual()), new SimulatedLog.Clock());
        fillAhead(owner);
        owner.append(entry(1, 100));
        // the first read ends among zeros; the next one meets a group that was written after two others
        doBeforeRead(3, () -> {
            for (int i = 2; i <= 5; i++) {
                owner.append(entry(i, 120_000));
            }
        });

        Verification found = new LogInspector(new Watched(), DIRECTORY, PREFIX).verify();

        assertThat(between).isEmpty();
        assertThat(found).isEqualTo(new Verification(5, 1, 5, List.of(), List.of(), null));
    }

    @Test
    void readerOfTheOwner_isNotMisledEither() throws IOException {
        SimulatedLog owner = SimulatedLog.open(disk, options(LogSizes.usual()), new SimulatedLog.Clock());
        fillAhead(owner);
        owner.append(entry(1, 100));
        doBeforeRead(3, () -> {
            for (int i = 2; i <= 5; i++) {
                owner.append(entry(i, 120_000));
            }
        });

        try (LogReader reader = LogReader.open(new Watched(), DIRECTORY, PREFIX, 1, OnDamage.STOP)) {
            for (long sequence = 1; sequence <= 5; sequence++) {
                assertThat(reader.next().sequence()).isEqualTo(sequence);
            }
        }
    }

    @Test
    void segmentFailedAndGoneOnFrom_isNoDamage() throws IOException {
        SimulatedLog owner = SimulatedLog.open(disk);
        owner.append(entry(1, 100));
        owner.append(entry(2, 100));
        doBeforeRead(2, () -> {
            disk.failOperation(1, SimulatedDisk.Fault.EIO);
            owner.append(entry(3, 100));
            owner.append(entry(4, 100));
        });

        Verification found = new LogInspector(new Watched(), DIRECTORY, PREFIX).verify();

        assertThat(between).isEmpty();
        assertThat(found.isWhole()).isTrue();
        assertThat(found.last()).isGreaterThanOrEqualTo(2);
    }

    private static void fillAhead(SimulatedLog owner) {
        int steps = 0;
        while (owner.log.fillStep()) {
            steps++;
        }
        assertThat(steps).isPositive();
    }

    private void doBeforeRead(int number, Runnable what) {
        for (int i = 1; i < number; i++) {
            between.add(() -> {});
        }
        between.add(what);
    }

    /** The disk, where something happens before a file is read. */
    private final class Watched implements FileOps {
        @Override
        public List<String> list(Path directory) throws IOException {
            return disk.list(directory);
        }

        @Override
        public OpenFile openForReading(Path file) throws IOException {
            OpenFile open = disk.openForReading(file);
            return new OpenFile() {
                @Override
                public int read(ByteBuffer target, long position) throws IOException {
                    Runnable next = between.poll();
                    if (next != null) {
                        next.run();
                    }
                    return open.read(target, position);
                }

                @Override
                public long size() throws IOException {
                    return open.size();
                }

                @Override
                public void write(ByteBuffer source, long position) {
                    throw new AssertionError("written by a reader");
                }

                @Override
                public void force() {
                    throw new AssertionError("forced by a reader");
                }

                @Override
                public void truncate(long size) {
                    throw new AssertionError("cut by a reader");
                }

                @Override
                public void close() throws IOException {
                    open.close();
                }
            };
        }

        @Override
        public void createDirectories(Path directory) {
            throw new AssertionError("created by a reader");
        }

        @Override
        public OpenFile create(Path file) {
            throw new AssertionError("created by a reader");
        }

        @Override
        public OpenFile openForWriting(Path file) {
            throw new AssertionError("opened for writing by a reader");
        }

        @Override
        public void move(Path from, Path to) {
            throw new AssertionError("moved by a reader");
        }

        @Override
        public void delete(Path file) {
            throw new AssertionError("deleted by a reader");
        }

        @Override
        public void forceDirectory(Path directory) {
            throw new AssertionError("forced by a reader");
        }

        @Override
        public Optional<Standing> standing(Path file) throws IOException {
            return disk.standing(file);
        }

        @Override
        public long usableBytes(Path directory) throws IOException {
            return disk.usableBytes(directory);
        }

        @Override
        public Closeable lock(Path file, String holder) {
            throw new AssertionError("locked by a reader");
        }
    }
}
