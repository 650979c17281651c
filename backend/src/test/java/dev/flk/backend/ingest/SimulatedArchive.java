// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.InboxDirectory;
import dev.flk.backend.inbox.InboxDirectory.RestoredInbox;
import dev.flk.wal.Log;
import dev.flk.wal.LogArchive;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The archive of a simulated log, on a disk of its own. The log's disk can be lost; the log is then restored from the
 * archive, and the restore is killed at random operations. Checks what a restore promises about the files: every
 * archived record is there with the same body, no sequence is used twice, and only what is missing is called a gap.
 */
final class SimulatedArchive {
    private static final Path ARCHIVE = Path.of("archive");
    private static final String PART = "part of ";
    private static final String RESTORING = "inbox.restoring";

    private final World world;
    private final Random random;
    private final SimulatedDisk disk;
    private final Path directory;
    private final InboxFiles files;
    private final SimulatedDisk archived;

    /** The bodies of the records in archived segments, by sequence. */
    private final NavigableMap<Long, byte[]> bodies = new TreeMap<>();

    private @Nullable LogArchive archive;

    /** The highest sequence that any life of the log has used. */
    private long used;

    /** The highest sequence that the log had removed when an archived mark was written. */
    private long removed;

    private boolean isOutOfReach;

    /** Whether the sequences that the last restore skipped are not declared in the archive yet. */
    private boolean isSkipPending;

    SimulatedArchive(World world, Random random, SimulatedDisk disk, Path directory, InboxFiles files) {
        this.world = world;
        this.random = random;
        this.disk = disk;
        this.directory = directory;
        this.files = files;
        this.archived = new SimulatedDisk(random);
    }

    /** Begins to archive the log of a process that has started. */
    void follow(LogOptions options, Log log) {
        archive = new LogArchive(disk, options, log, Inbox.MARK_FILE, this::put, world::nanos);
    }

    /** Stores the next closed segment with what belongs to it, if there is one; returns null if that failed. */
    LogArchive.@Nullable Done step() {
        isOutOfReach = random.nextInt(8) == 0;
        try {
            LogArchive.Done done = Objects.requireNonNull(archive).step();
            world.trace(() -> "archive: " + done);
            return done;
        } catch (IOException e) {
            world.trace(() -> "archive: " + e.getMessage());
            return null; // the thread tries again
        }
    }

    private void put(Path file, String name) throws IOException {
        byte[] content;
        try (OpenFile open = disk.openForReading(file)) {
            ByteBuffer bytes = open.readUpTo(0, (int) open.size());
            content = new byte[bytes.remaining()];
            bytes.get(content);
        }
        if (isOutOfReach) {
            if (random.nextBoolean()) { // only a part of the copy arrives
                archived.put(PART + name, Arrays.copyOf(content, random.nextInt(content.length + 1)));
            }
            throw new IOException("the archive is out of reach");
        }
        archived.put(name, content);
        String source = String.valueOf(file.getFileName());
        for (LogRecord record : files.recordsSoFar()) {
            if (record.position().segment().equals(source)) {
                bodies.put(record.sequence(), record.body());
            }
        }
        isSkipPending &= !name.startsWith("inbox-lost-");
        if (name.endsWith(".mark")) {
            removed = Math.max(removed, files.removedUpTo());
        }
    }

    /** Removes the oldest archived segments, as far as the log has removed their records, as an operator may. */
    void prune() throws IOException {
        for (String name : archived.names()) {
            if (name.endsWith(".wal") || name.endsWith(".gz")) {
                long last = lastIn(name);
                if (last == 0 || last > removed) {
                    break;
                }
                world.trace("pruned: " + name);
                archived.remove(name);
            }
        }
        bodies.headMap(removed, true).clear();
    }

    private long lastIn(String name) throws IOException {
        SimulatedDisk one = new SimulatedDisk(random);
        one.put(name, archived.content(name));
        long last = 0;
        try (LogReader reader = LogReader.open(one, ARCHIVE, Inbox.SEGMENT_PREFIX, 1, OnDamage.SKIP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                last = record.sequence();
            }
        }
        return last;
    }

