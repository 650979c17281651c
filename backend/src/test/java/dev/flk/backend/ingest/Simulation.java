// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.dedup.GuardedStore;
import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.ingest.IngestService.Ready;
import dev.flk.backend.ingest.Outcome.Decided;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.backend.limit.RateLimit;
import dev.flk.backend.metrics.Meters;
import dev.flk.certificate.Certificate;
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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A backend's ingest in one thread, on a simulated disk, store and clock: whoever drives it takes every step, and decides what fails
 * and when it dies. Every answer is held against the world's model of what was acknowledged.
 */
final class Simulation {
    static final Duration TTL = Duration.ofDays(14);

    private static final Path DIRECTORY = Path.of("log");

    final SimulatedDisk disk;
    final BackendClock clock;
    private final World world;
    private final Random random;
    private final Function<String, SimulatedDedup> stores;
    private final Ready ready;
    private final Meters meters = new Meters("simulated");
    private final Set<String> conflicts = new HashSet<>();

    private Policy policy = Policy.defaults();
    private @Nullable SimulatedDedup store;
    private @Nullable IngestService ingest;
    private @Nullable LogCare care;

    /** @param stores gives the store for the log of this id */
    Simulation(Random random, World world, Function<String, SimulatedDedup> stores, Ready ready) {
        this.random = random;
        this.world = world;
        this.disk = new SimulatedDisk(random);
        this.clock = world.clock();
        this.stores = stores;
        this.ready = ready;
    }

    /** A start; throws what a start throws. */
    void start() throws IOException {
        world.trace("start");
        clock.processStarted();
        DecisionRules rules = new DecisionRules(policy, TTL);
        LogOptions options = LogOptions.of(DIRECTORY, "inbox", rules.context())
                .with(LogSizes.usual().withFillAhead(0).withSegments(20_000, Duration.ofDays(1)));
        Inbox inbox = Inbox.open(options, 0, disk, clock::now, world::nanos, random, meters);
        store = stores.apply(inbox.logId());
        store.expiresBy(clock.expiry());
        ingest = IngestService.open(
                inbox,
                new IngestService.Parts(
                        new RateLimit(BigDecimal.valueOf(1_000_000), 1_000_000, world::nanos),
                        SignatureCheck.hmac(List.of(Pcs.KEY)),
                        rules,
                        Duration.ZERO,
                        clock::now,
                        clock.expiry(),
                        world::nanos,
                        new GuardedStore("the store", store, world::nanos, random, meters),
                        meters),
                ready);
        care = ingest.logCare(disk, TTL);
    }

    /** The process dies; the store loses what it had not flushed. */
    void kill() {
        world.trace("killed");
        ingest = null;
        world.answers.processDied();
        disk.kill();
        if (store != null) {
            store.processDied();
        }
    }

    /** The machine dies. */
    void losePower() {
        world.trace("power lost");
        kill();
        disk.losePower();
    }

    boolean isRunning() {
        return ingest != null;
    }

    void changePolicy(Policy to) {
        policy = to;
    }

    double metric(String sample) {
        return IngestHarness.sample(meters, sample);
    }

    boolean isUp() {
        return ingest != null && ingest.isUp();
    }

