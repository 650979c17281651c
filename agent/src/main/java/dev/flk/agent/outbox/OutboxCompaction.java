// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.DiskQuota.Reserve;
import dev.flk.agent.outbox.Pending.Located;
import dev.flk.wal.Log;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.SegmentSummary;
import dev.flk.wal.LogRange;
import dev.flk.wal.Retention;
import dev.flk.wal.Retention.Done;
import dev.flk.wal.files.DiskFullException;
import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The compaction of the outbox, which frees the space of settled entries. A run closes the active segment, removes
 * entire segments, oldest first, and compresses segments that were closed at least a day ago. If the oldest segments
 * contain only a few pending entries, the run first appends these entries again and waits until they are on disk; no
 * pending entry is lost, unless the disk can't read its certificate. In the same way, the run appends entries that were
 * settled as lost but have become readable. A crash at any point loses nothing. Senders and producers continue during a
 * run. Only one run takes place at a time.
 */
public final class OutboxCompaction {
    private static final Logger LOG = LoggerFactory.getLogger(OutboxCompaction.class);
    private static final Duration COMPRESS_AFTER = Duration.ofDays(1);
    private static final int PORTION_BYTES = 1 << 20;
    /**
     * The size at which a portion of moved certificates ends on a full disk: a quarter of the released reserve. The
     * last certificate of a portion may exceed this size. The rest of the reserve is kept for the other writes of a
     * compaction.
     */
    private static final int PORTION_OF_RESERVE_BYTES = Reserve.BYTES / 4;

    /**
     * The maximum number of moved entries that are pending at the same time. The number is limited because each moved
     * entry takes extra memory. Segments are kept if their removal would exceed this number.
     */
    static final int MOST_MOVED = 100_000;

    private final UnreadableBlocks files;
    private final Path directory;
    private final InstantSource clock;
    private final Log log;
    private final Pending pending;
    private final CertificateBodies bodies;
    private final Outbox outbox;
    private final LogRange range;
    private final Reserve reserve;

    /** Whether a run changes the outbox, or only reports what it would do. */
    public enum Mode {
        DRY_RUN,
        RUN
    }

    /**
     * The result of a run, or the expected result of a dry run.
     *
     * @param removedSegments the number of removed segments
     * @param freedBytes the decrease of the total uncompressed size of the segments, in bytes
     * @param movedEntries the number of entries that were appended again
     * @param compressedSegments the number of compressed segments
     * @param pending the number of pending entries, which a run does not change
     */
    public record Report(int removedSegments, long freedBytes, int movedEntries, int compressedSegments, int pending) {}

    /**
     * A plan to remove the oldest segments after moving the pending entries in them.
     *
     * @param segments the number of segments
     * @param bytes the total uncompressed size of the segments
     * @param lastLocation the sequence of the last record in these segments
     * @param moved the entries to move
     */
    private record Removal(int segments, long bytes, long lastLocation, List<Located> moved) {}

    OutboxCompaction(
            UnreadableBlocks files,
            Path directory,
            InstantSource clock,
            Log log,
            Pending pending,
            CertificateBodies bodies,
            Outbox outbox,
            LogRange range) {
        this.files = files;
        this.directory = directory;
        this.clock = clock;
        this.log = log;
        this.pending = pending;
        this.bodies = bodies;
        this.outbox = outbox;
        this.range = range;
        this.reserve = new Reserve(files, directory);
    }

    /**
     * Reserves the space that a run needs on a full disk; returns false if too little space is free for the reserve.
     */
    synchronized boolean keepReserve() throws IOException {
        return reserve.restore();
    }

    /**
     * Frees the space of settled entries in segments that were closed longer ago than {@code horizon}. A dry run
     * changes nothing, and returns the expected result.
     *
     * @throws IOException if the disk fails, or is full even after the release of the reserve; completed steps are not
     *     undone
     */
    synchronized Report run(Duration horizon, Mode mode) throws IOException {
        if (mode == Mode.DRY_RUN) {
            return plan(horizon);
        }
        try {
            return run(horizon, PORTION_BYTES);
        } catch (DiskFullException full) {
            if (!reserve.release()) {
                throw full;
            }
            return run(horizon, PORTION_OF_RESERVE_BYTES);
        } finally {
            reserve.restore();
        }
    }

    private Report plan(Duration horizon) throws IOException {
        Removal removal = removal(horizon, asSealed(segments()));
        long movedBytes = removal.moved().stream()
                .mapToLong(one -> one.entry().bodyBytes())
                .sum();
        int compressed = (int) retention(horizon).plan(removal.lastLocation()).stream()
                .filter(due -> due.what() == Done.COMPRESSED)
                .count();
        return new Report(
                removal.segments(),
                removal.bytes() - movedBytes,
                removal.moved().size(),
                compressed,
                pending.size());
    }

    private Report run(Duration horizon, int portionBytes) throws IOException {
        log.requireOwned();
        List<SegmentSummary> before = segments();
        // first removes the segments that can be removed without a write, because the writes that follow may need the
        // freed space
        boolean isWriteNeeded =
                outbox.hasRequeued() || !outbox.lostUpTo(Long.MAX_VALUE).isEmpty();
        int removed = isWriteNeeded ? 0 : remove(horizon, Math.min(pending.firstLocation(), closedEnd(before)) - 1);
        outbox.await(log.seal());
        outbox.await(outbox.repeatRequeued());
        Removal removal = removal(horizon, segments());
        move(removal.moved(), portionBytes);
        move(outbox.lostUpTo(removal.lastLocation()), portionBytes);
        bodies.close(); // the space of a removed file is free only after the file is closed
        removed += remove(horizon, removal.lastLocation());
        int compressed = compress(horizon);
        return new Report(
                removed, bytes(before) - bytes(segments()), removal.moved().size(), compressed, pending.size());
    }

