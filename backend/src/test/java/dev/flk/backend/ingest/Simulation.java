// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.dedup.GuardedStore;
import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.ingest.Outcome.Decided;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.backend.limit.RateLimit;
import dev.flk.backend.metrics.Meters;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.sample.Pcs;
import dev.flk.signing.SignatureCheck;
import dev.flk.verification.Policy;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogReader;
import dev.flk.wal.LogRecord;
import dev.flk.wal.LogSizes;
import dev.flk.wal.OnDamage;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A backend's ingest in one thread, on a simulated disk, store and clock: whoever drives it takes every step, and decides what fails
 * and when it dies. Beside it stands a model of what was acknowledged, which every answer is held against.
 */
final class Simulation {
    static final Duration TTL = Duration.ofDays(14);

    private static final Path DIRECTORY = Path.of("log");

    /** {@code -Dflk.trace=true} tells every step. */
    private static final boolean TRACE = Boolean.getBoolean("flk.trace");

    final SimulatedDisk disk;
    final SimulatedStore store;
    private final Random random;
    private long nowMillis = Instant.parse("2026-11-20T10:00:00Z").toEpochMilli();
    private Policy policy = Policy.defaults();
    private IngestService ingest;
    private LogCare care;
    private final Meters meters = new Meters("simulated");

    /** What was acknowledged and has not expired. */
    private final Map<PcsId, Recorded> acknowledged = new HashMap<>();

    /** What expired in this life; may still be the end of a flight that began before it did, for all who share it. */
    private final Map<PcsId, List<byte[]>> expired = new HashMap<>();

    private long answers;

    Simulation(Random random) {
        this.random = random;
        this.disk = new SimulatedDisk(random);
        this.store = new SimulatedStore(() -> Instant.ofEpochMilli(nowMillis));
    }

    void trace(String what) {
        if (TRACE) {
            System.err.println(Instant.ofEpochMilli(nowMillis) + " " + what);
        }
    }

    /** A start; throws what a start throws. */
    void start() throws IOException {
        trace("start, position " + store.connect());
        DecisionRules rules = new DecisionRules(policy, TTL);
        LogOptions options = LogOptions.of(DIRECTORY, "inbox", rules.context())
                .with(LogSizes.usual().withFillAhead(0).withSegments(20_000, Duration.ofDays(1)));
        GuardedStore guarded = new GuardedStore("the store", store, () -> nowMillis * 1_000_000, random, meters);
        Inbox inbox = Inbox.open(
                options, 0, disk, () -> Instant.ofEpochMilli(nowMillis), () -> nowMillis * 1_000_000, random, meters);
        ingest = IngestService.open(
                inbox,
                new IngestService.Parts(
                        new RateLimit(BigDecimal.valueOf(1_000_000), 1_000_000, () -> nowMillis * 1_000_000),
                        SignatureCheck.hmac(List.of(Pcs.KEY)),
                        rules,
                        Duration.ZERO,
                        () -> Instant.ofEpochMilli(nowMillis),
                        () -> nowMillis * 1_000_000,
                        guarded,
                        meters),
                IngestService.Ready.WHEN_STORE_IS_COMPLETE);
        care = ingest.logCare(disk, TTL, () -> nowMillis * 1_000_000);
    }

    /** The process dies; the store loses what it had not flushed. */
    void kill() {
        trace("killed");
        ingest = null;
        expired.clear();
        disk.kill();
        store.crash();
    }

    /** The machine dies. */
    void losePower() {
        trace("power lost");
        kill();
        disk.losePower();
    }

    boolean isRunning() {
        return ingest != null;
    }

    void advance(Duration by) {
        nowMillis += by.toMillis();
        acknowledged.values().removeIf(recorded -> {
            boolean over = recorded.isExpired(nowMillis);
            if (over) {
                hasExpired(recorded.id(), recorded.body());
            }
            return over;
        });
    }

    long nowMillis() {
        return nowMillis;
    }

    void changePolicy(Policy to) {
        policy = to;
    }

    long answers() {
        return answers;
    }

    double metric(String sample) {
        return IngestHarness.sample(meters, sample);
    }

    /** What arrives in one turn; each answer is checked when it comes, in whatever step. */
    List<AtomicReference<Outcome>> submit(Pcs... turn) {
        List<AtomicReference<Outcome>> outcomes = new ArrayList<>();
        List<Submission> submissions = new ArrayList<>();
        for (Pcs pcs : turn) {
            AtomicReference<Outcome> outcome = new AtomicReference<>();
            Optional<Recorded> stood = store.standing(pcs.id());
            outcomes.add(outcome);
            trace("submit " + shortName(pcs));
            submissions.add(new Submission(pcs.bytes(), answer -> {
                assertThat(outcome.getAndSet(answer)).as("answered once").isNull();
                check(pcs, stood, answer);
            }));
        }
        ingest.submit(submissions);
        return outcomes;
    }

