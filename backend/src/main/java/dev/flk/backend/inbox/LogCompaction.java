// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.wal.LogArchive;
import dev.flk.wal.Retention;
import dev.flk.wal.Retention.Due;
import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The maintenance of closed segments while the backend is stopped (a running backend uses {@link LogCare}): compresses
 * them, and removes the segments that are decided, archived and past their retention. The saved low-water mark shows
 * which records are decided; if it is missing or damaged, nothing is removed. The saved position of the archive shows
 * which records are archived; if it is missing, the log has no archive, and if it is damaged, nothing is removed. The
 * caller of {@link #step} must own the directory. One thread.
 */
public final class LogCompaction {
    private final Optional<Checkpoint> kept;
    private final OptionalLong archived;
    private final Retention retention;

    /** @param clock wall time; the age of a segment counts from when it was closed */
    public LogCompaction(FileOps files, Path directory, Duration compressAfter, Duration keep, InstantSource clock)
            throws IOException {
        this.kept = Checkpoint.find(files, directory);
        this.archived = LogArchive.archivedUpTo(files, directory, Inbox.SEGMENT_PREFIX);
        this.retention = new Retention(files, directory, Inbox.SEGMENT_PREFIX, compressAfter, Inbox.kept(keep), clock);
    }

    /** Returns the sequence up to which everything is decided and recorded; empty if that is unknown. */
    public OptionalLong decidedUpTo() {
        return kept.map(mark -> OptionalLong.of(mark.mark())).orElse(OptionalLong.empty());
    }

    /** Returns the sequence up to which everything is archived; empty if the log has no archive. */
    public OptionalLong archivedUpTo() {
        return archived;
    }

    private long removableUpTo() {
        return Math.min(decidedUpTo().orElse(0), archived.orElse(Long.MAX_VALUE));
    }

    /** Returns the steps that are due, in the order in which {@link #step} takes them. */
    public List<Due> plan() throws IOException {
        return retention.plan(removableUpTo());
    }

    /** Returns the segments that are past their retention but are kept, because they are not known to be decided. */
    public List<Due> undecided() throws IOException {
        return keptWith(decidedUpTo().orElse(0));
    }

    /** Returns the segments that are past their retention but are kept, because they are not known to be archived. */
    public List<Due> unarchived() throws IOException {
        return keptWith(archived.orElse(Long.MAX_VALUE));
    }

    /** Returns the segments that would be removed, except those that would be removed up to this sequence. */
    private List<Due> keptWith(long upTo) throws IOException {
        List<Due> due = retention.plan(upTo);
        return retention.plan(Long.MAX_VALUE).stream()
                .filter(segment -> segment.what() == Retention.Done.REMOVED && !due.contains(segment))
                .toList();
    }

    /**
     * Compresses or removes the first segment of the plan. Before a removal, saves in the checkpoint that the records
     * are about to be removed. Returns false if nothing is due.
     */
    public boolean step() throws IOException {
        long upTo = removableUpTo();
        OptionalLong removed = retention.wouldRemoveUpTo(upTo);
        if (removed.isPresent() && kept.isPresent()) {
            kept.get().keepRemoved(removed.getAsLong());
        }
        return retention.step(upTo) != Retention.Done.NOTHING;
    }
}
