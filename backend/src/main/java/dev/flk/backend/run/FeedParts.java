// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.feed.FeedConfig;
import dev.flk.backend.feed.FeedFollower;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.wal.files.DiskFiles;
import java.util.Optional;

/** The feed of outcomes. */
final class FeedParts {
    private FeedParts() {}

    /** Starts the feed, which waits for the brokers by itself. */
    static void start(Common common, FeedConfig feed, CertificateParts certificates, Optional<RecordParts> record) {
        DecidedLog log = new DecidedLog(certificates.inbox(), new DiskFiles());
        // segments do not wait for the feed: brokers that are away must not fill the disk of the log
        common.parts()
                .opened(new FeedFollower(
                        log,
                        feed.open(log.logId(), common.instance(), CopyParts.host()),
                        record.flatMap(RecordParts::reviews).orElse(null),
                        common.metrics().feed,
                        System::nanoTime))
                .start();
    }
}
