// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.DiskQuota.Reserve;
import dev.flk.agent.outbox.Pending.Located;
import dev.flk.wal.DiskFullException;
import dev.flk.wal.FileOps;
import dev.flk.wal.Log;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.SegmentSummary;
import dev.flk.wal.Retention;
import dev.flk.wal.Retention.Done;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Gives back the space of settled entries: seals the segment that is written to, then removes whole segments, oldest first, and
 * compresses the closed ones of a day ago. Entries that still wait are never removed: where a few of them stand in the way, they are
 * appended again, and on disk, before their segment is removed. A crash at any point loses nothing. Works beside senders and producers; one
 * run at a time.
 */
public final class OutboxCompaction {
    private static final Duration COMPRESS_AFTER = Duration.ofDays(1);
    private static final int PORTION_BYTES = 1 << 20;
    /** Fits into the reserve, with all that is written beside it. */
    private static final int PORTION_OF_RESERVE_BYTES = Reserve.BYTES / 4;

    /** Moved entries cost memory; beyond this many, segments stay. */
    static final int MOST_MOVED = 100_000;

    private final FileOps files;
    private final Path directory;
    private final InstantSource clock;
    private final Log log;
    private final Pending pending;
    private final CertificateBodies bodies;
    private final Outbox outbox;
    private final Reserve reserve;

    /** Whether to do it, or only to report what would be done. */
    public enum Mode {
        DRY_RUN,
        RUN
    }

    /**
     * What was done, or would be.
     *
     * @param removedSegments segments that went
     * @param freedBytes by how much the files became smaller
     * @param movedEntries entries that were rewritten
     * @param compressedSegments segments that were compressed
     * @param pending entries that wait, untouched
     */
    public record Report(int removedSegments, long freedBytes, int movedEntries, int compressedSegments, int pending) {}

    /** The oldest segments that can go, after these entries were moved. */
    private record Way(int segments, long bytes, long lastLocation, List<Located> inTheWay) {}

    OutboxCompaction(
            FileOps files,
            Path directory,
            InstantSource clock,
            Log log,
            Pending pending,
            CertificateBodies bodies,
            Outbox outbox) {
        this.files = files;
        this.directory = directory;
        this.clock = clock;
        this.log = log;
        this.pending = pending;
        this.bodies = bodies;
        this.outbox = outbox;
        this.reserve = new Reserve(files, directory);
    }

    /** Reserves the space that a run needs on a full disk; false if there is none now. */
    synchronized boolean keepReserve() throws IOException {
        return reserve.restore();
    }

    /**
     * Removes what was settled, in segments that were closed longer ago than the horizon.
     *
     * @throws IOException if the disk refuses, even after the reserve was given free; what was done stays done
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
            boolean unused = reserve.restore();
        }
    }

    private Report plan(Duration horizon) throws IOException {
        Way way = way(horizon, asSealed(segments()));
        long movedBytes = way.inTheWay().stream()
                .mapToLong(one -> one.entry().bodyBytes())
                .sum();
        int compressed = (int) retention(horizon).plan(way.lastLocation()).stream()
                .filter(due -> due.what() == Done.COMPRESSED)
                .count();
        return new Report(
                way.segments(), way.bytes() - movedBytes, way.inTheWay().size(), compressed, pending.size());
    }

    private Report run(Duration horizon, int portionBytes) throws IOException {
        List<SegmentSummary> before = segments();
        // first remove what needs no write: that may make room for the rest
        int removed = outbox.remembersRequeued()
                ? 0
                : remove(horizon, Math.min(pending.firstLocation(), closedEnd(before)) - 1);
        outbox.await(log.seal());
        outbox.await(outbox.repeatRequeued());
        Way way = way(horizon, segments());
        move(way.inTheWay(), portionBytes);
        bodies.close(); // an open file would keep its space
        removed += remove(horizon, way.lastLocation());
        int compressed = 0;
        while (retention(horizon).step(0) == Done.COMPRESSED) {
            compressed++;
        }
        return new Report(
                removed, bytes(before) - bytes(segments()), way.inTheWay().size(), compressed, pending.size());
    }

    /** As a run finds them after it has sealed the active segment, if there is a record in it. */
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
                clock.millis(),
                newest.context(),
                newest.state()));
        return sealed;
    }

    /** The end of what stands in closed segments: whatever was added there is among what is pending, or settled. */
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
        return new Retention(files, directory, OutboxRecords.PREFIX, COMPRESS_AFTER, context -> horizon, clock);
    }

    /**
     * As many of the oldest segments as may go by their age, while not too much of what stands in them must be rewritten: half of it,
     * or three quarters where there is no horizon, for then producers wait for room.
     */
    private Way way(Duration horizon, List<SegmentSummary> segments) {
        Way best = new Way(0, 0, 0, List.of());
        List<Located> inTheWay = new ArrayList<>();
        int room = MOST_MOVED - pending.moved();
        long bytes = 0;
        long movedBytes = 0;
        for (int i = 0; i + 1 < segments.size() && isOlder(segments.get(i + 1), horizon); i++) {
            SegmentSummary segment = segments.get(i);
            long last = segment.end() - 1;
            bytes += segment.bytes();
            for (Located located : pending.locatedUpTo(last, MOST_MOVED + 1)) {
                if (inTheWay.isEmpty()
                        || located.location()
                                > inTheWay.get(inTheWay.size() - 1).location()) {
                    inTheWay.add(located);
                    movedBytes += located.entry().bodyBytes();
                }
            }
            if (inTheWay.size() > room) {
                break;
            }
            if (horizon.isZero() ? movedBytes * 4 <= bytes * 3 : movedBytes * 2 <= bytes) {
                best = new Way(i + 1, bytes, last, List.copyOf(inTheWay));
            }
        }
        return best;
    }

    private boolean isOlder(SegmentSummary next, Duration horizon) {
        // without a horizon whatever its age, and whatever the clock was then
        return horizon.isZero() || clock.millis() - next.openedMillis() >= horizon.toMillis();
    }

    private void move(List<Located> entries, int portionBytes) throws IOException {
        Map<OutboxEntry, byte[]> portion = new LinkedHashMap<>();
        long bytes = 0;
        for (Located located : entries) {
            byte[] body = bodies.read(List.of(located.location())).get(located.location());
            if (body != null) { // otherwise the disk has lost it
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
        while (retention.wouldRemoveUpTo(finishedUpTo).isPresent() && retention.step(finishedUpTo) == Done.REMOVED) {
            removed++;
        }
        return removed;
    }
}
