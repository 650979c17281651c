// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.SIZES;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;

import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.SimulatedLog.Recorded;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A log of varied records and groups in three segments: the oldest is closed, the second failed in a force (so that the
 * newest repeats its acknowledged records), and the newest has groups of its own.
 */
final class VariedLog {
    final SimulatedDisk disk = new SimulatedDisk(new Random(7));

    /** The entries that count, in the order of their sequences from 1. */
    final List<Entry> entries = new ArrayList<>();

    /** The first sequence of each entry's group. */
    final List<Long> groups = new ArrayList<>();

    final String oldest;
    final String failed;
    final String newest;

    VariedLog() throws IOException {
        SimulatedLog log = SimulatedLog.open(
                disk, options(SIZES.withSegments(6_500 + SegmentHeader.BLOCK_BYTES, Duration.ofDays(1))), new Clock());
        append(log, 1, 0);
        append(log, 1, 10);
        append(log, 3, 300);
        append(log, 2, 700);
        oldest = newestName();
        append(log, 2, 40); // opens the next segment
        append(log, 1, 500);
        failed = newestName();
        disk.failOperation(1, SimulatedDisk.Fault.EIO);
        Recorded refused = log.append(entry(99, 60), entry(98, 30));
        if (refused.failure == null) {
            throw new IllegalStateException("the force should have failed");
        }
        append(log, 2, 100);
        append(log, 1, 5);
        append(log, 3, 60);
        newest = newestName();
        disk.kill();
    }

    private void append(SimulatedLog log, int count, int bytes) {
        long group = entries.size() + 1L;
        Entry[] added = new Entry[count];
        for (int i = 0; i < count; i++) {
            added[i] = entry(entries.size(), bytes + 13 * i);
            entries.add(added[i]);
            groups.add(group);
        }
        if (log.append(added).firstSequence != group) {
            throw new IllegalStateException("not acknowledged");
        }
    }

    private String newestName() {
        return disk.names().stream()
                .filter(name -> name.endsWith(".wal"))
                .reduce((first, second) -> second)
                .orElseThrow();
    }

    /** Returns the sequence of the first record in the newest segment that is not a repeated one. */
    long firstOwnOfNewest() {
        return Long.parseLong(newest.substring(newest.lastIndexOf('-') + 1, newest.length() - 4));
    }

    long lastGroup() {
        return groups.get(groups.size() - 1);
    }
}