    /** What arrives in one turn; each answer is checked when it comes, in whatever step. */
    List<AtomicReference<Outcome>> submit(Pcs... turn) {
        // two that are equal in everything, arrival included, would both be told to be the first
        world.advance(Duration.ofMillis(1));
        List<AtomicReference<Outcome>> outcomes = new ArrayList<>();
        List<Submission> submissions = new ArrayList<>();
        for (Pcs pcs : turn) {
            AtomicReference<Outcome> outcome = new AtomicReference<>();
            SimulatedDedup asked = store;
            Optional<Recorded> stood = asked.standing(pcs.id());
            outcomes.add(outcome);
            world.trace(() -> "submit " + shortName(pcs));
            world.answers.submitted(pcs.id(), clock.now().toEpochMilli());
            submissions.add(new Submission(pcs.bytes(), answer -> {
                world.check(() -> assertThat(outcome.getAndSet(answer))
                        .as("answered once")
                        .isNull());
                world.trace(() -> "  answer " + shortName(pcs) + " "
                        + (answer instanceof Decided decided
                                ? decided.relation() + " " + decided.status()
                                : answer.toString()));
                world.check(() -> world.answers.check(pcs.id(), stood, answer, asked));
                if (answer instanceof Decided decided && decided.relation() == Relation.CONFLICT) {
                    conflicts.add(pcs.id() + " " + digestOf(pcs.bytes()));
                }
            }));
        }
        ingest.submit(submissions);
        return outcomes;
    }

    private static String shortName(Pcs pcs) {
        return pcs.id().toString().substring(0, 6) + " "
                + Integer.toHexString(pcs.json().hashCode());
    }

    boolean stepWriter() {
        world.trace("writer");
        boolean done = ingest.stepWriter();
        if (disk.isDead()) {
            throw new SimulatedDisk.Killed(); // the writer takes it for one more failure
        }
        return done;
    }

    boolean stepRecorder() {
        world.trace("recorder");
        return ingest.stepRecorder();
    }

    /** What a timer does. */
    void tick() {
        world.trace("tick");
        ingest.tick();
        stepRecorder();
    }

    /** One step of looking after the log, which believes the clock that is given in. */
    void stepLogCare() throws IOException {
        world.trace("log care");
        care.keepMark();
        care.step();
    }

    /** Nobody waits for days: everybody is answered, with whatever it is. */
    void answerAll() {
        boolean moved = true;
        while (moved) {
            boolean written = stepWriter();
            moved = stepRecorder() || written;
        }
    }

    /** One step of what is under way; false if nothing is. */
    boolean step() {
        boolean written = stepWriter();
        boolean recorded = stepRecorder();
        return store.step() || written || recorded;
    }

    /** Takes steps until there is nothing to do; time passes while a store that can be reached is not tried. */
    void settle() {
        int idle = 0;
        for (int i = 0; idle < 3; i++) {
            assertThat(i).as("it comes to an end").isLessThan(10_000);
            if (step()) {
                idle = 0;
            } else {
                if (!isUp() && store.isReachable()) {
                    world.advance(Duration.ofMillis(100));
                } else {
                    idle++;
                }
                tick();
            }
        }
    }

    /** Asks for an outcome; what is told is held against what was acknowledged. */
    void lookUp(PcsId id) {
        boolean known = world.answers.acknowledged().containsKey(id);
        ingest.lookUp(id, answer -> {
            world.trace(() -> "  look-up " + answer);
            if (known && answer instanceof Ingest.LookUp.Unknown) {
                world.check(() -> assertThat(world.answers.acknowledged())
                        .as("an acknowledged outcome is unknown")
                        .doesNotContainKey(id));
            }
        });
    }

    /** What the log holds, for a trace. */
    void traceLog() throws IOException {
        for (LogRecord record : log()) {
            world.trace(() -> "log " + record.sequence() + " " + record.kind() + " " + record.arrivalMillis() + " "
                    + new String(record.body(), StandardCharsets.UTF_8).substring(0, 24));
        }
    }

    /** With nothing failing: all that was acknowledged is there, unchanged, and all that is in the log is decided. */
    void audit() throws IOException {
        assertThat(ingest.pending()).as("everything in the log is decided").isZero();
        auditAnswers();
        assertThat(undecided()).as("in the log and not decided").isEmpty();
    }

    /** The same of what was answered only, where the log has a gap that nobody minds. */
    void auditAnswers() {
        for (Recorded recorded : world.answers.acknowledged().values()) {
            auditOne(recorded);
        }
        world.requireUnbroken();
    }