    /** Stores everything that is due; returns false if that failed. */
    boolean catchUp() {
        LogArchive.Done done;
        do {
            done = step();
        } while (done != null && done != LogArchive.Done.NOTHING);
        return done != null;
    }

    /**
     * Returns whether the disk may be lost: nothing is archived, or a mark is as well, and so is the declaration of the
     * last restore, which a start archives first. Without it, another restore would skip the same range.
     */
    boolean isRestorable() {
        return !hasSegments()
                || (!isSkipPending
                        && archived.names().stream()
                                .anyMatch(name -> !name.startsWith(PART) && name.endsWith(".mark")));
    }

    /** Returns the highest sequence that the log must not use again. */
    long used() {
        return used;
    }

    /** Loses the disk, and restores the log; the process must have been killed. */
    void loseDiskAndRestore() throws IOException {
        for (LogRecord record : files.recordsSoFar()) {
            used = Math.max(used, record.sequence());
        }
        disk.lose();
        isSkipPending = hasSegments();
        RestoredInbox restored = restore();
        if (restored != null) {
            assertThat(restored.log().gaps()).as("gaps in the archive").isEmpty();
        }
        for (LogRecord record : files.presentRecords()) {
            byte[] expected = bodies.get(record.sequence());
            assertThat(expected == null || Arrays.equals(expected, record.body()))
                    .as("the body of record %d", record.sequence())
                    .isTrue();
        }
        List<Long> present =
                files.presentRecords().stream().map(LogRecord::sequence).toList();
        assertThat(present).as("archived records").containsAll(bodies.keySet());
    }

    /** Returns what was restored; null if the restore was complete when it was killed, or there was nothing to restore. */
    private @Nullable RestoredInbox restore() throws IOException {
        while (true) {
            if (random.nextInt(3) > 0) {
                disk.failOperation(
                        random.nextInt(150), List.of(Fault.values()).get(random.nextInt(Fault.values().length)));
            }
            RestoredInbox restored = null;
            boolean ended = false;
            try {
                InboxDirectory restoring = new InboxDirectory(disk, directory, random, "restore");
                if (hasSegments()) {
                    restored = restoring.restore(archived, ARCHIVE, null, true, id -> 0);
                } else {
                    restoring.createLog();
                    archived.names().forEach(archived::remove);
                    used = 0;
                    removed = 0;
                }
                ended = true;
            } catch (SimulatedDisk.Killed | IOException e) {
                if (!disk.faultHappened()) {
                    throw e;
                }
            }
            disk.failNothing();
            if (random.nextInt(3) == 0) {
                disk.losePower();
            } else {
                disk.kill();
            }
            List<String> names = disk.names();
            boolean isComplete = names.contains(Inbox.MARK_FILE) && !names.contains(RESTORING);
            assertThat(!ended || isComplete).as("durable").isTrue();
            if (isComplete) {
                world.trace("restored: " + names);
                return restored;
            }
            world.trace("the restore was interrupted: " + names);
            requireNoHalfLog(names);
        }
    }

    private void requireNoHalfLog(List<String> names) {
        List<String> segments =
                names.stream().filter(name -> name.contains(".wal")).toList();
        if (names.contains(RESTORING)) {
            assertThatThrownBy(() -> Log.open(
                            disk.copy(),
                            LogOptions.of(directory, Inbox.SEGMENT_PREFIX, ""),
                            LogListener.NONE,
                            world::now,
                            world::nanos,
                            new Random(0)))
                    .hasMessageContaining("has not finished");
        } else {
            assertThat(segments).as("half a log").isEmpty();
        }
    }

    private boolean hasSegments() {
        return archived.names().stream().anyMatch(name -> !name.startsWith(PART) && name.contains(".wal"));
    }
}
