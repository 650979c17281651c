// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.audit.Audit;
import dev.flk.backend.dedup.GuardedStore;
import dev.flk.backend.dedup.SteadyClock;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.inbox.DecisionRules;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.Inbox.Marked;
import dev.flk.backend.inbox.LogCare;
import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.ingest.Outcome.Decided;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.backend.keys.Signatures;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.metrics.Meters;
import dev.flk.certificate.PcsId;
import dev.flk.sample.Pcs;
import dev.flk.signing.SignatureCheck;
import dev.flk.verification.Policy;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A backend's ingest in one thread, on a simulated disk, store and clock: whoever drives it takes every step, and decides what fails
 * and when it dies. Every answer is held against the world's model of what was acknowledged.
 */
final class Simulation {
    static final Duration TTL = Duration.ofDays(14);

    private static final Path DIRECTORY = Path.of("log");

    /** Who waits so often for a store that answers looks for what is away. */
    private static final int PATIENCE = 60;

    final SimulatedDisk disk;
    final BackendClock clock;
    final MovedSegments moved;
    final WholeLog wholeLog;
    private final World world;
    private final Random random;
    private final Function<String, SimulatedDedup> stores;
    private final Ready ready;
    private final Meters meters = new Meters("simulated");
    private final Set<String> conflicts = new HashSet<>();

    private Policy policy = Policy.defaults();
    private @Nullable SimulatedDedup store;
    private @Nullable Running running;

    /** The process that had the log before the running one took it; null if there is none, or it has ended. */
    private @Nullable Running displaced;

    private int waits;

    /**
     * A process.
     *
     * @param clock the time that it believes
     */
    private record Running(IngestPipeline ingest, Inbox inbox, LogCare care, SteadyClock clock) {}

    /** A step of a process. */
    interface Step {
        void take() throws IOException;
    }

    /** @param stores gives the store for the log of this id */
    Simulation(Random random, World world, Function<String, SimulatedDedup> stores, Ready ready) {
        this.random = random;
        this.world = world;
        this.disk = new SimulatedDisk(random);
        this.clock = world.clock();
        this.moved = new MovedSegments(disk, DIRECTORY, world::trace);
        this.wholeLog = new WholeLog(world, disk, DIRECTORY, moved);
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
        ForcedQueue forced = new ForcedQueue(meters);
        Inbox inbox = Inbox.open(options, 0, disk, clock.steady(), world::nanos, random, Optional::empty, forced);
        store = stores.apply(inbox.logId());
        store.expiresBy(clock.steady().expiry());
        GuardedStore guarded = new GuardedStore("the store", store, world::nanos, random, meters);
        IngestPipeline ingest = new IngestPipeline(
                        inbox,
                        forced,
                        guarded,
                        new Limits(
                                new Limits.Sizes(BigDecimal.valueOf(1_000_000), 1_000_000, null, BigDecimal.ZERO, 1, 1),
                                world::nanos,
                                meters),
                        Signatures.anyOf(SignatureCheck.hmac(List.of(Pcs.KEY))),
                        rules,
                        Duration.ZERO,
                        clock.steady(),
                        world::nanos,
                        meters,
                        Audit.none())
                .open(ready);
        LogCare care = new LogCare(inbox, guarded, ingest::recordedUpTo, disk, TTL, clock.steady());
        running = new Running(ingest, inbox, care, clock.steady());
    }

