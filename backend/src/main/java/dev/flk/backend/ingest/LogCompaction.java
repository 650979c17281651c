// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.wal.FileOps;
import dev.flk.wal.Retention;
import dev.flk.wal.Retention.Due;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What a running backend does with its closed segments by itself (see {@link LogCare}), for one that is stopped: compresses them,
 * and removes those that are past their retention and decided. What is decided is told by the mark that the backend kept; without
 * it nothing is removed. The caller of {@link #step} owns the directory. One thread.
 */
public final class LogCompaction {
    private final Optional<Checkpoint> kept;
    private final Retention retention;

    /** @param clock wall time: ages count from when a segment was closed */
    public LogCompaction(FileOps files, Path directory, Duration compressAfter, Duration keep, InstantSource clock)
            throws IOException {
        this.kept = Checkpoint.find(files, directory);
        this.retention = new Retention(files, directory, Inbox.SEGMENT_PREFIX, compressAfter, Inbox.kept(keep), clock);
    }

    /** Everything up to this sequence is decided and recorded; empty if that is not known. */
    public OptionalLong decidedUpTo() {
        return kept.map(mark -> OptionalLong.of(mark.mark())).orElse(OptionalLong.empty());
    }

    /** Everything that is due, in the order of the steps. */
    public List<Due> plan() throws IOException {
        return retention.plan(decidedUpTo().orElse(0));
    }

    /** What is past its retention and stays, since it is not known to be decided. */
    public List<Due> undecided() throws IOException {
        List<Due> due = plan();
        return retention.plan(Long.MAX_VALUE).stream()
                .filter(segment -> segment.what() == Retention.Done.REMOVED && !due.contains(segment))
                .toList();
    }

    /** Compresses or removes one segment, the first of the plan; false if nothing is due. What it removes is noted before. */
    public boolean step() throws IOException {
        long decided = decidedUpTo().orElse(0);
        OptionalLong removed = retention.wouldRemoveUpTo(decided);
        if (removed.isPresent() && kept.isPresent()) {
            kept.get().keepRemoved(removed.getAsLong());
        }
        return retention.step(decided) != Retention.Done.NOTHING;
    }
}
