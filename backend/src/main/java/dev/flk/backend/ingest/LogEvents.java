// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.backend.metrics.Meters;
import dev.flk.wal.LogListener;
import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What the inbox log's writer tells, for metrics, log lines and the recorder. */
final class LogEvents implements LogListener {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    private final ForcedGroups groups;
    private final Meters meters;
    private volatile Flush flush = () -> {};

    /** Makes durable what was decided. */
    @FunctionalInterface
    interface Flush {
        void run() throws IOException;
    }

    LogEvents(ForcedGroups groups, Meters meters) {
        this.groups = groups;
        this.meters = meters;
    }

    /** What is to be done before the log goes on without a segment that somebody took away. */
    void whenVanished(Flush toDo) {
        flush = toDo;
    }

    @Override
    public void vanished(String segment, @Nullable String renamedTo) throws IOException {
        if (renamedTo != null) {
            LOG.info("log segment {} was renamed and is now {}; the log goes on in a new segment", segment, renamedTo);
        } else {
            LOG.error(
                    "log segment {} was moved, removed or emptied while it was written to; the log goes on in a new segment."
                            + " Put it back if it was moved. logrotate may rename segments, but 'copytruncate' destroys them",
                    segment);
            flush.run();
            return;
        }
        try {
            flush.run(); // logrotate forces nothing to disk
        } catch (IOException | StoreUnavailableException e) {
            LOG.warn("what {} holds could not be made durable in the store as well: {}", renamedTo, e.getMessage());
        }
    }

    @Override
    public void forced(int records, long segmentBytes, long nanos) {
        meters.walFsync.observeNanos(nanos);
    }

    @Override
    public void failed(IOException cause) {
        LOG.error("WAL append error: {}", cause.getMessage());
    }

    @Override
    public void groupEnded() {
        groups.groupEnded();
    }

    @Override
    public void opened(String segment) {
        LOG.info("log segment {} opened", segment);
    }
}
