// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.keys.ReloadedKeys.KeysMetrics;
import dev.flk.backend.access.tls.ReloadedTls.TlsMetrics;
import dev.flk.backend.agents.AgentMetrics;
import dev.flk.backend.copy.CopyMetrics;
import dev.flk.backend.feed.FeedMetrics;
import dev.flk.backend.follow.FollowerMetrics;
import dev.flk.backend.follow.FollowerMetrics.Follows;
import dev.flk.backend.inbox.ArchiveMetrics;
import dev.flk.backend.ingest.IngestMetrics;
import dev.flk.backend.ingest.RefusedSubmissions;
import dev.flk.backend.logs.Logs.RegistryMetrics;
import dev.flk.backend.outcomes.GuardedStore.StoreMetrics;
import dev.flk.backend.outcomes.record.ChangedShards.ChangeMetrics;
import dev.flk.backend.outcomes.review.ReviewMetrics;
import dev.flk.backend.serve.HttpMetrics;
import dev.flk.backend.serve.guard.OperatorRefusals;
import dev.flk.backend.stores.postgres.CheckedServer.CheckMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.program.logging.Audit.AuditMetrics;
import dev.flk.program.metrics.Metrics;
import dev.flk.verification.Policy;

/**
 * The metrics of all features except {@code Limits}, which declares its own. They are declared before any feature
 * starts, so that each family is exposed from the first scrape on. If a family appeared only with its first event, a
 * rate over the family would miss that event.
 */
final class BackendMetrics {
    final Metrics all;
    final RefusedSubmissions refused;
    final IngestMetrics ingest;
    final ArchiveMetrics archive;
    final CopyMetrics copy;
    final FeedMetrics feed;
    final HttpMetrics http;
    final OperatorRefusals operatorRefusals;
    final StoreMetrics store;
    final PoolMetrics pool;
    final CheckMetrics postgres;
    final KeysMetrics keys;
    final TlsMetrics tls;
    final AgentMetrics agents;
    final FollowerMetrics record;
    final ReviewMetrics review;
    final ChangeMetrics changes;
    final RegistryMetrics logs;
    final AuditMetrics audit;

    /**
     * @param policy the policy of this backend, which is in force until the backend ends
     * @param mostShards the maximum number of shards that have their own metrics
     */
    BackendMetrics(String version, Policy policy, int mostShards) {
        all = new Metrics(version);
        all.info("flk_policy", "The policy of this backend, by the hash in its outcomes.", "policy", policy.hash());
        refused = new RefusedSubmissions(all);
        ingest = new IngestMetrics(all, refused, mostShards);
        archive = new ArchiveMetrics(all);
        copy = new CopyMetrics(all);
        feed = new FeedMetrics(all);
        http = new HttpMetrics(all, refused);
        operatorRefusals = new OperatorRefusals(all, System::nanoTime);
        store = new StoreMetrics(all);
        pool = new PoolMetrics(all);
        postgres = new CheckMetrics(all);
        keys = new KeysMetrics(all);
        tls = new TlsMetrics(all);
        agents = new AgentMetrics(all);
        record = new FollowerMetrics(all, Follows.RECORD);
        review = new ReviewMetrics(all, mostShards);
        changes = new ChangeMetrics(all);
        logs = new RegistryMetrics(all);
        audit = new AuditMetrics(all);
    }
}