    private void check(Pcs pcs, Optional<Recorded> stood, Outcome answer) {
        answers++;
        trace("  answer " + shortName(pcs) + " "
                + (answer instanceof Decided decided
                        ? decided.relation() + " " + decided.status()
                        : answer.toString()));
        if (!(answer instanceof Decided decided)) {
            assertThat(answer).as("no fault of ours").isNotInstanceOf(Outcome.Broken.class);
            return;
        }
        if (stoodMeanwhile(pcs.id(), stood, decided.body())) {
            return; // what stood when the flight began, though it expired before the answer
        }
        Recorded known = acknowledged.get(pcs.id());
        if (decided.relation() == Relation.FIRST) {
            assertThat(known).as("%s was acknowledged before", pcs.id()).isNull();
        }
        if (known == null) {
            // expired while it waited, or decided before without an answer: what stands now is what counts from here on
            store.standing(pcs.id())
                    .ifPresentOrElse(
                            standing -> {
                                assertThat(decided.body()).isEqualTo(standing.body());
                                acknowledged.put(pcs.id(), standing);
                            },
                            () -> hasExpired(pcs.id(), decided.body()));
        } else {
            assertThat(decided.body()).as("%s changed", pcs.id()).isEqualTo(known.body());
            assertThat(decided.status()).isEqualTo(known.status());
        }
    }

    private void hasExpired(PcsId id, byte[] body) {
        expired.computeIfAbsent(id, key -> new ArrayList<>()).add(body);
    }

    private boolean stoodMeanwhile(PcsId id, Optional<Recorded> stoodAtArrival, byte[] body) {
        stoodAtArrival
                .filter(recorded -> recorded.isExpired(nowMillis))
                .ifPresent(recorded -> hasExpired(id, recorded.body()));
        return expired.getOrDefault(id, List.of()).stream().anyMatch(known -> Arrays.equals(known, body));
    }

    private static String shortName(Pcs pcs) {
        return pcs.id().toString().substring(0, 6) + " "
                + Integer.toHexString(pcs.json().hashCode());
    }

    boolean stepWriter() {
        trace("writer");
        boolean done = ingest.stepWriter();
        if (disk.isDead()) {
            throw new SimulatedDisk.Killed(); // the writer takes it for one more failure
        }
        return done;
    }

    boolean stepRecorder() {
        trace("recorder");
        return ingest.stepRecorder();
    }

    /** What a timer does. */
    void tick() {
        trace("tick");
        ingest.tick();
        stepRecorder();
    }

    /** One step of looking after the log, which believes the clock that is given in. */
    void stepLogCare() throws IOException {
        trace("log care");
        care.step();
    }

    /** Takes steps until there is nothing to do; time passes while a store that can be reached is not tried. */
    void settle() {
        int idle = 0;
        for (int i = 0; idle < 3; i++) {
            assertThat(i).as("it comes to an end").isLessThan(10_000);
            boolean written = stepWriter();
            boolean recorded = stepRecorder();
            if (written || recorded) {
                idle = 0;
            } else {
                if (!ingest.isUp() && store.canBeReached()) {
                    advance(Duration.ofMillis(100));
                } else {
                    idle++;
                }
                tick();
            }
        }
    }

    /** What the log holds, for a trace. */
    void traceLog() throws IOException {
        if (TRACE) {
            for (LogRecord record : log()) {
                trace("log " + record.sequence() + " " + record.kind() + " "
                        + Instant.ofEpochMilli(record.arrivalMillis()) + " "
                        + new String(record.body(), StandardCharsets.UTF_8).substring(0, 24));
            }
        }
    }

    /** With nothing failing: all that was acknowledged is there, unchanged, and all that is in the log is decided. */
    void audit() throws IOException {
        assertThat(ingest.pending()).as("everything in the log is decided").isZero();
        acknowledged.forEach((id, recorded) -> {
            AtomicReference<Ingest.LookUp> found = new AtomicReference<>();
            ingest.lookUp(id, found::set);
            assertThat(found.get()).as("%s is lost", id).isInstanceOf(Ingest.LookUp.Found.class);
            assertThat(((Ingest.LookUp.Found) found.get()).body())
                    .as("%s changed", id)
                    .isEqualTo(recorded.body());
        });
        assertThat(undecided()).as("in the log and not decided").isEmpty();
    }

    /** Ids of submissions in the log that neither lost nor expired, and for which the store has nothing. */
    private Set<PcsId> undecided() throws IOException {
        Map<Long, PcsId> open = new HashMap<>();
        for (LogRecord record : log()) {
            if (record.kind() == RecordKind.SUBMISSION && record.arrivalMillis() + TTL.toMillis() > nowMillis) {
                open.put(record.sequence(), idOf(record));
            } else if (record.kind() == RecordKind.OVERRULED) {
                open.remove(Overruled.decode(record.body()).sequence());
            }
        }
        Set<PcsId> undecided = new HashSet<>(open.values());
        undecided.removeIf(id -> store.standing(id).isPresent());
        return undecided;
    }

    List<LogRecord> log() throws IOException {
        List<LogRecord> records = new ArrayList<>();
        try (LogReader reader = LogReader.open(disk, DIRECTORY, "inbox", 1, OnDamage.STOP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                records.add(record);
            }
        }
        return records;
    }

    private static PcsId idOf(LogRecord record) {
        try {
            return CertificateReader.parse(record.body()).checkIgnoringClock().id();
        } catch (MalformedCertificate e) {
            throw new AssertionError(e);
        }
    }

    Optional<Recorded> acknowledged(Pcs pcs) {
        return Optional.ofNullable(acknowledged.get(pcs.id()));
    }
}
