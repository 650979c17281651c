// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Tests of a reader of a log that is appended to, or whose active segment fails, between two reads. */
final class ConcurrentReaderTest {
    private final SimulatedDisk disk = new SimulatedDisk(new Random(11));

    /** The actions that run before the next reads, one before each. */
    private final Deque<Runnable> between = new ArrayDeque<>();

    @Test
    void groupsWrittenBehindWhatWasRead_areNoDamage() throws IOException {
        writeFourGroupsBeforeTheThirdRead();

        Verification found = new LogInspector(watched(), DIRECTORY, PREFIX).verify();

        assertThat(between).isEmpty();
        assertThat(found).isEqualTo(new Verification(5, 1, 5, List.of(), List.of(), null, List.of(), List.of()));
    }

    @Test
    void reader_groupsWrittenBehindWhatWasRead_returnsAll() throws IOException {
        writeFourGroupsBeforeTheThirdRead();

        try (LogReader reader = LogReader.open(watched(), DIRECTORY, PREFIX, 1, OnDamage.STOP)) {
            for (long sequence = 1; sequence <= 5; sequence++) {
                assertThat(reader.next().sequence()).isEqualTo(sequence);
            }
        }
    }

    @Test
    void segmentFailsAndIsContinuedDuringVerification_isNoDamage() throws IOException {
        SimulatedLog owner = SimulatedLog.open(disk);
        owner.append(entry(1, 100));
        owner.append(entry(2, 100));
        doBeforeRead(2, () -> {
            disk.failOperation(1, SimulatedDisk.Fault.EIO);
            owner.append(entry(3, 100));
            owner.append(entry(4, 100));
        });

        Verification found = new LogInspector(watched(), DIRECTORY, PREFIX).verify();

        assertThat(between).isEmpty();
        assertThat(found.isComplete()).isTrue();
        assertThat(found.last()).isGreaterThanOrEqualTo(2);
    }

    /**
     * Appends four groups before the third read, so that the second read returns zeros in place of the beginnings of
     * the first three groups, and the third one returns the beginning of the last group.
     */
    private void writeFourGroupsBeforeTheThirdRead() throws IOException {
        SimulatedLog owner = SimulatedLog.open(disk, options(LogSizes.usual()), new SimulatedLog.Clock());
        assertThat(owner.log.fillStep()).isTrue();
        while (owner.log.fillStep()) {
            // fill as far ahead as possible
        }
        owner.append(entry(1, 100));
        doBeforeRead(3, () -> {
            for (int i = 2; i <= 5; i++) {
                owner.append(entry(i, 120_000));
            }
        });
    }

    private void doBeforeRead(int number, Runnable what) {
        for (int i = 1; i < number; i++) {
            between.add(() -> {});
        }
        between.add(what);
    }

    /** Returns a read-only view of the disk that runs the next action before each call of {@code OpenFile.read}. */
    private FileOps watched() {
        return readOnly(FileOps.class, disk, Set.of("list", "openForReading", "status", "usableBytes"));
    }

    private <T> T readOnly(Class<T> type, T target, Set<String> allowed) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, args) -> {
            if (!allowed.contains(method.getName())) {
                throw new AssertionError(method + " called by a reader");
            }
            if (method.getName().equals("read") && !between.isEmpty()) {
                between.poll().run();
            }
            try {
                Object result = method.invoke(target, args);
                return result instanceof OpenFile file
                        ? readOnly(OpenFile.class, file, Set.of("read", "readUpTo", "size", "close"))
                        : result;
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }));
    }
}