    /**
     * Right before a coming operation of the disk, somebody removes the lock of the log and starts a second process, while the first one
     * goes on. Nothing happens if the first one has ended by then, if the store can't be reached, or if segments are away.
     *
     * @param operation its number from now, 0 is the next one
     * @param copies whether a copy of the log's directory takes its place, instead
     */
    void displaceBefore(long operation, boolean copies) {
        Running first = running;
        disk.meddleBefore(operation, () -> {
            if (first.equals(running) && displaced == null && store.isReachable() && !moved.isAny()) {
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
        Running first = running;
        try {
            start();
        } catch (IOException e) {
            throw new AssertionError("the second process does not start", e);
        }
        displaced = first;
    }

    boolean isDisplaced() {
        return displaced != null;
    }

    /** The process that lost the log takes a step; that it fails is nobody's concern. */
    void stepDisplaced(Step step) {
        Running owner = running;
        running = displaced;
        world.trace("displaced:");
        try {
            step.take();
        } catch (IOException e) {
            world.trace(() -> "  " + e.getMessage());
        } finally {
            running = owner;
        }
    }

    /** The process that lost the log, if there is one, answers everybody and ends. */
    void endDisplaced() {
        if (displaced != null) {
            stepDisplaced(() -> {
                answerAll();
                running.ingest().close();
            });
            displaced = null;
        }
    }

    /** The process dies; the store loses what it had not flushed. */
    void kill() {
        world.trace("killed");
        running = null;
        displaced = null;
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
        return running != null;
    }

    void changePolicy(Policy to) {
        policy = to;
    }

    double metric(String sample) {
        return IngestHarness.sample(meters, sample);
    }

    boolean isUp() {
        return running != null && running.ingest().isUp();
    }

    /** What arrives in one turn; each answer is checked when it comes, in whatever step. */
    List<AtomicReference<Outcome>> submit(Pcs... turn) {
        // two that are equal in everything, arrival included, would both be told to be the first
        world.advance(Duration.ofMillis(1));
        List<AtomicReference<Outcome>> outcomes = new ArrayList<>();
        List<Submission> submissions = new ArrayList<>();
        Running asked = running;
        for (Pcs pcs : turn) {
            AtomicReference<Outcome> outcome = new AtomicReference<>();
            SimulatedDedup askedStore = store;
            Optional<StoredOutcome> stood = askedStore.existing(pcs.id());
            outcomes.add(outcome);
            world.trace(() -> "submit " + shortName(pcs));
            world.answers.submitted(pcs.id(), asked.clock().millis());
            submissions.add(new Submission(pcs.bytes(), IngestHarness.sender(), answer -> {
                world.check(() -> assertThat(outcome.getAndSet(answer))
                        .as("answered once")
                        .isNull());
                world.trace(() -> "  answer " + shortName(pcs) + " "
                        + (answer instanceof Decided decided
                                ? decided.relation() + " " + decided.status()
                                : answer.toString()));
                world.check(() -> world.answers.check(pcs.id(), stood, answer, askedStore));
                if (asked.equals(displaced)
                        && answer instanceof Decided decided
                        && decided.relation() == Relation.FIRST) {
                    world.check(() -> assertThat(wholeLog.contentsSoFar())
                            .as("in the log that a second process took")
                            .contains(WholeLog.contentOf(pcs.bytes())));
                }
                if (answer instanceof Decided decided && decided.relation() == Relation.CONFLICT) {
                    conflicts.add(WholeLog.contentOf(pcs.bytes()));
                }
            }));
        }
        running.ingest().submit(submissions);
        return outcomes;
    }

    /** One certificate a day, each decided and recorded, each in a segment of its own. */
    void submitDaily(int firstEpoch, int days) {
        for (int day = 0; day < days; day++) {
            submit(Pcs.number(firstEpoch + day));
            settle();
            world.advance(Duration.ofDays(1));
        }
    }

    /** Names of the log's segments, oldest first. */
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
        if (disk.isDead()) {
            throw new SimulatedDisk.Killed(); // the writer takes it for one more failure
        }
        return done;
    }

    /** Somebody looks whether the segment that is written to is still there. */
    void stepWatch() {
        world.trace("watch");
        running.ingest().stepWatch();
    }

    boolean stepOutcomeWriter() {
        world.trace("recorder");
        return running.ingest().stepOutcomeWriter();
    }

    /** What a timer does. */
    void tick() {
        world.trace("tick");
        running.ingest().tick();
        stepOutcomeWriter();
    }

    /** One step of looking after the log, which believes the clock that is given in. */
    void stepLogCare() throws IOException {
        world.trace("log care");
        running.inbox().keepMark();
        running.care().step();
    }

    /** Another one reads the log, and has what is up to here. */
    void letRead(LongSupplier upTo) {
        Objects.requireNonNull(running, "started").care().waitFor(upTo);
    }

    /** Nobody waits for days: everybody is answered, with whatever it is. */
    void answerAll() {
        boolean stepped = true;
        while (stepped) {
            boolean written = stepWriter();
            stepped = stepOutcomeWriter() || written;
        }
    }

    /** One step of what is under way; false if nothing is. */
    boolean step() {
        boolean written = stepWriter();
        boolean recorded = stepOutcomeWriter();
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
                    waitForTheStore();
                } else {
                    idle++;
                }
                stepWatch();
                tick();
            }
        }
    }

    /** A while passes; a backend that does not become complete may lack what somebody moved away. */
    void waitForTheStore() {
        world.advance(Duration.ofMillis(100));
        waits = isUp() ? 0 : waits + 1;
        if (waits > PATIENCE && moved.isAny()) {
            moved.putBack();
        }
    }

    /** Asks for an outcome; what is told is held against what was acknowledged. */
    void lookUp(PcsId id) {
        boolean known = world.answers.acknowledged().containsKey(id);
        running.ingest().lookUp(id, answer -> {
            world.trace(() -> "  look-up " + answer);
            if (known && answer.isEmpty()) {
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
        assertThat(running.ingest().pending())
                .as("everything in the log is decided")
                .isZero();
        for (StoredOutcome recorded : world.answers.acknowledged().values()) {
            auditOne(recorded);
        }
        assertThat(wholeLog.unbeatenIds())
                .as("in the log")
                .allMatch(id -> store.existing(id).isPresent() || world.answers.isGoneFromALog(id), "decided");
        world.requireUnbroken();
    }

    private void auditOne(StoredOutcome recorded) {
        AtomicReference<Optional<Outcome>> found = new AtomicReference<>();
        running.ingest().lookUp(recorded.id(), found::set);
        while (found.get() == null) {
            assertThat(store.step()).as("a look-up is answered").isTrue();
        }
        assertThat(found.get().orElse(null)).as("%s is lost", recorded.id()).isInstanceOf(Decided.class);
        assertThat(((Decided) found.get().orElseThrow()).body())
                .as("%s changed", recorded.id())
                .isEqualTo(recorded.body());
    }

    long pending() {
        return running.ingest().pending();
    }

    /** Contents that were answered with a conflict: they are in the log, or in that of a backend on the same store. */
    Set<String> conflicts() {
        return conflicts;
    }

    /** All of the log, with what is away. */
    List<LogRecord> log() throws IOException {
        return wholeLog.read();
    }

    /** What a store that was opened before would say now. */
    long durablyRecordedUpTo() {
        return store == null ? 0 : store.durablyCompleteUpTo();
    }

    Optional<Marked> keptMark() throws IOException {
        return Inbox.marked(disk.copy(), DIRECTORY);
    }

    /** Somebody took the end of the log away for good, with records of these ids. */
    void endIsGone(Set<PcsId> ids) {
        wholeLog.endIsGone();
        world.answers.goneFromALog(ids, store);
        store.disownPositions();
    }
}
