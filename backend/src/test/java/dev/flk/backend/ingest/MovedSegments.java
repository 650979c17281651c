// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.inbox.Inbox;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.SegmentSummary;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;

/**
 * Somebody who moves segments of a simulated log away, and may put them back. What is away stands on the same disk under another name, so
 * that a loss of power does to it what it does to any file.
 */
final class MovedSegments {
    private static final String AWAY = "away-";

    private final SimulatedDisk disk;
    private final Path directory;
    private final Consumer<String> trace;

    /** @param trace is told what he does */
    MovedSegments(SimulatedDisk disk, Path directory, Consumer<String> trace) {
        this.disk = disk;
        this.directory = directory;
        this.trace = trace;
    }

    boolean isAny() {
        return disk.names().stream().anyMatch(name -> name.startsWith(AWAY));
    }

    boolean isAway(SegmentSummary segment) {
        List<String> names = disk.names();
        return names.contains(AWAY + segment.name()) && !names.contains(segment.name());
    }

    /** Moves one of those that are written to no more; any, decided or not. */
    void moveClosed(Random random) throws IOException {
        List<SegmentSummary> segments = list(disk.copy());
        if (segments.size() > 1) {
            move(segments.get(random.nextInt(segments.size() - 1)));
        }
    }

    /** Moves the one that is written to, unless it is away already; one that has no records yet is replaced by another of its name. */
    void moveNewest() throws IOException {
        if (!isEndAway()) {
            List<SegmentSummary> segments = list(disk.copy());
            SegmentSummary newest = segments.isEmpty() ? null : segments.get(segments.size() - 1);
            if (newest != null && newest.end() > newest.next()) {
                move(newest);
            }
        }
    }

    /** As logrotate does with all that has a segment's own name, right away or between two steps of the backend. */
    void rotate(Random random) {
        boolean compresses = random.nextBoolean();
        boolean creates = random.nextBoolean();
        disk.meddleBefore(random.nextInt(8), () -> {
            for (String name : disk.names()) {
                if (name.endsWith(".wal") && !name.startsWith(AWAY) && disk.content(name).length > 0) {
                    trace.accept("segment " + name + " is rotated");
                    disk.rotate(name, compresses, creates);
                }
            }
        });
    }

    private void move(SegmentSummary segment) {
        trace.accept("segment " + segment.name() + " is moved away");
        disk.moveAway(segment.name(), AWAY + segment.name());
    }

    /** Puts everything back whose name was not given to the segment that replaced it. */
    void putBack() {
        if (isAny()) {
            trace.accept("segments are put back");
            putBack(disk);
        }
    }

    private static void putBack(SimulatedDisk on) {
        for (String away : on.names()) {
            String name = away.startsWith(AWAY) ? away.substring(AWAY.length()) : away;
            if (!name.equals(away)) {
                if (on.names().contains(name) || on.names().contains(name + ".gz")) {
                    on.remove(away);
                } else {
                    on.moveAway(away, name);
                }
            }
        }
    }

    /** The log as if nothing were away, on a disk of its own. */
    SimulatedDisk whole() {
        SimulatedDisk copy = disk.copy();
        putBack(copy);
        return copy;
    }

    /** All segments, in the order in which they were opened, those that are away included. */
    List<SegmentSummary> all() throws IOException {
        return list(whole());
    }

    /** Whether the newest segment of all is away, so that nothing that is there tells of it. */
    boolean isEndAway() throws IOException {
        List<SegmentSummary> all = all();
        return !all.isEmpty() && isAway(all.get(all.size() - 1));
    }

    /** What is away and no segment that is there comes behind: it is gone for good. */
    void giveUpEnd() throws IOException {
        List<SegmentSummary> all = all();
        for (int i = all.size() - 1; i >= 0 && isAway(all.get(i)); i--) {
            disk.remove(AWAY + all.get(i).name());
        }
    }

    private List<SegmentSummary> list(FileOps files) throws IOException {
        return new LogInspector(files, directory, Inbox.SEGMENT_PREFIX).list().segments();
    }
}