    private void auditOne(Recorded recorded) {
        AtomicReference<Ingest.LookUp> found = new AtomicReference<>();
        ingest.lookUp(recorded.id(), found::set);
        while (found.get() == null) {
            assertThat(store.step()).as("a look-up is answered").isTrue();
        }
        assertThat(found.get()).as("%s is lost", recorded.id()).isInstanceOf(Ingest.LookUp.Found.class);
        assertThat(((Ingest.LookUp.Found) found.get()).body())
                .as("%s changed", recorded.id())
                .isEqualTo(recorded.body());
    }

    long pending() {
        return ingest.pending();
    }

    /** Ids of submissions in the log that have not expired. */
    Set<PcsId> submittedIds() throws IOException {
        Set<PcsId> ids = new HashSet<>();
        for (LogRecord record : log()) {
            if (record.kind() == RecordKind.SUBMISSION && standsForEverybody(record)) {
                ids.add(idOf(record));
            }
        }
        return ids;
    }

    /** Not expired, and not about to, by any clock. */
    private boolean standsForEverybody(LogRecord submission) {
        return submission.arrivalMillis() + TTL.toMillis() > world.latestMillis() + world.clocksApartMillis();
    }

    /** Contents in the log, each with its id. */
    Set<String> loggedContents() throws IOException {
        Set<String> logged = new HashSet<>();
        for (LogRecord record : log()) {
            if (record.kind() != RecordKind.OVERRULED) {
                logged.add(idOf(record) + " " + digestOf(record.body()));
            }
        }
        return logged;
    }

    /** Contents that were answered with a conflict: they are in the log, or in that of a backend on the same store. */
    Set<String> conflicts() {
        return conflicts;
    }

    /** Whether nothing was removed from the log, past its retention. */
    boolean isLogWhole() throws IOException {
        List<LogRecord> log = log();
        return log.isEmpty() || log.get(0).sequence() == 1;
    }

    /**
     * Nobody else uses the store: what overruled a submission stands before it in the log. Unless the submission had expired, and a clock
     * that went back lets it stand again.
     */
    void assertFirstOfTheLogWon() throws IOException {
        Map<String, Long> first = new HashMap<>();
        Map<Long, Long> expiries = new HashMap<>();
        for (LogRecord record : log()) {
            if (record.kind() == RecordKind.SUBMISSION) {
                first.putIfAbsent(
                        idOf(record) + " " + digestOf(record.body()) + " " + record.arrivalMillis(), record.sequence());
                expiries.put(record.sequence(), record.arrivalMillis() + TTL.toMillis());
            } else if (record.kind() == RecordKind.OVERRULED) {
                Overruled lost = Overruled.decode(record.body());
                long arrival = lost.standing().expiresAtMillis() - TTL.toMillis();
                Long winner = first.get(
                        lost.standing().id() + " " + lost.standing().digest().hex() + " " + arrival);
                if (winner == null && !isLogWhole()) {
                    continue; // removed after its retention
                }
                assertThat(winner)
                        .as("what overruled record %s", lost.sequence())
                        .isNotNull();
                if (expiries.getOrDefault(lost.sequence(), 0L) > arrival + world.clocksApartMillis()) {
                    assertThat(winner).isLessThan(lost.sequence());
                }
            }
        }
    }

    /** Ids of submissions in the log that neither lost nor expired, and for which the store has nothing. */
    private Set<PcsId> undecided() throws IOException {
        Map<Long, PcsId> open = new HashMap<>();
        for (LogRecord record : log()) {
            if (record.kind() == RecordKind.SUBMISSION && standsForEverybody(record)) {
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
        return certificate(record.body()).id();
    }

    private static String digestOf(byte[] body) {
        return certificate(body).contentDigest().hex();
    }

    private static Certificate certificate(byte[] body) {
        try {
            return CertificateReader.parse(body).checkIgnoringClock();
        } catch (MalformedCertificate e) {
            throw new AssertionError(e);
        }
    }
}
