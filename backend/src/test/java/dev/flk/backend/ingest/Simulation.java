// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.keys.SignatureRefusal;
import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.backend.copy.SteppedCopy;
import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.RecordKind.LoggedId;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.follow.DecidedQueue;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.Inbox.Marked;
import dev.flk.backend.inbox.LogCare;
import dev.flk.backend.inbox.SafeEnd;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.outcomes.GuardedStore;
import dev.flk.backend.outcomes.GuardedStore.StoreMetrics;
import dev.flk.certificate.PcsId;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.program.time.SteadyClock;
import dev.flk.sample.Pcs;
import dev.flk.signing.SignatureCheck;
import dev.flk.verification.Policy;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The ingest of a backend in one thread, with a simulated disk, store and clock. The test driver takes every step and
 * decides what fails and when the process dies. Every answer is compared with the world's model of the acknowledged
 * outcomes.
 */
final class Simulation {
    static final Duration TTL = Duration.ofDays(14);

    /** The free space below which submissions are refused. While less than twice of it is left, nothing is recorded. */
    static final long MIN_FREE_BYTES = 7;

    private static final Path DIRECTORY = Path.of("log");

    /** The number of waits, while the store is reachable, after which missing segments are put back. */
    private static final int PATIENCE = 60;

    SimulatedDisk disk;
    final World.Clock clock;
    final InboxFiles files;
    private final World world;
    private final Random random;
    private final Function<String, SimulatedDedup> stores;
    private final Ready ready;
    private final Metrics metrics = new Metrics("simulated");
    final IngestMetrics ingestMetrics = new IngestMetrics(metrics, new RefusedSubmissions(metrics), 256);
    private final StoreMetrics storeMetrics = new StoreMetrics(metrics);
    private final Set<String> conflicts = new HashSet<>();

    /** The limits from the next start on; the usual ones refuse nothing. */
    Limits.Sizes limits = new Limits.Sizes(BigDecimal.valueOf(1_000_000), 1_000_000, null, BigDecimal.ZERO, 1, 1);

    Function<Metrics, Signatures> signatures = unused -> Signatures.anyOf(0, SignatureCheck.hmac(List.of(Pcs.KEY)));
    Duration maxClockSkew = Duration.ZERO;
    /** Whether another backend has newer keys. */
    boolean newerKeysElsewhere;

    Predicate<String> isForgotten = log -> false;
    Consumer<List<DecidedSubmission>> whenRecorded = decided -> {};
    private Metrics processMetrics = new Metrics("of one process");
    private Policy policy = Policy.defaults();
    private @Nullable SimulatedDedup store;
    private @Nullable Running running;
    private @Nullable SimulatedRecord record;
    private @Nullable SimulatedArchive archive;
    private @Nullable SimulatedCopy copy;

    /** The process from which the running one took the log; null if there is none or it has ended. */
    private @Nullable Running displaced;

    private int waits;

    private record Running(
            IngestPipeline ingest,
            Inbox inbox,
            LogCare care,
            SteadyClock clock,
            SimulatedDedup store,
            SimulatedDisk disk,
            DecisionRules rules,
            @Nullable SteppedCopy copying) {}

    /** A step of a process. */
    interface Step {
        void take() throws IOException;
    }

    /** Creates a backend whose store must be complete before it starts. */
    Simulation(World world, SimulatedDedup store) {
        this(new Random(1), world, logId -> store, Ready.WHEN_STORE_IS_COMPLETE);
    }

    /** @param stores returns the store for a log id */
    Simulation(Random random, World world, Function<String, SimulatedDedup> stores, Ready ready) {
        this.random = random;
        this.world = world;
        this.disk = new SimulatedDisk(random);
        this.clock = world.clock();
        this.files = new InboxFiles(world, disk, DIRECTORY);
        this.stores = stores;
        this.ready = ready;
    }

