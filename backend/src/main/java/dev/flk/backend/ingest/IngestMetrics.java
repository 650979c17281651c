// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.program.config.Quantities.count;

import dev.flk.backend.access.keys.SignatureRefusal;
import dev.flk.canonical.CanonicalString;
import dev.flk.program.config.Key;
import dev.flk.program.metrics.DiskSpace;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Counts;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.program.metrics.Metrics.Sample;
import dev.flk.program.metrics.Metrics.Timing;
import dev.flk.verification.Verdict;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.stream.Stream;

/**
 * The metrics of ingest. Safe for any thread.
 *
 * <p>Every admitted certificate is counted. When nothing is in flight, {@code flk_ingest_total} + {@code
 * flk_decided_late_total} + {@code flk_refused_early_total} equals the following sum: {@code flk_accepted} + {@code
 * flk_escalated} + {@code flk_dedup_hits} + {@code flk_wal_errors} + {@code flk_internal_errors_total} + {@code
 * flk_rejected_total} (only the reasons malformed, clock and signature) + {@code flk_signature_deferred_total} + {@code
 * flk_rate_limited_late_total} + {@code flk_unavailable_total} (all causes except starting) + {@code
 * flk_probes_total}.
 */
public final class IngestMetrics extends Metrics.Feature {
    public static final Key<Integer> SHARD_METRICS = Key.of(
                    "SHARD_METRICS",
                    count(0, 10_000),
                    "The number of shards with their own metrics, in order of appearance; all others are `(others)`.")
            .or("256");

    /** The bounds of the histogram of fsync times, in seconds, from a fast local disk to a failing disk. */
    private static final double[] FSYNC_SECONDS = {
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5
    };

    static final String PROBE_ACCEPTED = "accepted";

    final RefusedSubmissions refused;

    // the help text describes each metric
    final Count ingest = bareCounter("flk_ingest_total", "Certificates admitted past the rate limiter.");
    final Count accepted =
            bareCounter("flk_accepted", "Certificates decided as accepted (200), duplicates not counted.");
    final Count escalated = bareCounter(
            "flk_escalated", "Certificates decided as escalated or rejected (202), duplicates not counted.");
    final Count dedupHits =
            bareCounter("flk_dedup_hits", "Submissions answered with an outcome that was already recorded.");
    final Count signatureErrors = bareCounter("flk_signature_errors", "Submissions with a bad or missing signature.");
    final Counts<SignatureRefusal> signatureRefused = counter(
            "flk_signature_refused_total",
            "Submissions with a bad or missing signature, by reason.",
            "reason",
            List.of(SignatureRefusal.values()),
            SignatureRefusal::label);
    final Count signatureDeferred = counter(
            "flk_signature_deferred_total",
            "Submissions with a bad or missing signature answered 503, because another backend has newer keys.");
    /** The probes by the verdict on their signature, except those whose examination has failed. */
    final Counts<String> probes = counter(
            "flk_probes_total",
            "Probes of the commands doctor and health of agents, by the verdict on their signature.",
            "result",
            Stream.concat(
                            Stream.of(PROBE_ACCEPTED),
                            Stream.of(SignatureRefusal.values()).map(SignatureRefusal::label))
                    .toList(),
            Function.identity());

    final Count walErrors =
            bareCounter("flk_wal_errors", "Submissions that could not be logged because the disk was failing or full.");
    final Count conflicts =
            counter("flk_conflicts_total", "Submissions whose content differs from the one decided under their id.");
    final Count decidedLate = counter("flk_decided_late_total", "Submissions decided after they were answered 503.");
    final Count overruled =
            counter("flk_overruled_total", "Logged submissions for which another outcome was recorded first.");
    final Count healed = counter(
            "flk_healed_total",
            "Certificates of logs that were given up, which were sent again and are in this backend's log now.");
    final Count reasserted = counter(
            "flk_reasserted_total",
            "Outcomes of the log that were put into the dedup store again unless it still had them.");
    final Count lostOutcomes = counter(
            "flk_lost_outcomes_total",
            "Outcomes that may have been answered and that the dedup store lost and replaced with others.");
    final Shards shards;
    final Timing walFsync =
            timing("flk_wal_fsync_seconds", "Time to force one group of the log to disk.", FSYNC_SECONDS);
    final Gauge dedupUp = gauge("flk_dedup_up", "1 while the dedup store can be used, else 0.");
    final Gauge pending = gauge("flk_inbox_pending", "Certificates in the log that are not yet decided and recorded.");
    final Gauge oldestPendingSeconds =
            gauge("flk_inbox_oldest_pending_seconds", "Age of the oldest certificate that is not yet decided.");
    final Gauge clockBehindSeconds = gauge(
            "flk_clock_behind_seconds",
            "Time by which the clock is behind the time that the backend trusted before its start, else 0.");
    final Gauge walQueueBytes = gauge("flk_wal_queue_bytes", "Bytes that wait for the log's writer.");
    final Gauge walQueueAppends = gauge("flk_wal_queue_appends", "Appends that wait for the log's writer.");
    final Gauge idsInFlight =
            gauge("flk_ids_in_flight", "Ids that are being looked up, logged or recorded, or that wait for the store.");
    final Gauge answeredUnrecorded =
            gauge("flk_answered_unrecorded", "Ids that were answered from the log and are not in the dedup store yet.");
    final Gauge recorderQueueGroups = gauge(
            "flk_recorder_queue_groups", "Groups of logged submissions whose answers wait until they are recorded.");
    final Gauge evidenceEntries =
            gauge("flk_evidence_entries", "Conflicting contents in the index of evidence, which are not logged again.");
    private final Gauge walBytes = gauge("flk_wal_bytes", "Size of the log on disk.");
    private final Gauge walFreeBytes = gauge("flk_wal_free_bytes", "Bytes free on the file system of the log.");

