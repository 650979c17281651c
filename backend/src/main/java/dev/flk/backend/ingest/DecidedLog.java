// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.wal.FileOps;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogReader.LogWalk;

/** The inbox log as those see it who go behind it and read what was decided. Safe for any thread. */
public final class DecidedLog {
    private final Inbox inbox;
    private final LogInspector inspector;

    DecidedLog(Inbox inbox, FileOps files) {
        this.inbox = inbox;
        this.inspector = new LogInspector(files, inbox.log().directory(), Inbox.SEGMENT_PREFIX);
    }

    /** Whose log it is. */
    public String logId() {
        return inbox.logId();
    }

    /** Everything up to this sequence is decided and recorded in the store; lower again while the store is completed. */
    public long decidedUpTo() {
        return inbox.lowWater().mark();
    }

    /** The last sequence that is on disk. */
    public long last() {
        return inbox.last();
    }

    /** The last sequence that was on disk when the log was opened. */
    public long lastAtStart() {
        return inbox.lastAtStart();
    }

    /** Changes when another segment is the newest: a walk that began before must not be gone on with. */
    public Object newest() {
        return inbox.log().newest();
    }

    /** The records from a sequence on, or from the oldest that there is. The caller closes it. */
    public LogWalk walk(long from) {
        return inspector.walk(from);
    }
}