    /** Keeps a record of the outcomes from the next start on; {@code choices} decides what happens to it. */
    SimulatedRecord keepRecord(Random choices) {
        record = new SimulatedRecord(world, choices, disk, files);
        return record;
    }

    /** Archives the log from the next start on, so that its disk may be lost. */
    void keepArchive() {
        archive = new SimulatedArchive(world, random, disk, DIRECTORY, files);
    }

    /** Copies the log to a topic from the next start on, so that its disk may be lost, and put back to an older one. */
    void keepCopy(boolean isRequired) {
        copy = new SimulatedCopy(world, random, clock, isRequired);
    }

    /** Starts a process. */
    void start() throws IOException {
        world.trace("start");
        clock.processStarted();
        processMetrics = new Metrics("of one process");
        DecisionRules rules = new DecisionRules(policy, TTL);
        LogOptions options = LogOptions.of(DIRECTORY, "inbox", rules.context())
                .with(LogSizes.usual().withFillAhead(0).withSegments(20_000, Duration.ofDays(1)));
        ForcedQueue forced = new ForcedQueue(ingestMetrics);
        SteppedCopy copying = copy == null ? null : copy.prepare(disk);
        Inbox inbox = Inbox.open(
                options, MIN_FREE_BYTES, disk, clock.steady(), world::nanos, random, Optional::empty, forced);
        world.advance(Duration.ZERO); // the clock's check at the start shows by which time outcomes expire
        if (copying != null) {
            copy.follow(copying, inbox);
        }
        world.trace(() -> "  log: " + sequencesSoFar());
        store = stores.apply(inbox.logId());
        store.startsWith(inbox.logId());
        store.expiresBy(clock.steady().expiry());
        if (archive != null) {
            archive.follow(options, inbox.log());
            assertThat(inbox.last()).as("sequences are not used again").isGreaterThanOrEqualTo(archive.used());
        }
        DecidedQueue queue = new DecidedQueue();
        GuardedStore guarded = new GuardedStore("the store", store, world::nanos, random, storeMetrics);
        IngestPipeline ingest = new IngestPipeline(new IngestPipeline.Wiring(
                inbox,
                forced,
                guarded,
                new IngestPipeline.Checks(
                        new Limits(limits, world::nanos, processMetrics),
                        signatures.apply(processMetrics),
                        rules,
                        maxClockSkew,
                        then -> then.accept(newerKeysElsewhere)),
                clock.steady(),
                world::nanos,
                ingestMetrics,
                Audit.none(),
                copying == null ? SafeEnd.ON_DISK : copying.safeEnd(() -> copy.await(copying)),
                log -> isForgotten.test(log),
                record == null ? decided -> whenRecorded.accept(decided) : record.whenRecorded(queue)));
        ingest.open(ready);
        LogCare care = new LogCare(inbox, guarded::sync, ingest::recordedUpTo, disk, TTL, clock.steady());
        if (copying != null) {
            care.waitForCopy(copying.log()::copiedUpTo);
        }
        running = new Running(ingest, inbox, care, clock.steady(), store, disk, rules, copying);
        if (record != null) {
            record.follow(inbox, queue, care);
        }
    }

    CompletableFuture<Long> logReviews(List<byte[]> bodies) {
        return running.ingest().logReviews(bodies);
    }

    IngestPipeline ingest() {
        return running.ingest();
    }

    Inbox inbox() {
        return running.inbox();
    }

    DecidedLog decidedLog() {
        return new DecidedLog(running.inbox(), disk);
    }

    private void perhapsStepRecord() {
        if (record != null && !running.equals(displaced)) {
            record.perhapsStep();
        }
    }

    /**
     * Simulates an operator who removes the lock of the log and starts a second process right before a future disk
     * operation, while the first process continues. Does nothing if the first process has ended by then, if the store
     * can't be reached, or if segments are missing.
     *
     * @param operation the number of disk operations that precede it; 0 selects the next operation
     * @param copies whether to replace the log's directory by a copy instead of removing the lock
     */
    void displaceBefore(long operation, boolean copies) {
        Running first = running;
        disk.meddleBefore(operation, () -> {
            if (first.equals(running) && displaced == null && store.isReachable() && !files.isAnyAway()) {
                world.check(() -> displace(copies));
            }
        });
    }

