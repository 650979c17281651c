// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.view.LogFollower;
import dev.flk.wal.LogInspector;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.LogReader.LogWalk;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** The view of the inbox log for readers that follow it and process decided records. Safe for any thread. */
public final class DecidedLog implements LogFollower.Source {
    private final Inbox inbox;
    private final LogInspector inspector;

    public DecidedLog(Inbox inbox, FileOps files) {
        this.inbox = inbox;
        this.inspector = new LogInspector(files, inbox.log().directory(), Inbox.SEGMENT_PREFIX);
    }

    /** Returns the id of the log. */
    public String logId() {
        return inbox.logId();
    }

    /**
     * Returns the sequence up to which everything is decided and recorded in the store. After the store was lost and
     * connected again, the sequence may be lower than before, until the store has caught up.
     */
    public long decidedUpTo() {
        return inbox.lowWater().mark();
    }

    /** Returns the sequence of the last record on disk. */
    public long last() {
        return inbox.last();
    }

    /** Returns whether all sequences from {@code first} to {@code last} were declared lost, or skipped by a restore. */
    public boolean areLost(long first, long last) {
        return inbox.records(first, last) == 0;
    }

    /** Returns the parts of a range of missing records that no restore has skipped, in order. */
    public List<Damage> withoutSkips(long first, long last) {
        return inbox.losses().skips().undeclared(new Damage("", 0, first, last));
    }

    /** Returns the sequence of the last record that was on disk when the log was opened. */
    public long lastAtStart() {
        return inbox.lastAtStart();
    }

    /**
     * Returns whether the free disk space is less than twice the space that must stay free.
     *
     * @throws IOException if the free space can't be read
     */
    public boolean isDiskNearlyLow() throws IOException {
        return inbox.isDiskNearlyLow();
    }

    /** Returns why this process no longer owns the log; empty while it does. */
    public Optional<LockLostException> lockLost() {
        return inbox.log().lockLost();
    }

    @Override
    public String newestSegment() {
        return inbox.log().newestSegment();
    }

    /** Returns the first sequences of the segments in order; see {@link LogInspector#beginnings}. */
    public List<Long> beginnings() throws IOException {
        return inspector.beginnings();
    }

    @Override
    public LogWalk walk(long from) {
        return inspector.walk(from);
    }
}
