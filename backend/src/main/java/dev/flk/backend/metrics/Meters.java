// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import dev.flk.http.HttpEvents;
import dev.flk.http.TlsFailure;
import io.prometheus.client.CollectorRegistry;
import io.prometheus.client.Counter;
import io.prometheus.client.Histogram;
import io.prometheus.client.Info;
import io.prometheus.client.exporter.common.TextFormat;
import io.prometheus.client.hotspot.DefaultExports;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Every metric of the backend, each family exposed from the moment of construction but those of the JVM ({@link #watchJvm}). Each instance has a registry of its
 * own. Safe for any thread.
 *
 * <p>What was admitted is accounted for: once nothing is under way, {@code flk_ingest_total} is the sum of {@code flk_accepted},
 * {@code flk_escalated}, {@code flk_dedup_hits}, {@code flk_wal_errors}, {@code flk_internal_errors_total},
 * {@code flk_rejected_total} of the reasons malformed, clock and signature, {@code flk_rate_limited_late_total}, and
 * {@code flk_unavailable_total} of all causes but starting, less {@code flk_decided_late_total} and {@code flk_refused_early_total}.
 */
public final class Meters implements HttpEvents {
    /** From a fast local disk to one that is failing. */
    private static final double[] FSYNC_SECONDS = {
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5
    };

    private static final double[] SUBMIT_SECONDS = {
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
    };

    private static final double[] STORE_SECONDS = {
        0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5
    };

    private static final int[] STATUSES = {200, 202, 400, 401, 404, 405, 408, 413, 429, 500, 503};

    private static final String OVERLOADED = "overloaded";

    private static final List<String> UNAVAILABLE_CAUSES = List.of("dedup store unavailable", OVERLOADED, "starting");

    private final CollectorRegistry registry = new CollectorRegistry(true);

    /** Certificates admitted past the limiter. */
    public final BareCounter ingest = bare("flk_ingest_total", "Certificates admitted past the rate limiter.");

    /** Every 200 decided, not served from the store. */
    public final BareCounter accepted =
            bare("flk_accepted", "Certificates decided as accepted (200), duplicates not counted.");

    /** Every 202 decided, not served from the store. */
    public final BareCounter escalated =
            bare("flk_escalated", "Certificates decided as escalated or rejected (202), duplicates not counted.");

    /** Submissions whose id had been decided before. */
    public final BareCounter dedupHits =
            bare("flk_dedup_hits", "Submissions answered with an outcome recorded before.");

    /** Submissions answered 401. */
    public final BareCounter signatureErrors =
            bare("flk_signature_errors", "Submissions with a bad or missing signature.");

    /** Submissions that a failing or full disk kept out of the log. */
    public final BareCounter walErrors =
            bare("flk_wal_errors", "Submissions that a failing or full disk kept out of the log.");

    /** How long the force of one group took. */
    public final Timing walFsync =
            timing("flk_wal_fsync_seconds", "Time to force one group of the log to disk.", FSYNC_SECONDS);

    /** From the last byte of a certificate's body to its answer. */
    public final Timing submit =
            timing("flk_submit_seconds", "Time from the last byte of a certificate to its answer.", SUBMIT_SECONDS);

    private final Histogram dedupSeconds = Histogram.build("flk_dedup_seconds", "Time of one call to the dedup store.")
            .labelNames("op")
            .buckets(STORE_SECONDS)
            .register(registry);

    /** How long a look-up in the dedup store took, whatever came of it. */
    public final Timing dedupReads = new Timing(dedupSeconds.labels("get")::observe);

    /** How long it took to record a group's outcomes there, whatever came of it. */
    public final Timing dedupWrites = new Timing(dedupSeconds.labels("put")::observe);

    /** Certificates in the log that are not decided and recorded yet. */
    public final WatchedGauge inboxPending =
            gauge("flk_inbox_pending", "Certificates in the log that are not decided and recorded yet.");

    /** The age of the oldest of them. */
    public final WatchedGauge inboxOldestPendingSeconds =
            gauge("flk_inbox_oldest_pending_seconds", "Age of the oldest certificate that is not decided yet.");

    /** 1 while the dedup store can be used, else 0. */
    public final WatchedGauge dedupUp = gauge("flk_dedup_up", "1 while the dedup store can be used, else 0.");

    /** Connections to Postgres that are used just now; these four read 0 with another store. */
    public final WatchedGauge postgresPoolActive =
            gauge("flk_postgres_pool_active_connections", "Connections to Postgres that are used just now.");

    /** Connections to Postgres that are open and unused. */
    public final WatchedGauge postgresPoolIdle =
            gauge("flk_postgres_pool_idle_connections", "Connections to Postgres that are open and unused.");

    /** What waits for a connection to Postgres. */
    public final WatchedGauge postgresPoolWaiting =
            gauge("flk_postgres_pool_waiting", "Reads and writes that wait for a connection to Postgres.");

    /** Connections to Postgres that there may be at most. */
    public final WatchedGauge postgresPoolMax =
            gauge("flk_postgres_pool_max_connections", "Connections to Postgres that there may be at most.");

    /** What the log takes on disk. */
    public final WatchedGauge walBytes = gauge("flk_wal_bytes", "Bytes that the log takes on disk.");

    /** What the file system of the log has left. */
    public final WatchedGauge walFreeBytes = gauge("flk_wal_free_bytes", "Bytes free on the file system of the log.");

    /** Open HTTP connections. */
    public final WatchedGauge httpConnections = gauge("flk_http_connections", "Open HTTP connections.");

    /** Submissions (a batch is one) and look-ups under way. */
    public final WatchedGauge httpRequests =
            gauge("flk_http_requests_in_flight", "Submissions, a batch being one, and look-ups without their answer.");

    /** What request bodies take. */
    public final WatchedGauge httpBodyBytes =
            gauge("flk_http_body_bytes", "Bytes that bodies take that are being read or wait for their answers.");

    /** What answers take. */
    public final WatchedGauge httpAnswerBytes =
            gauge("flk_http_answer_bytes", "Bytes of answers that the network has not taken yet.");

    /** What waits for the log's writer. */
    public final WatchedGauge walQueueBytes = gauge("flk_wal_queue_bytes", "Bytes that wait for the log's writer.");

    /** The appends that wait for the log's writer. */
    public final WatchedGauge walQueueAppends =
            gauge("flk_wal_queue_appends", "Appends that wait for the log's writer.");

    /** Ids that are looked up, logged, recorded, or wait for the store. */
    public final WatchedGauge idsInFlight =
            gauge("flk_ids_in_flight", "Ids being looked up, logged or recorded, or waiting for the store.");

    /** Forced groups that wait for the recorder. */
    public final WatchedGauge recorderQueueGroups =
            gauge("flk_recorder_queue_groups", "Forced groups that wait to be recorded.");

    /** Entries of the index of evidence. */
    public final WatchedGauge evidenceEntries = gauge("flk_evidence_entries", "Contents in the index of evidence.");

    /** Addresses that are refused before anything is read. */
    public final WatchedGauge heldAddresses =
            gauge("flk_held_addresses", "Addresses whose failures are refused before anything is read, just now.");

    /** Addresses with connections. */
    public final WatchedGauge connectedAddresses =
            gauge("flk_connected_addresses", "Addresses that have open connections.");

    /** 1 while the keys file has a mistake. */
    public final WatchedGauge keysFileBad = gauge(
            "flk_keys_file_bad", "1 while the keys file can't be used and keys read before are in force, else 0.");

    /** How long ago somebody looked at the keys file. */
    public final WatchedGauge keysWatchSeconds = gauge(
            "flk_keys_watch_age_seconds",
            "Time since the keys file was looked at last; it is looked at every second. 0 without a keys file.");

    /** How long ago somebody looked at the files of TLS. */
    public final WatchedGauge tlsWatchSeconds = gauge(
            "flk_tls_watch_age_seconds",
            "Time since the files of TLS were looked at last; they are looked at every second. 0 without TLS.");

    /** When the keys in force were read. */
    public final WatchedGauge keysLoadedSeconds =
            gauge("flk_keys_loaded_seconds", "When the keys in force were read, Unix time; 0 without a keys file.");

    /** When the first of the keys ends. */
    public final WatchedGauge keysFirstEndSeconds = gauge(
            "flk_keys_first_end_seconds",
            "When the first of the keys that may sign ends, Unix time; 0 if none of them ends.");

    /** Until when the certificate of TLS is valid. */
    public final WatchedGauge tlsNotAfterSeconds = gauge(
            "flk_tls_not_after_seconds",
            "Until when the backend's certificate of TLS, and what it is shown with, is valid, Unix time; 0 without TLS.");

    /** 1 while the files of TLS have a mistake. */
    public final WatchedGauge tlsFilesBad = gauge(
            "flk_tls_files_bad",
            "1 while the files of TLS can't be used and a certificate read before is in force, else 0.");

    private final Counter tlsFailures = Counter.build(
                    "flk_tls_handshake_failures_total", "TLS handshakes with clients that failed, by reason.")
            .labelNames("reason")
            .register(registry);
    private final Counter auditErrors = Counter.build(
                    "flk_audit_errors_total", "Times that lines of the audit log could not be written.")
            .register(registry);

    private final Counter keysFileErrors = Counter.build(
                    "flk_keys_file_errors_total", "Readings of the keys file that found a mistake.")
            .register(registry);
    private final Counter retiringKeys = Counter.build(
                    "flk_retiring_key_submissions_total", "Submissions signed with a key that is retiring.")
            .register(registry);
    private final Counter signatureRefused = Counter.build(
                    "flk_signature_refused_total",
                    "Submissions with a bad or missing signature, by what was found out.")
            .labelNames("reason")
            .register(registry);
    private final Counter rejected = Counter.build(
                    "flk_rejected_total", "Submissions that were not accepted, by reason.")
            .labelNames("reason")
            .register(registry);
    private final Counter rateLimited =
            Counter.build("flk_rate_limited_total", "Submissions answered 429.").register(registry);
    private final Counter rateLimitedBy = Counter.build(
                    "flk_rate_limited_by_total",
                    "Submissions answered 429, by what held them back; a batch refused whole is one.")
            .labelNames("limit")
            .register(registry);
    private final Counter rateLimitedLate = Counter.build(
                    "flk_rate_limited_late_total",
                    "Submissions answered 429 that the bucket of all had admitted; they are in flk_ingest_total.")
            .register(registry);
    private final Counter addressConnectionsRefused = Counter.build(
                    "flk_address_connections_refused_total",
                    "Connections closed at once, their address having too many.")
            .register(registry);
    private final Counter conflicts = Counter.build(
                    "flk_conflicts_total", "Submissions with other content than the one decided under their id.")
            .register(registry);
    private final Counter unavailable = Counter.build(
                    "flk_unavailable_total",
                    "Submissions answered 503, by cause; those that a full disk kept out are in flk_wal_errors.")
            .labelNames("cause")
            .register(registry);
    private final Counter decidedLate = Counter.build(
                    "flk_decided_late_total", "Submissions decided after they were answered 503.")
            .register(registry);
    private final Counter internalErrors = Counter.build(
                    "flk_internal_errors_total", "Submissions answered 500 through a fault of the program.")
            .register(registry);
    private final Counter refusedEarly = Counter.build(
                    "flk_refused_early_total",
                    "Submissions, a batch being one, answered 503 overloaded before the rate limiter; they are in"
                            + " flk_unavailable_total, and not in flk_ingest_total.")
            .register(registry);
    private final Counter connectionsRefused = Counter.build(
                    "flk_http_connections_refused_total", "Connections closed at once, there being too many.")
            .register(registry);
    private final Counter slowClients = Counter.build(
                    "flk_http_slow_clients_total",
                    "Connections ended for being slow with a body or an answer while memory was short.")
            .register(registry);
    private final Counter overruled = Counter.build(
                    "flk_overruled_total", "Logged submissions for which another outcome was recorded first.")
            .register(registry);
    private final Counter reasserted = Counter.build(
                    "flk_reasserted_total", "Outcomes of the log that were asserted again to the dedup store.")
            .register(registry);
    private final Counter dedupSetAside = Counter.build(
                    "flk_dedup_set_aside_total", "Embedded stores that could not be used any more and were set aside.")
            .register(registry);
    private final Counter lostOutcomes = Counter.build(
                    "flk_lost_outcomes_total",
                    "Outcomes that may have been answered, and for which the dedup store holds another since it lost them.")
            .register(registry);
    private final Counter answers = Counter.build("flk_http_answers_total", "HTTP answers by status; a batch is one.")
            .labelNames("status")
            .register(registry);

    /** @param version what {@code flk_build_info} tells of this build */
    public Meters(String version) {
        for (RejectReason reason : RejectReason.values()) {
            rejected.labels(reason.label());
        }
        for (SignatureRefusal reason : SignatureRefusal.values()) {
            signatureRefused.labels(reason.label());
        }
        for (LimitedBy limit : LimitedBy.values()) {
            rateLimitedBy.labels(limit.label());
        }
        for (TlsFailure reason : TlsFailure.values()) {
            tlsFailures.labels(reason.label());
        }
        for (String cause : UNAVAILABLE_CAUSES) {
            unavailable.labels(cause);
        }
        IntStream.of(STATUSES).forEach(status -> answers.labels(Integer.toString(status)));
        Info.build("flk_build", "The running build.")
                .register(registry)
                .info("version", version, "java", Runtime.version().toString());
    }

    /** Adds the families of the running JVM: memory, garbage collection, threads, the process. Once. */
    public void watchJvm() {
        DefaultExports.register(registry);
    }

    /** Counts an embedded store that was set aside. */
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

    /** Counts a submission that was not accepted. */
    public void rejected(RejectReason reason) {
        rejected.labels(reason.label()).inc();
    }

    /** Counts a submission whose signature was refused, once it is known why. */
    public void signatureRefused(SignatureRefusal reason) {
        signatureRefused.labels(reason.label()).inc();
    }

    @Override
    public void tlsFailed(TlsFailure reason) {
        tlsFailures.labels(reason.label()).inc();
    }

    /** Counts a submission signed with a key that is retiring. */
    public void retiringKeyUsed() {
        retiringKeys.inc();
    }

    /** Counts that lines of the audit log could not be written. */
    public void auditError() {
        auditErrors.inc();
    }

    /** Counts a reading of the keys file that found a mistake. */
    public void keysFileError() {
        keysFileErrors.inc();
    }

    /** Counts a submission answered 429. */
    public void rateLimited(LimitedBy limit) {
        rateLimited.inc();
        rateLimitedBy.labels(limit.label()).inc();
    }

    /** Counts a submission answered 429 after it had been admitted. */
    public void rateLimitedLate() {
        rateLimitedLate.inc();
    }

    /** Counts a connection that was closed since its address had too many. */
    public void addressConnectionRefused() {
        addressConnectionsRefused.inc();
    }

    /** Counts a submission answered 503, but for a full disk that the log met, by its error text. */
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

    /** Counts a submission that was answered 503 and is decided now. */
    public void decidedLate() {
        decidedLate.inc();
    }

    /** Counts outcomes asserted again. */
    public void reasserted(long n) {
        reasserted.inc((double) n);
    }

    /** Counts an answered outcome that lost its assertion. */
    public void lostOutcome() {
        lostOutcomes.inc();
    }

    /** Counts a submission answered with 500 through a fault of ours. */
    public void internalError() {
        internalErrors.inc();
    }

    /** Counts a logged submission for which another outcome stands. */
    public void overruled() {
        overruled.inc();
    }

    /** Counts a submission whose content differs from the one decided under its id. */
    public void conflict() {
        conflicts.inc();
    }

    @Override
    public void answered(int status) {
        answers.labels(Integer.toString(status)).inc();
    }

    /** All families as text, in OpenMetrics if {@code accept} asks for it, else in the Prometheus format 0.0.4. */
    public Exposition expose(@Nullable String accept) {
        return exposeAs(format(accept));
    }

    /** The content type of what {@code accept} asks for; one of two. */
    public static String format(@Nullable String accept) {
        return TextFormat.chooseContentType(accept);
    }

    /** All families as text in a format that {@link #format} gave. */
    public Exposition exposeAs(String contentType) {
        StringWriter text = new StringWriter();
        try {
            TextFormat.writeFormat(contentType, text, registry.metricFamilySamples());
        } catch (IOException e) {
            throw new UncheckedIOException("a StringWriter does not fail", e);
        }
        return new Exposition(contentType, text.toString().getBytes(StandardCharsets.UTF_8));
    }

    private BareCounter bare(String name, String help) {
        return new BareCounter(name, help).register(registry);
    }

    private WatchedGauge gauge(String name, String help) {
        return new WatchedGauge(name, help).register(registry);
    }

    private Timing timing(String name, String help, double[] seconds) {
        return new Timing(Histogram.build(name, help).buckets(seconds).register(registry)::observe);
    }
}
