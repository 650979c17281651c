// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.keys.SignatureRefusal;
import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.follow.FollowerMetrics;
import dev.flk.backend.follow.FollowerMetrics.Follows;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.SafeEnd;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.backend.outcomes.DedupStore;
import dev.flk.backend.outcomes.GuardedStore;
import dev.flk.backend.outcomes.GuardedStore.StoreMetrics;
import dev.flk.backend.outcomes.MemoryStore;
import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.program.time.SteadyClock;
import dev.flk.sample.Pcs;
import dev.flk.signing.SignatureCheck;
import dev.flk.verification.Policy;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.FaultyFiles;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** A complete ingest on a directory, with a real log, a real store and a clock that the test provides. */
final class IngestHarness implements AutoCloseable {
    static final Duration TTL = Duration.ofDays(14);
    static final Duration MAX_CLOCK_SKEW = Duration.ofMinutes(5);
    static final long MIN_FREE_BYTES = 1_000_000;

    final FaultyFiles files = new FaultyFiles();
    final Clock clock;
    private final Metrics metrics = new Metrics("test");
    final IngestMetrics ingestMetrics = new IngestMetrics(metrics, new RefusedSubmissions(metrics), 256);
    final FollowerMetrics recordMetrics = new FollowerMetrics(metrics, Follows.RECORD);
    final FaultyStore store;
    private final GuardedStore guarded;
    private final Inbox inbox;
    final IngestPipeline ingest;

    final Submitter sender = sender();
    /** Whether another backend has newer keys. */
    final AtomicBoolean newerKeysElsewhere = new AtomicBoolean();

    volatile Predicate<String> isForgotten = log -> false;
    volatile Consumer<List<DecidedSubmission>> whenRecorded = decided -> {};

    /** Returns the sender of a connection from this machine. */
    static Submitter sender() {
        return Submitter.from(InetAddress.getLoopbackAddress());
    }

    /** Returns limits with a bucket that is never refilled, and without a limit on failures. */
    private static Limits.Sizes sizes(int burst) {
        return new Limits.Sizes(BigDecimal.ONE, burst, null, BigDecimal.ZERO, 1, 1);
    }

    static final class Clock {
        long millis = Instant.parse("2026-11-20T10:00:00Z").toEpochMilli();
        /** The milliseconds by which the wall clock has been set ahead. */
        long setByMillis;

        Instant wall() {
            return Instant.ofEpochMilli(millis + setByMillis);
        }

        long nanos() {
            return millis * 1_000_000;
        }

        SteadyClock steady() {
            return new SteadyClock(this::wall, this::nanos, MAX_CLOCK_SKEW, TTL);
        }

        InstantSource expiry() {
            return steady().expiry();
        }
    }

    IngestHarness(Path directory, Clock clock) throws IOException {
        this(directory, clock, Policy.defaults(), new MemoryStore(1_000, clock.expiry()), 1_000);
    }

    /** Creates an ingest that accepts these signatures instead of those of the sample key. */
    IngestHarness(Path directory, Clock clock, Function<Metrics, Signatures> signatures) throws IOException {
        this(directory, clock, Policy.defaults(), new MemoryStore(1_000, clock.expiry()), sizes(1_000), signatures);
    }

    /** Creates an ingest with these limits instead of the usual ones. */
    IngestHarness(Path directory, Clock clock, Limits.Sizes limits) throws IOException {
        this(
                directory,
                clock,
                Policy.defaults(),
                new MemoryStore(1_000, clock.expiry()),
                limits,
                unused -> signatures());
    }

    IngestHarness(Path directory, Clock clock, Policy policy, DedupStore dedup, int burst) throws IOException {
        this(directory, clock, policy, dedup, sizes(burst), unused -> signatures());
    }

    private static Signatures signatures() {
        return Signatures.anyOf(0, SignatureCheck.hmac(List.of(Pcs.KEY)));
    }