    /** @param mostShards the maximum number of shards that have their own metrics */
    public IngestMetrics(Metrics metrics, RefusedSubmissions refused, int mostShards) {
        super(metrics);
        this.refused = refused;
        shards = new Shards(metrics, mostShards, System::nanoTime);
    }

    /** Connects the gauges of the log's size and of the free space to their source. */
    public void watch(DiskSpace disk) {
        walBytes.watch(disk::usedBytes);
        walFreeBytes.watch(disk::freeBytes);
    }

    /** Returns the number of certificates admitted since the start. */
    public long admitted() {
        return ingest.value();
    }

    /**
     * Outcomes by shard. The first shards since the start are shown separately, and all others are shown together as
     * {@value #OTHERS}. This bounds the memory and the number of labels. Names are escaped as in log lines.
     */
    static final class Shards extends Metrics.Feature {
        private static final String OTHERS = "(others)";

        private final int mostShards;
        private final LongSupplier nanoTicker;
        private final Map<String, Shard> shards = new ConcurrentHashMap<>();
        private final Shard others = new Shard(OTHERS);

        private static final class Shard {
            private final String label;
            private final Map<Verdict.Kind, LongAdder> outcomes = new EnumMap<>(Verdict.Kind.class);
            private volatile double dHat = Double.NaN;
            private volatile long newestNanos;

            Shard(String label) {
                this.label = label;
                for (Verdict.Kind kind : Verdict.Kind.values()) {
                    outcomes.put(kind, new LongAdder());
                }
            }

            boolean isUsed() {
                return outcomes.values().stream().anyMatch(count -> count.sum() > 0);
            }

            Sample sample(double value) {
                return new Sample(List.of(label), value);
            }
        }

        /** @param mostShards the maximum number of shards that are shown separately; 0 to show no shard at all */
        private Shards(Metrics metrics, int mostShards, LongSupplier nanoTicker) {
            super(metrics);
            this.mostShards = mostShards;
            this.nanoTicker = nanoTicker;
            List<String> label = List.of("shard");
            counterFamily(
                    "flk_shard_outcomes_total",
                    "Certificates decided, duplicates not counted.",
                    List.of("shard", "verdict"),
                    () -> samples(shard -> shard.outcomes.entrySet().stream()
                            .map(count -> new Sample(
                                    List.of(shard.label, count.getKey().label()),
                                    count.getValue().sum()))));
            gaugeFamily(
                    "flk_shard_recomputed_d_hat",
                    "D̂ of the shard's newest certificate.",
                    label,
                    () -> samples(shard ->
                            Stream.of(shard.sample(shard.dHat)).filter(sample -> !Double.isNaN(sample.value()))));
            gaugeFamily(
                    "flk_shard_newest_age_seconds",
                    "Time since the shard's newest certificate was decided.",
                    label,
                    () -> samples(shard ->
                            Stream.of(shard.sample(Math.max(0, nanoTicker.getAsLong() - shard.newestNanos) / 1e9))));
        }

        private List<Sample> samples(Function<Shard, Stream<Sample>> ofShard) {
            return mostShards == 0
                    ? List.of()
                    : Stream.concat(shards.values().stream(), Stream.of(others))
                            .filter(Shard::isUsed)
                            .flatMap(ofShard)
                            .toList();
        }

        /**
         * Counts an outcome; not to be called for duplicates.
         *
         * @param dHat the recomputed D̂; NaN if it could not be recomputed
         */
        void decided(String shardId, Verdict.Kind kind, double dHat) {
            Shard shard = shard(shardId);
            shard.newestNanos = nanoTicker.getAsLong();
            if (!Double.isNaN(dHat)) {
                shard.dHat = dHat;
            }
            Objects.requireNonNull(shard.outcomes.get(kind)).increment();
        }

        private Shard shard(String shardId) {
            Shard known = shards.get(shardId);
            if (known != null) {
                return known;
            }
            synchronized (this) {
                return shards.size() < mostShards && !shardId.equals(OTHERS)
                        ? shards.computeIfAbsent(shardId, unused -> new Shard(CanonicalString.escape(shardId)))
                        : others;
            }
        }
    }
}
