// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.copy.CopiedLog;
import dev.flk.backend.feed.FeedConfig;
import dev.flk.backend.feed.FeedSink;
import dev.flk.backend.follow.Follower;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.serve.guard.Readiness.Component;
import dev.flk.feed.FeedTopic;
import dev.flk.wal.files.DiskFiles;
import java.util.Optional;
import java.util.function.LongSupplier;

/** The feed of outcomes. */
final class FeedParts {
    private FeedParts() {}

    /** Starts the feed, which waits for the brokers by itself. */
    static Follower start(
            Common common,
            FeedConfig feed,
            CertificateParts certificates,
            Optional<CopiedLog> copied,
            Optional<RecordParts> record) {
        DecidedLog log = new DecidedLog(certificates.inbox(), new DiskFiles());
        long claimTerm = copied.map(CopiedLog::term).orElse(0L);
        // segments do not wait for the feed: brokers that are away must not fill the disk of the log
        FeedTopic topic = common.parts().opened(feed.open(log.logId(), claimTerm, common.instance(), CopyParts.host()));
        return common.parts()
                .opened(FeedSink.follower(
                        log,
                        certificates.decided(),
                        topic,
                        record.<LongSupplier>map(each -> each.follower()::passed)
                                .orElse(() -> Long.MAX_VALUE),
                        common.metrics().feed,
                        System::nanoTime))
                .start();
    }

    /** Returns the state of the feed. The backend is ready without it. */
    static Component component(Follower feed) {
        Optional<String> problem = feed.problem();
        return new Component("feed", problem.isEmpty(), problem.orElse("up"), false);
    }
}