    /**
     * Compresses old segments, oldest first. Stops at the first one that can't be compressed, for example because the
     * disk can't read it.
     */
    private int compress(Duration horizon) throws IOException {
        int compressed = 0;
        try {
            // compression replaces a segment, so it must not put a filler in place of a block that can't be read now
            while (retention(files.strict(), horizon).step(0) == Done.COMPRESSED) {
                compressed++;
            }
        } catch (DiskFullException e) {
            throw e;
        } catch (IOException e) {
            LOG.warn("outbox: a segment could not be compressed, and stays as it is: {}", e.getMessage());
        }
        return compressed;
    }

    /**
     * Returns the segments as they would be after a run has closed the active segment and begun an empty segment. If no
     * records were appended to the active segment, returns the segments unchanged, because a run does not close such a
     * segment.
     */
    private List<SegmentSummary> asSealed(List<SegmentSummary> segments) {
        SegmentSummary newest = segments.get(segments.size() - 1);
        if (newest.end() <= newest.next()) {
            return segments;
        }
        List<SegmentSummary> sealed = new ArrayList<>(segments);
        sealed.add(new SegmentSummary(
                "",
                newest.ordinal() + 1,
                newest.end(),
                newest.end(),
                newest.end(),
                0,
                0,
                0,
                clock.millis(),
                newest.context(),
                newest.state()));
        return sealed;
    }

    /** Returns the sequence after the last record of the closed segments; 1 if no segment is closed. */
    private static long closedEnd(List<SegmentSummary> segments) {
        return segments.size() < 2 ? 1 : segments.get(segments.size() - 2).end();
    }

    private static long bytes(List<SegmentSummary> segments) {
        return segments.stream().mapToLong(SegmentSummary::bytes).sum();
    }

    private List<SegmentSummary> segments() throws IOException {
        return new LogInspector(files, directory, OutboxRecords.PREFIX).list().segments();
    }

    private Retention retention(Duration horizon) {
        return retention(files, horizon);
    }

    private Retention retention(FileOps files, Duration horizon) {
        return new Retention(files, directory, OutboxRecords.PREFIX, COMPRESS_AFTER, context -> horizon, clock);
    }

    /**
     * Plans the removal of as many of the oldest segments as possible; all of these segments must have been closed
     * longer ago than {@code horizon}. The certificates to move must not make up more than half of the segments' bytes.
     * If the horizon is zero, three quarters are allowed, because producers may then be waiting for space.
     */
    private Removal removal(Duration horizon, List<SegmentSummary> segments) {
        Removal best = new Removal(0, 0, 0, List.of());
        List<Located> moved = new ArrayList<>();
        int room = MOST_MOVED - pending.moved();
        int movedFirst = 0; // the entries that were not moved before; only they raise the number of moved entries
        long bytes = 0;
        long movedBytes = 0;
        for (int i = 0; i + 1 < segments.size() && isOlder(segments.get(i + 1), horizon); i++) {
            SegmentSummary segment = segments.get(i);
            long last = segment.end() - 1;
            bytes += segment.bytes();
            for (Located located : pending.locatedUpTo(last, MOST_MOVED + 1)) {
                if (moved.isEmpty()
                        || located.location() > moved.get(moved.size() - 1).location()) {
                    moved.add(located);
                    movedFirst += located.location() == located.entry().sequence() ? 1 : 0;
                    movedBytes += located.entry().bodyBytes();
                }
            }
            if (movedFirst > room || moved.size() > MOST_MOVED) {
                break;
            }
            if (horizon.isZero() ? movedBytes * 4 <= bytes * 3 : movedBytes * 2 <= bytes) {
                best = new Removal(i + 1, bytes, last, List.copyOf(moved));
            }
        }
        return best;
    }

    private boolean isOlder(SegmentSummary next, Duration horizon) {
        // if the horizon is zero, neither the age nor the clock matters
        return horizon.isZero() || clock.millis() - next.openedMillis() >= horizon.toMillis();
    }

    private void move(List<Located> entries, int portionBytes) throws IOException {
        Map<OutboxEntry, byte[]> portion = new LinkedHashMap<>();
        long bytes = 0;
        for (Located located : entries) {
            byte[] body = bodies.read(List.of(located.location())).get(located.location());
            if (body != null) { // null if the disk can't read the certificate
                portion.put(located.entry(), body);
                bytes += body.length;
            }
            if (bytes >= portionBytes) {
                outbox.await(outbox.move(portion));
                portion.clear();
                bytes = 0;
            }
        }
        outbox.await(outbox.move(portion));
    }

    private int remove(Duration horizon, long finishedUpTo) throws IOException {
        int removed = 0;
        Retention retention = retention(horizon);
        OptionalLong due = retention.wouldRemoveUpTo(finishedUpTo);
        while (due.isPresent()) {
            range.removing(due.getAsLong());
            if (retention.step(finishedUpTo) != Done.REMOVED) {
                break;
            }
            removed++;
            due = retention.wouldRemoveUpTo(finishedUpTo);
        }
        return removed;
    }
}
