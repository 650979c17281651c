// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import dev.flk.http.HttpEvents;
import dev.flk.http.HttpEvents.TlsFailure;
import dev.flk.program.metrics.Exposition;
import io.prometheus.client.Collector;
import io.prometheus.client.CollectorRegistry;
import io.prometheus.client.Counter;
import io.prometheus.client.Histogram;
import io.prometheus.client.Info;
import io.prometheus.client.hotspot.DefaultExports;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.DoubleConsumer;
import java.util.function.DoubleSupplier;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * All metrics of the backend. Every family is exposed from construction on, except those of the JVM ({@link #watchJvm}). Each
 * instance has its own registry. Safe for any thread.
 *
 * <p>Every admitted certificate is counted: when nothing is in flight, {@code flk_ingest_total} is the sum of {@code flk_accepted},
 * {@code flk_escalated}, {@code flk_dedup_hits}, {@code flk_wal_errors}, {@code flk_internal_errors_total},
 * {@code flk_rejected_total} for the reasons malformed, clock and signature, {@code flk_rate_limited_late_total}, and
 * {@code flk_unavailable_total} for all causes except starting, minus {@code flk_decided_late_total} and {@code flk_refused_early_total}.
 */
public final class Meters implements HttpEvents {
    /** The buckets for fsync, from a fast local disk to a failing one. */
    private static final double[] FSYNC_SECONDS = {
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5
    };

    private static final double[] SUBMIT_SECONDS = {
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
    };

    private static final double[] STORE_SECONDS = {
        0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5
    };

    private static final List<String> STATUSES =
            List.of("200", "202", "400", "401", "404", "405", "408", "413", "429", "500", "503");

    private static final String OVERLOADED = "overloaded";

    private static final List<String> UNAVAILABLE_CAUSES = List.of("dedup store unavailable", OVERLOADED, "starting");

    private final CollectorRegistry registry = new CollectorRegistry(true);

    // the help text describes each metric and thus each method below

    public final BareCounter ingest = bare("flk_ingest_total", "Certificates admitted past the rate limiter.");
    public final BareCounter accepted =
            bare("flk_accepted", "Certificates decided as accepted (200), duplicates not counted.");
    public final BareCounter escalated =
            bare("flk_escalated", "Certificates decided as escalated or rejected (202), duplicates not counted.");
    public final BareCounter dedupHits =
            bare("flk_dedup_hits", "Submissions answered with an outcome that was already recorded.");
    public final BareCounter signatureErrors =
            bare("flk_signature_errors", "Submissions with a bad or missing signature.");
    public final BareCounter walErrors =
            bare("flk_wal_errors", "Submissions that could not be logged because the disk was failing or full.");

    public final ShardMeters shards;

    public final Timing walFsync =
            timing("flk_wal_fsync_seconds", "Time to force one group of the log to disk.", FSYNC_SECONDS);
    public final Timing submit =
            timing("flk_submit_seconds", "Time from the last byte of a certificate to its answer.", SUBMIT_SECONDS);

    private final Histogram dedupSeconds = Histogram.build("flk_dedup_seconds", "Time of one call to the dedup store.")
            .labelNames("op")
            .buckets(STORE_SECONDS)
            .register(registry);

    public final Timing dedupReads = new Timing(dedupSeconds.labels("get")::observe);
    public final Timing dedupWrites = new Timing(dedupSeconds.labels("put")::observe);
    public final WatchedGauge inboxPending =
            gauge("flk_inbox_pending", "Certificates in the log that are not yet decided and recorded.");
    public final WatchedGauge inboxOldestPendingSeconds =
            gauge("flk_inbox_oldest_pending_seconds", "Age of the oldest certificate that is not yet decided.");
    public final WatchedGauge dedupUp = gauge("flk_dedup_up", "1 while the dedup store can be used, else 0.");
    public final WatchedGauge postgresPoolActive =
            gauge("flk_postgres_pool_active_connections", "Connections to Postgres in use.");
    public final WatchedGauge postgresPoolIdle =
            gauge("flk_postgres_pool_idle_connections", "Connections to Postgres that are open and idle.");
    public final WatchedGauge postgresPoolWaiting =
            gauge("flk_postgres_pool_waiting", "Reads and writes that wait for a connection to Postgres.");
    public final WatchedGauge postgresPoolMax =
            gauge("flk_postgres_pool_max_connections", "The largest number of connections to Postgres.");
    public final WatchedGauge walBytes = gauge("flk_wal_bytes", "Size of the log on disk.");
    public final WatchedGauge walFreeBytes = gauge("flk_wal_free_bytes", "Bytes free on the file system of the log.");
    public final WatchedGauge httpConnections = gauge("flk_http_connections", "Open HTTP connections.");
    public final WatchedGauge httpRequests =
            gauge("flk_http_requests_in_flight", "Submissions (a batch is one) and look-ups without an answer yet.");
    public final WatchedGauge httpBodyBytes =
            gauge("flk_http_body_bytes", "Bytes of bodies that are being read or whose answers are pending.");
    public final WatchedGauge httpAnswerBytes =
            gauge("flk_http_answer_bytes", "Bytes of answers that are not sent yet.");
    public final WatchedGauge walQueueBytes = gauge("flk_wal_queue_bytes", "Bytes that wait for the log's writer.");
    public final WatchedGauge walQueueAppends =
            gauge("flk_wal_queue_appends", "Appends that wait for the log's writer.");
    public final WatchedGauge idsInFlight =
            gauge("flk_ids_in_flight", "Ids that are being looked up, logged or recorded, or that wait for the store.");
    public final WatchedGauge recorderQueueGroups =
            gauge("flk_recorder_queue_groups", "Forced groups that wait to be recorded.");
    public final WatchedGauge evidenceEntries = gauge("flk_evidence_entries", "Entries in the index of evidence.");
    public final WatchedGauge heldAddresses =
            gauge("flk_held_addresses", "Addresses whose requests are refused unread because of failures.");
    public final WatchedGauge connectedAddresses =
            gauge("flk_connected_addresses", "Addresses that have open connections.");
    public final WatchedGauge keysFileBad = gauge(
            "flk_keys_file_bad", "1 while the keys file can't be used and the keys read before are in force, else 0.");
    public final WatchedGauge keysWatchSeconds = gauge(
            "flk_keys_watch_age_seconds",
            "Time since the last check of the keys file, which runs every second. 0 without a keys file.");
    public final WatchedGauge tlsWatchSeconds = gauge(
            "flk_tls_watch_age_seconds",
            "Time since the last check of the TLS files, which runs every second. 0 without TLS.");
    public final WatchedGauge keysLoadedSeconds =
            gauge("flk_keys_loaded_seconds", "Unix time at which the keys in force were read; 0 without a keys file.");
    public final WatchedGauge keysFirstEndSeconds = gauge(
            "flk_keys_first_end_seconds",
            "Unix time at which the first of the usable keys expires; 0 if none expires.");
    public final WatchedGauge tlsNotAfterSeconds = gauge(
            "flk_tls_not_after_seconds",
            "Unix time until which the backend's TLS certificate and its chain are valid; 0 without TLS.");
    public final WatchedGauge tlsFilesBad = gauge(
            "flk_tls_files_bad",
            "1 while the TLS files can't be used and the certificate read before is in force, else 0.");

    public final WatchedGauge stateUp =
            gauge("flk_state_up", "1 while the state of agents can be used, else 0; NaN if it is off.");
    public final WatchedGauge stateRevision =
            gauge("flk_state_revision", "The newest revision of the state, NaN while it can't be read.");
    public final WatchedGauge stateBytes = gauge("flk_state_bytes", "Size of the state on disk.");
    public final WatchedGauge stateFreeBytes =
            gauge("flk_state_free_bytes", "Bytes free on the file system of the state; NaN if it has none.");
    public final WatchedGauge stateOpenTransactions =
            gauge("flk_state_open_transactions", "Open transactions of the state.");
    public final WatchedGauge stateWatchers =
            gauge("flk_state_watchers", "Running replays of the state, most of which wait for new commits.");
    public final WatchedGauge stateLosses = new WatchedGauge(
                    "flk_state_losses",
                    "Times that the history of the state got a new id because answered commits were or might be missing.",
                    Collector.Type.COUNTER)
            .register(registry);
    public final WatchedGauge stateExpired = new WatchedGauge(
                    "flk_state_expired",
                    "Transactions of the state that were ended because their time was over.",
                    Collector.Type.COUNTER)
            .register(registry);

    public final WatchedGauge recordLagRecords =
            gauge("flk_record_lag_records", "Log records that are decided but not yet in the record of outcomes.");
    public final WatchedGauge recordLagSeconds =
            gauge("flk_record_lag_seconds", "Time since the record of outcomes was last up to date; 0 if it is.");

    private final Counter recordMissed = counter(
            "flk_record_missed_total", "Log records that were removed before they were in the record of outcomes.");
    private final Counter stateCommits =
            counter("flk_state_commits_total", "Commits of clients of the state that were answered.");
    private final Counter stateConflicts =
            counter("flk_state_conflicts_total", "Commits that were refused because a key had another version.");
    private final Counter stateCallsRefused = counter(
            "flk_state_calls_refused_total",
            "Calls to the state that were refused because too many were in flight: in total or for their token (calls),"
                    + " or without a token.",
            "cause",
            List.of("calls", "without_token"));
    private final Counter stateConnectionsRefused = counter(
            "flk_state_connections_refused_total",
            "Connections to the state's port that were closed because there were too many: in total, or of those that"
                    + " have shown a token (connections), or without a token (without_token).",
            "cause",
            List.of("connections", "without_token"));
    private final Timing stateCommit =
            timing("flk_state_commit_seconds", "Time from a client's commit to its answer.", SUBMIT_SECONDS);

    private final Counter tlsFailures = counter(
            "flk_tls_handshake_failures_total",
            "TLS handshakes with clients that failed, by reason.",
            "reason",
            labels(TlsFailure.values(), TlsFailure::label));
    private final Counter auditErrors = counter("flk_audit_errors_total", "Failed writes to the audit log.");
    private final Counter keysFileErrors =
            counter("flk_keys_file_errors_total", "Reads of the keys file that found a mistake.");
    private final Counter retiringKeys =
            counter("flk_retiring_key_submissions_total", "Submissions signed with a retiring key.");
    private final Counter signatureRefused = counter(
            "flk_signature_refused_total",
            "Submissions with a bad or missing signature, by reason.",
            "reason",
            labels(SignatureRefusal.values(), SignatureRefusal::label));
    private final Counter rejected = counter(
            "flk_rejected_total",
            "Submissions that were not accepted, by reason.",
            "reason",
            labels(RejectReason.values(), RejectReason::label));
    private final Counter rateLimited = counter("flk_rate_limited_total", "Submissions answered 429.");
    private final Counter rateLimitedBy = counter(
            "flk_rate_limited_by_total",
            "Submissions answered 429, by limit; a batch that is refused as a whole is one.",
            "limit",
            labels(LimitedBy.values(), LimitedBy::label));
    private final Counter rateLimitedLate = counter(
            "flk_rate_limited_late_total",
            "Submissions answered 429 after the global limit had admitted them; they are in flk_ingest_total.");
    private final Counter addressConnectionsRefused = counter(
            "flk_address_connections_refused_total", "Connections closed at once because their address had too many.");
    private final Counter conflicts =
            counter("flk_conflicts_total", "Submissions whose content differs from the one decided under their id.");
    private final Counter unavailable = counter(
            "flk_unavailable_total",
            "Submissions answered 503, by cause; those refused because of a full disk are in flk_wal_errors.",
            "cause",
            UNAVAILABLE_CAUSES);
    private final Counter decidedLate =
            counter("flk_decided_late_total", "Submissions decided after they were answered 503.");
    private final Counter internalErrors =
            counter("flk_internal_errors_total", "Submissions answered 500 because of a bug.");
    private final Counter refusedEarly = counter(
            "flk_refused_early_total",
            "Submissions (a batch is one) answered 503 overloaded before the rate limiter; they are in"
                    + " flk_unavailable_total, but not in flk_ingest_total.");
    private final Counter connectionsRefused =
            counter("flk_http_connections_refused_total", "Connections closed at once because there were too many.");
    private final Counter slowClients = counter(
            "flk_http_slow_clients_total",
            "Connections closed because they were slow with a body or an answer while memory was scarce.");
    private final Counter overruled =
            counter("flk_overruled_total", "Logged submissions for which another outcome was recorded first.");
    private final Counter reasserted =
            counter("flk_reasserted_total", "Outcomes in the log that were asserted again to the dedup store.");
    private final Counter dedupSetAside =
            counter("flk_dedup_set_aside_total", "Embedded stores that became unusable and were set aside.");
    private final Counter lostOutcomes = counter(
            "flk_lost_outcomes_total",
            "Outcomes that may have been answered and that the dedup store lost and replaced with others.");
    private final Counter answers =
            counter("flk_http_answers_total", "HTTP answers by status; a batch is one.", "status", STATUSES);

    /** @param version the version of this build, for {@code flk_build_info} */
    public Meters(String version) {
        this(version, ShardMeters.USUAL_SHARDS);
    }

    /** @param shardMetrics the number of shards that have their own metrics */
    public Meters(String version, int shardMetrics) {
        shards = new ShardMeters(shardMetrics, System::nanoTime).register(registry);
        stateUp.watch(() -> Double.NaN);
        stateFreeBytes.watch(() -> Double.NaN);
        Info.build("flk_build", "The running build.")
                .register(registry)
                .info("version", version, "java", Runtime.version().toString());
    }

    /** Adds the families of the running JVM: memory, garbage collection, threads and the process. Must be called at most once. */
    public void watchJvm() {
        DefaultExports.register(registry);
    }

    public void recordMissed(long records) {
        recordMissed.inc((double) records);
    }

    public void stateCommitted(long nanos) {
        stateCommits.inc();
        stateCommit.observeNanos(nanos);
    }

    /** Counts a refused call; the cause is {@code calls} or {@code without_token}. */
    public void stateCallRefused(String cause) {
        stateCallsRefused.labels(cause).inc();
    }

    /** Counts a connection that was closed; the cause is {@code connections} or {@code without_token}. */
    public void stateConnectionRefused(String cause) {
        stateConnectionsRefused.labels(cause).inc();
    }

    public void stateConflict() {
        stateConflicts.inc();
    }

    public void dedupSetAside() {
        dedupSetAside.inc();
    }

    @Override
    public void bodyTooLong() {
        rejected(RejectReason.TOO_LARGE);
    }

    @Override
    public void bodyTooSlow() {
        rejected(RejectReason.SLOW);
    }

    public void rejected(RejectReason reason) {
        rejected.labels(reason.label()).inc();
    }

    public void signatureRefused(SignatureRefusal reason) {
        signatureRefused.labels(reason.label()).inc();
    }

    @Override
    public void tlsFailed(TlsFailure reason) {
        tlsFailures.labels(reason.label()).inc();
    }

    public void retiringKeyUsed() {
        retiringKeys.inc();
    }

    public void auditError() {
        auditErrors.inc();
    }

    public void keysFileError() {
        keysFileErrors.inc();
    }

    public void rateLimited(LimitedBy limit) {
        rateLimited.inc();
        rateLimitedBy.labels(limit.label()).inc();
    }

    public void rateLimitedLate() {
        rateLimitedLate.inc();
    }

    public void addressConnectionRefused() {
        addressConnectionsRefused.inc();
    }

    public void unavailable(String cause) {
        unavailable.labels(cause).inc();
    }

    @Override
    public void refusedEarly() {
        refusedEarly.inc();
        unavailable(OVERLOADED);
    }

    @Override
    public void connectionRefused() {
        connectionsRefused.inc();
    }

    @Override
    public void slowClient() {
        slowClients.inc();
    }

    public void decidedLate() {
        decidedLate.inc();
    }

    public void reasserted(long n) {
        reasserted.inc((double) n);
    }

    public void lostOutcome() {
        lostOutcomes.inc();
    }

    public void internalError() {
        internalErrors.inc();
    }

    public void overruled() {
        overruled.inc();
    }

    public void conflict() {
        conflicts.inc();
    }

    @Override
    public void answered(int status) {
        answers.labels(Integer.toString(status)).inc();
    }

    /** Renders all families in OpenMetrics if {@code accept} asks for it, otherwise in the Prometheus text format 0.0.4. */
    public Exposition expose(@Nullable String accept) {
        return exposeAs(Exposition.format(accept));
    }

    /** Renders all families in a format that {@link Exposition#format} returned. */
    public Exposition exposeAs(String contentType) {
        return Exposition.of(registry, contentType);
    }

    private Counter counter(String name, String help) {
        return Counter.build(name, help).register(registry);
    }

    /** Creates a counter that has a sample for each of these values from the start. */
    private Counter counter(String name, String help, String label, List<String> values) {
        Counter counter = Counter.build(name, help).labelNames(label).register(registry);
        values.forEach(counter::labels);
        return counter;
    }

    private static <T> List<String> labels(T[] values, Function<T, String> label) {
        return Stream.of(values).map(label).toList();
    }

    private BareCounter bare(String name, String help) {
        return new BareCounter(name, help).register(registry);
    }

    private WatchedGauge gauge(String name, String help) {
        return new WatchedGauge(name, help, Collector.Type.GAUGE).register(registry);
    }

    private Timing timing(String name, String help, double[] seconds) {
        return new Timing(Histogram.build(name, help).buckets(seconds).register(registry)::observe);
    }

    /**
     * A gauge whose value is read at each scrape. It is 0 until {@link #watch}, so that the family exists from the start.
     */
    public static final class WatchedGauge extends Collector {
        private final String name;
        private final String help;
        private final Type type;
        private volatile DoubleSupplier value = () -> 0;

        WatchedGauge(String name, String help, Type type) {
            this.name = name;
            this.help = help;
            this.type = type;
        }

        /** Makes the gauge read {@code value} on the scraping thread; {@code value} must not block. */
        public void watch(DoubleSupplier value) {
            this.value = value;
        }

        /** Makes the gauge add {@code more} to its current source. */
        public synchronized void add(DoubleSupplier more) {
            DoubleSupplier before = value;
            value = () -> before.getAsDouble() + more.getAsDouble();
        }

        @Override
        public List<MetricFamilySamples> collect() {
            String sampleName = type == Type.COUNTER ? name + "_total" : name;
            var sample = new MetricFamilySamples.Sample(sampleName, List.of(), List.of(), value.getAsDouble());
            return List.of(new MetricFamilySamples(name, type, help, List.of(sample)));
        }
    }

    /**
     * A counter whose sample has exactly the given name. The client library's own counter appends
     * {@code _total} to every name, which would rename {@code flk_accepted}; a sample of unknown type is left as it is in
     * both text formats. Safe for any thread; counting is one striped addition.
     */
    public static final class BareCounter extends Collector {
        private final String name;
        private final String help;
        private final LongAdder count = new LongAdder();

        BareCounter(String name, String help) {
            this.name = name;
            this.help = help;
        }

        /** Counts one. */
        public void increment() {
            count.increment();
        }

        /** Counts {@code n}, which is not negative. */
        public void add(long n) {
            count.add(n);
        }

        /** Returns the count since the start. */
        public long value() {
            return count.sum();
        }

        @Override
        public List<MetricFamilySamples> collect() {
            var sample = new MetricFamilySamples.Sample(name, List.of(), List.of(), count.sum());
            return List.of(new MetricFamilySamples(name, Type.UNKNOWN, help, List.of(sample)));
        }
    }

    /** A histogram of durations, recorded in nanoseconds and shown in seconds. Safe for any thread. */
    public static final class Timing {
        private static final double NANOS_PER_SECOND = 1e9;

        private final DoubleConsumer seconds;

        Timing(DoubleConsumer seconds) {
            this.seconds = seconds;
        }

        /** Records one duration. */
        public void observeNanos(long nanos) {
            seconds.accept(nanos / NANOS_PER_SECOND);
        }
    }

    /** The limit that caused a 429: the label {@code limit} of {@code flk_rate_limited_by_total}. */
    public enum LimitedBy {
        /** The global rate. */
        GLOBAL("global"),
        /** The rate of the key that signed the certificate. */
        KEY("key"),
        /** The rate of the shard. */
        SHARD("shard"),
        /** The failure rate of the address. */
        ADDRESS("address"),
        /** The limit on evidence: no more different contents under a known id can be kept at present. */
        EVIDENCE("evidence");

        private final String label;

        LimitedBy(String label) {
            this.label = label;
        }

        /** Returns the value of the label. */
        public String label() {
            return label;
        }
    }

    /** The reason why a submission was not accepted: the label {@code reason} of {@code flk_rejected_total}. */
    public enum RejectReason {
        /** Answered 400: no certificate, or one that breaks a rule of the format. */
        MALFORMED("malformed"),
        /** Answered 400: {@code sent_at} too far in the future. */
        CLOCK("clock"),
        /** Answered 401. */
        SIGNATURE("signature"),
        /** Answered 413. */
        TOO_LARGE("too_large"),
        /** Answered 408: the body came too slowly. */
        SLOW("slow"),
        /** Answered 202 after verification rejected it. */
        VERIFICATION("verification");

        private final String label;

        RejectReason(String label) {
            this.label = label;
        }

        /** Returns the value of the label. */
        public String label() {
            return label;
        }
    }
}