    private void displace(boolean copies) {
        world.trace("the log is taken by a second process");
        if (copies) {
            disk.replaceByCopy();
        } else {
            disk.removeLock();
        }
        disk.failNothing();
        if (record != null) {
            record.processDied();
        }
        Running first = running;
        try {
            start();
        } catch (IOException e) {
            throw new AssertionError("the second process does not start", e);
        }
        displaced = first;
    }

    /**
     * Starts a second process on another machine, while the first one is paused. Does nothing if what was answered may
     * only be on the disk of the first.
     *
     * @param beforeStart run before the second process starts
     */
    void displaceElsewhere(Runnable beforeStart) throws IOException {
        if (displaced != null || disk.isDead() || !copy.mayLose(files.recordsSoFar())) {
            return;
        }
        world.trace("a second process elsewhere");
        if (record != null) {
            record.processDied();
        }
        Running first = running;
        useDisk(copy.moveElsewhere(disk));
        if (random.nextBoolean()) {
            world.advance(Duration.ofMinutes(10));
        }
        beforeStart.run();
        start();
        displaced = first;
    }

    private void useDisk(SimulatedDisk other) {
        disk = other;
        files.use(other);
        if (record != null) {
            record.use(other);
        }
    }

    boolean isDisplaced() {
        return displaced != null;
    }

    /** Runs a step of the process that lost the log; the step may fail. */
    void stepDisplaced(Step step) {
        Running owner = running;
        running = displaced;
        store = displaced.store();
        world.trace("displaced:");
        try {
            step.take();
        } catch (IOException e) {
            world.trace(() -> "  " + e.getMessage());
        } finally {
            running = owner;
            store = owner.store();
        }
    }

    /** Lets the process that lost the log, if there is one, answer all its callers and end. */
    void endDisplaced() {
        if (displaced != null) {
            stepDisplaced(() -> {
                answerAll();
                running.ingest().close();
            });
            displaced = null;
        }
    }

    /** Kills the process; an embedded store loses everything that it has not flushed. */
    void kill() {
        world.trace("killed");
        running = null;
        displaced = null;
        world.answers.processDied();
        disk.kill();
        if (store != null) {
            store.processDied();
        }
        if (record != null) {
            record.processDied();
        }
        if (copy != null) {
            copy.processDied();
        }
    }

    void losePower() {
        world.trace("power lost");
        kill();
        disk.losePower();
    }

    boolean isRunning() {
        return running != null;
    }

    void changePolicy(Policy to) {
        policy = to;
    }

    double metric(String sample) {
        boolean isOfProcess = ScrapedText.text(processMetrics).contains("\n" + sample + " ");
        return ScrapedText.sample(isOfProcess ? processMetrics : metrics, sample);
    }

