// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.metrics.Meters;
import dev.flk.wal.LogListener;
import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What the inbox log's writer tells, for metrics, log lines and the recorder. */
final class LogEvents implements LogListener {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    private final ForcedGroups groups;
    private final Meters meters;

    LogEvents(ForcedGroups groups, Meters meters) {
        this.groups = groups;
        this.meters = meters;
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