    private IngestHarness(
            Path directory,
            Clock clock,
            Policy policy,
            DedupStore dedup,
            Limits.Sizes limits,
            Function<Metrics, Signatures> signatures)
            throws IOException {
        this.clock = clock;
        store = new FaultyStore(dedup);
        guarded = new GuardedStore("the store", store, System::nanoTime, new Random(), new StoreMetrics(metrics));
        DecisionRules rules = new DecisionRules(policy, TTL);
        ForcedQueue forced = new ForcedQueue(ingestMetrics);
        inbox = Inbox.open(
                LogOptions.of(directory, "inbox", rules.context())
                        .with(LogSizes.usual().withFillAhead(0)),
                MIN_FREE_BYTES,
                files,
                clock.steady(),
                clock::nanos,
                new Random(),
                () -> dedup instanceof EmbeddedStore embedded ? embedded.logId() : Optional.empty(),
                forced);
        if (dedup instanceof EmbeddedStore embedded) {
            embedded.belongsTo(inbox.logId(), inbox.isNew(), clock.expiry());
        }
        try {
            ingest = new IngestPipeline(new IngestPipeline.Wiring(
                            inbox,
                            forced,
                            guarded,
                            new IngestPipeline.Checks(
                                    new Limits(limits, () -> 0, metrics),
                                    signatures.apply(metrics),
                                    rules,
                                    MAX_CLOCK_SKEW,
                                    then -> then.accept(newerKeysElsewhere.get())),
                            clock.steady(),
                            System::nanoTime,
                            ingestMetrics,
                            Audit.none(),
                            SafeEnd.ON_DISK,
                            log -> isForgotten.test(log),
                            decided -> whenRecorded.accept(decided)))
                    .open(
                            dedup instanceof EmbeddedStore
                                    ? IngestPipeline.Ready.WHEN_STORE_HAS_CAUGHT_UP
                                    : IngestPipeline.Ready.WHEN_STORE_IS_COMPLETE);
        } catch (IOException | RuntimeException e) {
            inbox.close();
            store.close();
            throw e;
        }
        ingest.start();
    }

    Outcome submit(Pcs pcs) {
        return submit(pcs.bytes());
    }

    Outcome submit(byte[] body) {
        return send(body).join();
    }

    CompletableFuture<Outcome> send(Pcs pcs) {
        return send(pcs.bytes());
    }

    CompletableFuture<Outcome> send(byte[] body) {
        CompletableFuture<Outcome> outcome = new CompletableFuture<>();
        ingest.submit(List.of(new Submission(body, sender, outcome::complete)));
        return outcome;
    }

    Optional<Outcome> lookUp(Pcs pcs) {
        CompletableFuture<Optional<Outcome>> answer = new CompletableFuture<>();
        ingest.lookUp(pcs.id(), false, answer::complete);
        return answer.join();
    }

    DecidedLog decidedLog() {
        return new DecidedLog(inbox, new DiskFiles());
    }

    /** Ends the ownership of the log, as the claim of another backend does. */
    void loseLog(LockLostException cause) {
        inbox.log().giveUp(cause);
    }

    /** Returns the value of one sample of the metrics. */
    double metric(String sample) {
        return ScrapedText.sample(metrics, sample);
    }

    static List<LogRecord> logged(Path directory) throws IOException {
        List<LogRecord> records = new ArrayList<>();
        try (LogReader reader = LogReader.open(new DiskFiles(), directory, "inbox", 1, OnDamage.STOP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                records.add(record);
            }
        }
        return records;
    }

    /** Returns the number of probes with this result. */
    double probes(String result) {
        return metric("flk_probes_total{result=\"" + result + "\",}");
    }

    /** Checks that the counters add up as the Javadoc of {@link IngestMetrics} says. */
    private void assertAccountedFor() {
        double sum = Stream.of(
                        "flk_accepted",
                        "flk_escalated",
                        "flk_dedup_hits",
                        "flk_wal_errors",
                        "flk_internal_errors_total",
                        "flk_rate_limited_late_total",
                        "flk_rejected_total{reason=\"malformed\",}",
                        "flk_rejected_total{reason=\"clock\",}",
                        "flk_rejected_total{reason=\"signature\",}",
                        "flk_signature_deferred_total",
                        "flk_unavailable_total{cause=\"dedup store unavailable\",}",
                        "flk_unavailable_total{cause=\"overloaded\",}")
                .mapToDouble(this::metric)
                .sum();
        double probes = Stream.concat(
                        Stream.of("accepted"),
                        Stream.of(SignatureRefusal.values()).map(SignatureRefusal::label))
                .mapToDouble(this::probes)
                .sum();
        assertThat(sum + probes - metric("flk_decided_late_total"))
                .as("every admitted submission is accounted for once")
                .isEqualTo(metric("flk_ingest_total"));
    }

    @Override
    public void close() throws IOException {
        ingest.close();
        store.close();
        assertAccountedFor();
    }
}
