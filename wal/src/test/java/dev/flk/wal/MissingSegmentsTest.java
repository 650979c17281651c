// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.readAll;
import static dev.flk.wal.SimulatedLog.readSkipping;
import static dev.flk.wal.SimulatedLog.verify;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.Kind;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Tests of a log from which two adjacent segments are removed. A refused group at the end of the segment before them
 * has the same sequences as the acknowledged records of the first removed segment, so no gap shows that anything is
 * missing.
 */
final class MissingSegmentsTest {
    private final SimulatedDisk disk = new SimulatedDisk(new Random(1));
    private final String first;
    private final String second;
    private final byte[] contentOfFirst;
    private final byte[] contentOfSecond;

    MissingSegmentsTest() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        log.append(entry(1, 5_000));
        disk.failOperation(1, Fault.EIO);
        log.append(entry("refused"));
        log.append(entry("answered"));
        log.log.close();
        disk.kill();
        SimulatedLog.open(disk).append(entry("repeated by the next"));
        disk.kill();
        SimulatedLog last = SimulatedLog.open(disk);
        last.append(entry("last"));
        last.log.close();
        disk.kill();
        first = segments().get(1);
        second = segments().get(2);
        contentOfFirst = disk.content(first);
        contentOfSecond = disk.content(second);
        disk.remove(first);
        disk.remove(second);
    }

    private List<String> segments() {
        return disk.names().stream().filter(name -> name.endsWith(".wal")).toList();
    }

    @Test
    void read_reportsTheMissingSegment_thoughNoSequenceIsMissing() throws IOException {
        assertThat(bodies(readSkipping(disk))).hasSize(4).contains("refused", "repeated by the next", "last");
        assertThat(verify(disk).damages()).containsExactly(new Damage(Kind.ABSENT, second, 0, 3, 2));
        assertThat(verify(disk).damages().get(0).describe())
                .isEqualTo("segment " + second + " is missing, with an unknown number of records");
        assertThatThrownBy(() -> readAll(disk)).isInstanceOf(DamagedLogException.class);
        SimulatedLog log = SimulatedLog.open(disk);
        assertThat(log.log.absent(1)).hasSize(1);
        try (LogReader decided = log.log.read(1, OnDamage.STOP, 4)) {
            while (decided.next() != null) {
                // read to the end
            }
            assertThat(decided.absent()).hasSize(1);
        }
    }

    @Test
    void putBack_theAnsweredRecordsCountAgain() throws IOException {
        disk.put(first, contentOfFirst);
        disk.put(second, contentOfSecond);

        assertThat(bodies(readAll(disk))).hasSize(4).contains("answered", "repeated by the next", "last");
        assertThat(verify(disk).isComplete()).isTrue();
    }

    @Test
    void repair_declaresTheMissingSegment() throws IOException {
        assertThat(new LogRepair(disk, DIRECTORY, PREFIX, "a test").run().lost())
                .containsExactly(new Damage(Kind.ABSENT, second, 0, 3, 2));

        assertThat(bodies(readAll(disk))).hasSize(4);
        assertThat(verify(disk).isComplete()).isTrue();
    }
}
