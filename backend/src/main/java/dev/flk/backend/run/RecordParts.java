// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.follow.Follower;
import dev.flk.backend.follow.RecordSink;
import dev.flk.backend.follow.VoidedReviews;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.inbox.LoggedBodies;
import dev.flk.backend.outcomes.duckdb.DuckRecord;
import dev.flk.backend.outcomes.record.ChangedShards;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.RecordConfig;
import dev.flk.backend.outcomes.record.RecordConfig.Store;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.outcomes.rows.PostgresRows;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresPool;
import dev.flk.wal.files.DiskFiles;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Optional;

/**
 * The record of outcomes, and what exists only with it.
 *
 * @param bodies the bodies in the log
 * @param follower what applies the log to the record
 */
record RecordParts(RecordedOutcomes outcomes, Reviews reviews, LoggedBodies bodies, Follower follower) {
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    /** Opens the record; empty if this backend keeps none. */
    static Optional<RecordParts> open(Common common, ConfiguredStore store, CertificateParts certificates) {
        return common.config().record().store().map(place -> open(common, rows(common, place, store), certificates));
    }

    private static OutcomeRows rows(Common common, Store place, ConfiguredStore store) {
        if (place instanceof Store.Embedded embedded) {
            return DuckRecord.unopened(embedded.directory(), store.view(embedded.directory()), new SecureRandom());
        }
        if (place instanceof Store.Postgres postgres) {
            PostgresPool pool =
                    new PostgresPool(postgres.server(), common.metrics().pool.of(Pool.RECORD));
            common.metrics().pool.watch(Pool.RECORD, pool);
            return new PostgresRows(pool, new SecureRandom());
        }
        throw new IllegalStateException("unknown place of the record: " + place);
    }

    private static RecordParts open(Common common, OutcomeRows rows, CertificateParts certificates) {
        RecordConfig config = common.config().record();
        DecidedLog log = new DecidedLog(certificates.inbox(), new DiskFiles());
        common.parts().opened(rows);
        ChangedShards changes = common.parts().opened(new ChangedShards(rows, common.clock()));
        common.metrics().changes.watch(changes, config.changeAlert());
        RecordSink sink = new RecordSink(
                log,
                rows,
                config.history(),
                common.steady().expiry(),
                common.metrics().ingest::admitted,
                System::nanoTime,
                new VoidedReviews(certificates.ingest()::logReviews, PATIENCE),
                changes::recorded);
        Follower follower = common.parts()
                .opened(new Follower(
                        sink,
                        log,
                        certificates.decided(),
                        () -> Long.MAX_VALUE,
                        common.metrics().record,
                        System::nanoTime));
        certificates.care().waitFor(follower::position, rows::sync);
        RecordedOutcomes outcomes = new RecordedOutcomes(
                rows,
                rows.areShared() || !certificates.hasSharedStore(),
                sink::incompleteBefore,
                follower::isBehind,
                changes.start());
        Reviews reviews = common.parts()
                .opened(new Reviews(
                        outcomes,
                        new InboxReviews(certificates.ingest(), log, follower),
                        config.reviewAfter(),
                        common.clock(),
                        common.metrics().review))
                .start();
        return new RecordParts(outcomes, reviews, new LoggedBodies(log), follower.start());
    }
}
