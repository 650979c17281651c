// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static dev.flk.wal.SimulatedLog.readSkipping;
import static dev.flk.wal.SimulatedLog.verify;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.wal.Damage.Kind;
import dev.flk.wal.Damage.OnDamage;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Two adjacent segments are moved away, and a refused group at the end of the segment before them has the sequences of the records that
 * were answered in the first of the two: no gap shows that anything is missing.
 */
final class MissingSegmentsTest {
    private final SimulatedDisk disk = new SimulatedDisk(new Random(1));
    private final String answeredIn;
    private final String emptyOne;
    private final byte[] answered;
    private final byte[] empty;

    MissingSegmentsTest() throws IOException {
        Clock clock = new Clock();
        SimulatedLog log = SimulatedLog.open(disk, options(), clock);
        log.append(entry(1, 5_000));
        disk.failOperation(1, Fault.EIO);
        log.append(entry("refused"));
        log.append(entry("answered"));
        log.log.close(); // completes the segment, and opens an empty one
        disk.kill();
        answeredIn = segments().get(1);
        emptyOne = segments().get(2);
        clock.advance(Duration.ofDays(1));
        SimulatedLog next = SimulatedLog.open(disk, options(), clock);
        next.append(entry("later"));
        next.log.close();
        disk.kill();
        answered = disk.content(answeredIn);
        empty = disk.content(emptyOne);
        disk.remove(answeredIn);
        disk.remove(emptyOne);
    }

    private List<String> segments() {
        return disk.names().stream().filter(name -> name.endsWith(".wal")).toList();
    }

    @Test
    void read_reportsTheMissingSegment_thoughNoSequenceIsMissing() throws IOException {
        assertThat(bodies(readSkipping(disk))).hasSize(3).contains("refused", "later");
        assertThat(verify(disk).damages()).containsExactly(new Damage(Kind.ABSENT, emptyOne, 0, 3, 2));
        assertThat(verify(disk).damages().get(0).describe())
                .isEqualTo("segment " + emptyOne + " is not there: an unknown number of records missing");
        assertThatThrownBy(() -> readAll(disk)).isInstanceOf(DamagedLogException.class);
        SimulatedLog log = SimulatedLog.open(disk);
        assertThat(log.log.absent(1)).hasSize(1);
        try (LogReader decided = log.log.read(1, OnDamage.STOP, 3)) {
            while (decided.next() != null) {
                // to its end
            }
            assertThat(decided.absent()).hasSize(1);
        }
    }

    @Test
    void putBack_theAnsweredCount() throws IOException {
        disk.put(answeredIn, answered);
        disk.put(emptyOne, empty);

        assertThat(bodies(readAll(disk))).hasSize(3).contains("answered", "later");
        assertThat(verify(disk).isWhole()).isTrue();
    }

    @Test
    void repair_declaresIt() throws IOException {
        assertThat(new LogRepair(disk, DIRECTORY, PREFIX, "a test").run().lost())
                .containsExactly(new Damage(Kind.ABSENT, emptyOne, 0, 3, 2));

        assertThat(bodies(readAll(disk))).hasSize(3);
        assertThat(verify(disk).isWhole()).isTrue();
    }
}