    /** Checks that the counters add up as the Javadoc of {@link IngestMetrics} says. */
    void assertAccountedFor() {
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

    /** Returns the number of probes with this result. */
    double probes(String result) {
        return metric("flk_probes_total{result=\"" + result + "\",}");
    }

    /** Returns the sender of a connection from this machine. */
    static Submitter sender() {
        return Submitter.from(InetAddress.getLoopbackAddress());
    }

    /** Submits a body that arrives alone, and compares its answer with nothing. */
    AtomicReference<Outcome> send(byte[] body) {
        AtomicReference<Outcome> outcome = new AtomicReference<>();
        running.ingest().submit(List.of(new Submission(body, sender(), outcome::set)));
        return outcome;
    }

    /** Submits a certificate and returns its answer, after everything that is left to do. */
    Outcome submitted(Pcs pcs) {
        AtomicReference<Outcome> outcome = submit(pcs).get(0);
        settle();
        return outcome.get();
    }

    /** Returns the answer to a look-up of a store that answers at once. */
    Optional<Outcome> lookedUp(Pcs pcs) {
        AtomicReference<Optional<Outcome>> answer = new AtomicReference<>();
        running.ingest().lookUp(pcs.id(), false, answer::set);
        return answer.get();
    }

    /** Returns whether the log is not copied, or nothing prevents it at the moment, or the brokers are down. */
    boolean isCopied() {
        return copy == null
                || copy.isDown()
                || !running.copying().log().isOwned()
                || running.copying().log().problem().isEmpty();
    }

    boolean isUp() {
        return running != null && running.ingest().isUp();
    }

    String recording() {
        return running.ingest().recording();
    }

    /** Submits certificates that arrive in one turn; each answer is checked when it arrives. */
    List<AtomicReference<Outcome>> submit(Pcs... turn) {
        // a resubmission of a certificate with the same arrival time would be answered as its first submission
        world.advance(Duration.ofMillis(1));
        List<AtomicReference<Outcome>> outcomes = new ArrayList<>();
        List<Submission> submissions = new ArrayList<>();
        Running asked = running;
        for (Pcs pcs : turn) {
            AtomicReference<Outcome> outcome = new AtomicReference<>();
            SimulatedDedup askedStore = store;
            Optional<StoredOutcome> before = askedStore.existing(pcs.id());
            StoredOutcome own = Outcomes.own(pcs, asked.rules(), asked.clock().millis());
            outcomes.add(outcome);
            world.trace(() -> "submit " + shortName(pcs));
            world.answers.submitted(pcs.id(), asked.clock().millis());
            submissions.add(new Submission(pcs.bytes(), sender(), answer -> {
                world.check(() -> assertThat(outcome.getAndSet(answer))
                        .as("answered once")
                        .isNull());
                world.trace(() -> "  answer " + shortName(pcs) + " "
                        + (answer instanceof Decided decided
                                ? decided.relation() + " " + decided.status()
                                : answer.toString()));
                world.check(() -> world.answers.check(pcs.id(), before, answer, askedStore, own));
                if (asked.equals(displaced)
                        && answer instanceof Decided decided
                        && decided.relation() == Relation.FIRST) {
                    world.check(() -> assertThat(files.contentsSoFar())
                            .as("in the log that a second process took")
                            .contains(InboxFiles.contentOf(pcs.bytes())));
                }
                if (answer instanceof Decided decided && decided.relation() == Relation.CONFLICT) {
                    conflicts.add(InboxFiles.contentOf(pcs.bytes()));
                }
            }));
        }
        running.ingest().submit(submissions);
        return outcomes;
    }

    /** Submits one certificate a day; each is recorded in its own segment. */
    void submitDaily(int firstEpoch, int days) {
        for (int day = 0; day < days; day++) {
            submit(Pcs.number(firstEpoch + day));
            settle();
            world.advance(Duration.ofDays(1));
        }
    }

    /** Returns the names of the log's segments, oldest first. */
    List<String> segments() {
        return disk.names().stream()
                .filter(name -> name.startsWith("inbox-") && name.contains(".wal"))
                .toList();
    }

    private static String shortName(Pcs pcs) {
        return pcs.id().toString().substring(0, 6) + " "
                + Integer.toHexString(pcs.json().hashCode());
    }

    boolean stepWriter() {
        world.trace("writer");
        boolean done = running.ingest().stepWriter();
        if (running.disk().isDead()) {
            throw new SimulatedDisk.Killed(); // the writer handled this exception like any other failure
        }
        perhapsStepRecord();
        return done;
    }

    /** Takes a step of the copying and lets something happen to the topic; does nothing if the log is not copied. */
    void stepCopy() {
        if (running.copying() != null) {
            boolean unused = running.copying().step();
            copy.perhapsStep();
            requireAlive();
        }
    }

    private void requireAlive() {
        if (running.disk().isDead()) {
            throw new SimulatedDisk.Killed();
        }
    }

    private boolean finishCopy() {
        if (running.copying() == null) {
            return false;
        }
        boolean isMore = running.copying().step();
        return copy.step() || isMore;
    }

    /** Lets the brokers be reachable. */
    void settleCopy() {
        if (copy != null) {
            copy.settle();
        }
    }

    /** Sometimes keeps a copy of the disk, or lets the topic lose what it has acknowledged. */
    void perhapsDisturbCopy() {
        if (displaced == null) {
            copy.perhapsKeep(disk);
            if (random.nextInt(150) == 0) {
                copy.loseEntries();
            }
        }
    }

    void stepWatch() {
        world.trace("watch");
        running.ingest().stepWatch();
    }

    boolean stepOutcomeWriter() {
        world.trace("recorder");
        boolean done = running.ingest().stepOutcomeWriter();
        perhapsStepRecord();
        return done;
    }

    /** Does the periodic work of the backend's timers. */
    void tick() {
        world.trace("tick");
        running.ingest().tick();
        stepOutcomeWriter();
    }

    void stepLogCare() throws IOException {
        world.trace("log care");
        running.inbox().keepMark();
        running.inbox().keepTime();
        if (archive != null && !archive.catchUp()) {
            return; // the log care removes nothing that is not archived
        }
        if (record == null) {
            running.care().step();
        } else {
            record.watch(running.inbox().logId(), running.care()::step);
        }
        files.noteRemoved();
    }

    /** Archives all closed segments. */
    void archive() {
        assertThat(archive.catchUp()).as("archived").isTrue();
    }

    /** Sometimes archives a closed segment, or prunes the archive. */
    void perhapsArchive() throws IOException {
        if (archive != null && random.nextInt(4) == 0) {
            archive.step();
        }
        if (archive != null && random.nextInt(50) == 0) {
            archive.prune();
        }
    }

    /** Saves the time, as the timer of the log care does while time passes. */
    void keepTime() {
        try {
            running.inbox().keepTime();
        } catch (IOException e) {
            world.trace(() -> "  " + e.getMessage()); // the timer tries again
        }
    }

    /** Makes the log care wait for a reader at this position. */
    void letRead(LongSupplier upTo) {
        Objects.requireNonNull(running, "started").care().waitFor(upTo, () -> {});
    }

    /** Makes the log care wait for an archive at this position. */
    void letArchive(LongSupplier upTo) {
        Objects.requireNonNull(running, "started").care().waitForCopy(upTo);
    }

    /** Takes steps until all callers are answered, because no caller waits for days. */
    void answerAll() {
        boolean stepped = true;
        for (int i = 0; stepped && i < 1_000; i++) { // a log that can't open a segment tries again in each step
            boolean written = stepWriter();
            written |= finishCopy();
            stepped = stepOutcomeWriter() || written;
        }
    }

    /** Takes one step of the work in progress; returns false if there is none. */
    boolean step() {
        boolean written = stepWriter();
        written |= finishCopy();
        boolean recorded = stepOutcomeWriter();
        return store.step() || written || recorded;
    }

    /**
     * Takes steps until there is nothing left to do; advances the time while the backend is not up although its store
     * is reachable.
     */
    void settle() {
        int idle = 0;
        for (int i = 0; idle < 3; i++) {
            assertThat(i).as("it comes to an end").isLessThan(10_000);
            if (step()) {
                idle = 0;
                if (i % 50 == 49 && !isUp()) { // a log that can't open a segment tries again in each step
                    waitForTheStore();
                    tick();
                }
            } else {
                if ((!isUp() && store.isReachable()) || !isCopied()) {
                    waitForTheStore();
                } else {
                    idle++;
                }
                stepWatch();
                tick();
            }
        }
    }

    /** Lets some time pass. After many waits, puts missing segments back, because the backend may need them. */
    void waitForTheStore() {
        world.advance(Duration.ofMillis(100));
        waits = isUp() ? 0 : waits + 1;
        if (waits > PATIENCE && files.isAnyAway()) {
            files.putBack();
        }
    }

    /** Looks up an outcome; checks that an acknowledged outcome is not answered as unknown. */
    void lookUp(PcsId id) {
        boolean known = world.answers.acknowledged().containsKey(id);
        running.ingest().lookUp(id, false, answer -> {
            world.trace(() -> "  look-up " + answer);
            if (known && answer.isEmpty()) {
                world.check(() -> assertThat(world.answers.acknowledged())
                        .as("an acknowledged outcome is unknown")
                        .doesNotContainKey(id));
            }
        });
    }

    void traceLog() throws IOException {
        for (LogRecord record : log()) {
            world.trace(() -> "log " + record.sequence() + " " + record.kind() + " " + record.arrivalMillis() + " "
                    + new String(record.body(), StandardCharsets.UTF_8).substring(0, 24));
        }
    }

    /**
     * Checks that every acknowledged outcome is unchanged and that every record of the log is decided. No more faults
     * may occur.
     */
    void audit() throws IOException {
        assertThat(running.ingest().pending())
                .as("everything in the log is decided")
                .isZero();
        for (StoredOutcome recorded : world.answers.acknowledged().values()) {
            auditOne(recorded);
        }
        assertThat(files.unbeatenIds())
                .as("in the log")
                .allMatch(id -> store.existing(id).isPresent() || world.answers.isGoneFromALog(id), "decided");
        world.requireUnbroken();
        if (record != null) {
            record.audit();
        }
    }

    private void auditOne(StoredOutcome recorded) {
        AtomicReference<Optional<Outcome>> found = new AtomicReference<>();
        running.ingest().lookUp(recorded.id(), false, found::set);
        while (found.get() == null) {
            assertThat(store.step()).as("a look-up is answered").isTrue();
        }
        assertThat(found.get().orElse(null)).as("%s is lost", recorded.id()).isInstanceOf(Decided.class);
        assertThat(((Decided) found.get().orElseThrow()).body())
                .as("%s changed", recorded.id())
                .isEqualTo(recorded.body());
    }

    /** Returns the contents, with their ids, whose outcomes were answered and are valid. */
    Set<String> answered() {
        return world.answers.acknowledged().values().stream()
                .map(outcome -> outcome.id() + " " + outcome.digest().hex())
                .collect(Collectors.toSet());
    }

    long pending() {
        return running.ingest().pending();
    }

    /**
     * Returns the contents that were answered with a conflict. Each must be in the log of at least one of the backends
     * that share the store, unless it was removed there.
     */
    Set<String> conflicts() {
        return conflicts;
    }

    /** Returns the complete log, including the missing segments. */
    List<LogRecord> log() throws IOException {
        return files.records();
    }

    /** The parts of the missing segments that a start needs. */
    private enum Need {
        NONE,
        /** The missing records are decided, but the store may lack them. */
        PERHAPS,
        ALL
    }

    /**
     * Starts a process on a log that may lack segments, and puts them back when the process asks for them. The process
     * must not start without segments that it needs, and must not ask for segments that it does not need. If the newest
     * segment was moved away and the process died before it noticed, the segment is put back now or never, because
     * nothing on the disk refers to it.
     */
    void startByOperator() throws IOException {
        if (record != null) {
            record.perhapsReplace();
        }
        if (files.isAnyAway() && files.isEndAway()) {
            if (random.nextBoolean()) {
                files.putBack();
            } else {
                removeEnd();
            }
        }
        if (!files.isAnyAway()) {
            start();
            return;
        }
        Need need = need();
        try {
            start();
        } catch (IOException e) {
            if (!(e instanceof DamagedLogException)
                    && !String.valueOf(e.getMessage()).contains("Put back the segments that were moved away")) {
                throw e;
            }
            // records torn by a failed force count as damage if the segments that repeat them are missing, even if no
            // record is needed; a start also asks for a segment if it can't be known whether its records are repeated
            // elsewhere
            if (!(e instanceof DamagedLogException damaged)
                    || (damaged.damage().kind() == Damage.Kind.ABSENT
                            && damaged.damage().missing() > 0)) {
                assertThat(need).as("a start asks: %s", e.getMessage()).isNotEqualTo(Need.NONE);
            }
            kill();
            files.putBack();
            start();
            return;
        }
        assertThat(need).as("a start that asked for nothing").isNotEqualTo(Need.ALL);
    }

    private Need need() throws IOException {
        Optional<Marked> kept = Inbox.marked(disk.copy(), DIRECTORY);
        long decided = kept.map(Marked::decided).orElse(0L);
        long durable = store == null ? 0 : store.durablyCompleteUpTo();
        long recorded = Math.min(kept.map(Marked::mark).orElse(0L), durable);
        Set<Long> missing = sequences(log());
        missing.removeAll(sequences(files.presentRecords()));
        world.trace(() -> "decided up to " + decided + ", recorded up to " + recorded + ", away are " + missing);
        return missing.stream().allMatch(sequence -> sequence <= recorded)
                ? Need.NONE
                : missing.stream().allMatch(sequence -> sequence <= decided) ? Need.PERHAPS : Need.ALL;
    }

    private List<String> sequencesSoFar() {
        return files.recordsSoFar().stream()
                .map(record -> record.sequence() + " "
                        + LoggedId.of(record).map(PcsId::toString).orElse("-"))
                .toList();
    }

    private static Set<Long> sequences(List<LogRecord> records) {
        return records.stream().map(LogRecord::sequence).collect(Collectors.toCollection(HashSet::new));
    }

    /** Removes the end of the log permanently; records of refused submissions may then become visible. */
    void removeEnd() throws IOException {
        Map<String, PcsId> before = idsByRecord(log());
        files.removeEnd();
        Map<String, PcsId> left = idsByRecord(files.presentRecords());
        Map<String, PcsId> changed = new HashMap<>(before);
        changed.putAll(left);
        changed.keySet().removeIf(record -> before.containsKey(record) && left.containsKey(record));
        world.trace(() -> "the log's end is gone: " + changed);
        world.answers.goneFromALog(Set.copyOf(changed.values()), store);
        store.disownPositions();
        if (record != null) {
            record.logLostItsEnd();
        }
    }

    /**
     * Loses the disk of a process that does not run, and restores the log from its archive, or creates a new log if
     * nothing is archived. Outcomes of records that are gone stay valid only while the store has them.
     */
    void loseDisk() throws IOException {
        if (copy != null) {
            replaceDisk();
            return;
        }
        if (!archive.isRestorable() || store == null) {
            return;
        }
        world.trace("the disk is lost");
        Map<String, PcsId> changed = idsByRecord(log());
        archive.loseDiskAndRestore();
        Map<String, PcsId> left = idsByRecord(files.presentRecords());
        Map<String, PcsId> both = new HashMap<>(changed);
        both.keySet().retainAll(left.keySet());
        changed.putAll(left);
        changed.keySet().removeAll(both.keySet());
        world.trace(() -> "gone with the disk: " + changed);
        files.endIsGone();
        world.answers.goneFromALog(Set.copyOf(changed.values()), store);
        if (record != null) {
            record.diskWasLost(changed.values());
        }
    }

    /** Loses the disk of a copied log, or puts an older copy of it back; nothing that was answered is lost with it. */
    private void replaceDisk() throws IOException {
        if (copy.mayLose(files.recordsSoFar())) {
            copy.replace(disk);
        }
    }

    private static Map<String, PcsId> idsByRecord(List<LogRecord> records) {
        return records.stream()
                .collect(Collectors.toMap(
                        record ->
                                record.sequence() + " " + record.arrivalMillis() + " " + Arrays.hashCode(record.body()),
                        record -> LoggedId.of(record).orElseThrow()));
    }
}
