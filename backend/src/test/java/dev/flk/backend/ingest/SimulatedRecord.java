// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.decide.RecordKind.LoggedId;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.follow.DecidedQueue;
import dev.flk.backend.follow.FollowerMetrics;
import dev.flk.backend.follow.FollowerMetrics.Follows;
import dev.flk.backend.follow.SteppedFollower;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.LogCare;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.SimulatedRows;
import dev.flk.backend.outcomes.record.SimulatedRows.Mood;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.PcsId;
import dev.flk.program.metrics.Metrics;
import dev.flk.sample.Pcs;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Recomputed;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The record of outcomes of a simulated backend. Its steps, its faults and what happens to its rows are chosen by a
 * random generator of its own, and its operations on the disk are not counted, so that the rest of a history does not
 * depend on them.
 */
final class SimulatedRecord {
    private static final long NEARLY_FULL = Simulation.MIN_FREE_BYTES + 1;
    private static final long PLENTY = 1L << 40;
    private static final String FOREIGN = "foreign";
    private static final int MOST_STEPS = 2_000;

    /** The number of idle steps after which the follower has noticed that the rows were replaced. */
    private static final int IDLE_STEPS = 105;

    private final World world;
    private final Random random;
    private SimulatedDisk disk;
    private final InboxFiles files;
    private final FollowerMetrics metrics = metrics();
    private final SimulatedRows rows;

    /** The submissions that the retention removed, by sequence. */
    private final Map<Long, PcsId> removed = new HashMap<>();

    /** The submissions whose outcomes were once recorded in the store as the first. */
    private final Set<Long> wereFirst = new HashSet<>();

    /**
     * The ids of records that were read, or should have been, while segments were away. While the segment that follows
     * is away, records of refused submissions at the end of a segment look like records of the log.
     */
    private final Set<String> misread = new HashSet<>();

    private List<String> away = List.of();

    private @Nullable Inbox inbox;
    private @Nullable DecidedLog log;
    private @Nullable SteppedFollower follower;
    private boolean isDiskLow;

    /** Whether the follower takes no step in this process, so that a log that lost its end grows before it is read. */
    private boolean isIdle;

    private boolean hasLogLostItsEnd;

    /** The last record that was on disk when the process first said that it has decided everything up to a sequence. */
    private final NavigableMap<Long, Long> lastWhenDecided = new TreeMap<>();

    SimulatedRecord(World world, Random random, SimulatedDisk disk, InboxFiles files) {
        this.world = world;
        this.random = random;
        this.disk = disk;
        this.files = files;
        this.rows = new SimulatedRows(random, this::firstInLog, new SimulatedRows.Listener() {
            @Override
            public void applies(Group group) {
                away = List.of();
                noteWhatIsAway();
                assertThat(isDiskLow)
                        .as("written while the disk is nearly full")
                        .isFalse();
                assertNoLoserWins(group);
            }

            @Override
            public void wentBack() {
                assertThat(files.isEndGone() || !misread.isEmpty())
                        .as("the log went back")
                        .isTrue();
            }
        });
    }

    private static FollowerMetrics metrics() {
        return new FollowerMetrics(new Metrics("test"), Follows.RECORD);
    }

    /** Continues on another machine. */
    void use(SimulatedDisk other) {
        disk = other;
    }

    /** Returns what a process that starts does with the outcomes that it has recorded. */
    Consumer<List<DecidedSubmission>> whenRecorded(DecidedQueue queue) {
        return decided -> {
            decided.forEach(each -> wereFirst.add(each.sequence()));
            queue.accept(decided);
        };
    }

    /** Follows the log of a process that has started. */
    void follow(Inbox opened, DecidedQueue queue, LogCare care) {
        inbox = opened;
        lastWhenDecided.clear();
        isIdle = hasLogLostItsEnd && random.nextBoolean();
        hasLogLostItsEnd = false;
        log = new DecidedLog(opened, disk);
        SteppedFollower started = new SteppedFollower(log, rows, queue, metrics, SimulatedRecord::noReviews);
        follower = started;
        care.waitFor(started::position, rows::sync);
        setDiskLow(random.nextInt(8) == 0);
        rows.setMood(random.nextInt(5) == 0 ? Mood.DOWN : random.nextInt(3) == 0 ? Mood.FLAKY : Mood.UP);
    }

    private static CompletableFuture<Long> noReviews(List<byte[]> bodies) {
        throw new AssertionError("there are no reviews");
    }

    private long firstInLog() {
        List<LogRecord> present = present();
        return present.isEmpty() ? Long.MAX_VALUE : present.get(0).sequence();
    }

    private List<LogRecord> present() {
        try {
            return files.presentRecords();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Sometimes takes a step of the follower, or lets something happen to the rows. */
    void perhapsStep() {
        if (isIdle || disk.isDead()) {
            return;
        }
        switch (random.nextInt(300)) {
            case 0, 1, 2 -> rows.takeCopy();
            case 3 -> replace();
            case 4 -> setDiskLow(!isDiskLow);
            case 5, 6 -> rows.setMood(List.of(Mood.values()).get(random.nextInt(Mood.values().length)));
            default -> {
                if (random.nextInt(3) == 0) {
                    step(random.nextInt(20) == 0 ? random.nextInt(8) : -1);
                }
            }
        }
    }

    private void setDiskLow(boolean low) {
        isDiskLow = low;
        disk.setUsableBytes(low ? NEARLY_FULL : PLENTY);
    }

    /** Loses the rows, restores an older copy of them, or replaces them by those of another log. */
    private void replace() {
        switch (random.nextInt(3)) {
            case 0 -> {
                world.trace("the rows are lost");
                rows.lose();
            }
            case 1 -> {
                world.trace("the rows are restored from a copy");
                rows.putBackCopy();
            }
            default -> {
                world.trace("the rows are replaced by those of another log");
                rows.replaceByForeign(foreign());
            }
        }
    }

    /** Returns rows of another shard, and others of our certificates that this log may never have contained. */
    private List<Version> foreign() {
        return IntStream.range(0, 6)
                .map(i -> 1 + random.nextInt(40))
                .distinct()
                .mapToObj(epoch -> new RowKey(
                        random.nextBoolean() ? FOREIGN : "shard-1",
                        epoch,
                        Pcs.number(epoch).id().toString()))
                .map(key -> new Version(key, foreign(key)))
                .toList();
    }

    private static RecordedOutcome foreign(RowKey key) {
        PcsId id = PcsId.parse(key.pcsId()).orElseThrow();
        Recomputed recomputed = new Recomputed(3.5, 0.5, Regime.NON_STICKY);
        return new RecordedOutcome(new Verdict(id, 3.5, Kind.ACCEPTED, recomputed, null, FOREIGN), 1, null);
    }

    /** @param failing the number of the operation on the disk that fails; -1 for none */
    private boolean step(long failing) {
        boolean[] done = new boolean[1];
        noteWhatIsAway();
        lastWhenDecided.putIfAbsent(
                Objects.requireNonNull(log).decidedUpTo(),
                Objects.requireNonNull(log).last());
        try {
            disk.aside(failing, () -> done[0] = Objects.requireNonNull(follower).step());
            world.trace(() -> "record up to " + Objects.requireNonNull(follower).position());
        } catch (IOException | RecordUnavailableException e) {
            world.trace(() -> "record: " + e.getMessage());
        }
        return done[0];
    }

    void processDied() {
        rows.processDied();
    }

    /** Sometimes replaces the rows while no process runs. */
    void perhapsReplace() {
        if (random.nextInt(5) == 0) {
            replace();
        }
    }

    void logLostItsEnd() {
        rows.logLostItsEnd();
        hasLogLostItsEnd = true;
        wereFirst.clear();
        removed.clear();
    }

    /** Notes that records of these ids are gone with the disk; the rows may have been derived from them. */
    void diskWasLost(Collection<PcsId> ids) {
        logLostItsEnd();
        ids.forEach(id -> misread.add(id.toString()));
    }

    /** Runs a step of the log care, and checks that it removes nothing that the rows still need. */
    void watch(String logId, SimulatedDisk.Work logCare) throws IOException {
        Map<Long, PcsId> before = submissions(files.recordsSoFar());
        boolean wasDiskLow = isDiskLow;
        try {
            logCare.run();
        } catch (RecordUnavailableException e) {
            world.trace(() -> "  " + e.getMessage());
        } finally {
            before.keySet().removeAll(submissions(files.recordsSoFar()).keySet());
            removed.putAll(before);
        }
        if (!wasDiskLow) {
            assertThat(before.keySet())
                    .as("removed before they were in the record")
                    .allMatch(sequence -> sequence <= rows.durablyCompleteUpTo(logId));
        }
    }

    private static Map<Long, PcsId> submissions(List<LogRecord> records) {
        return records.stream()
                .filter(record -> record.kind() == RecordKind.SUBMISSION)
                .collect(Collectors.toMap(
                        LogRecord::sequence, record -> LoggedId.of(record).orElseThrow(), (a, b) -> b, HashMap::new));
    }

    /** A reader may keep a walk that began while the segments were away. */
    private void noteWhatIsAway() {
        List<String> nowAway = files.namesAway();
        if (!nowAway.equals(away)) {
            away = nowAway;
            Map<String, String> present = idsByRecord(present());
            Map<String, String> complete = idsByRecord(files.recordsSoFar());
            Set<String> differing = new HashSet<>(present.keySet());
            differing.addAll(complete.keySet());
            differing.removeIf(record -> present.containsKey(record) && complete.containsKey(record));
            differing.forEach(record -> misread.add(present.getOrDefault(record, complete.get(record))));
        }
    }

    private static Map<String, String> idsByRecord(List<LogRecord> records) {
        return records.stream()
                .collect(Collectors.toMap(
                        record ->
                                record.sequence() + " " + record.arrivalMillis() + " " + Arrays.hashCode(record.body()),
                        record -> LoggedId.of(record).orElseThrow().toString(),
                        (one, other) -> one));
    }

    /**
     * Checks that no submission appears with its own outcome although another outcome was recorded first. If the store
     * loses outcomes, another outcome may win later; the submission may then appear until its overruled record is read.
     */
    private void assertNoLoserWins(Group group) {
        Map<Long, StoredOutcome> winners = new HashMap<>();
        for (LogRecord record : present()) {
            if (record.kind() == RecordKind.OVERRULED) {
                Overruled lost = Overruled.decode(record.body());
                Map.Entry<Long, Long> decided = lastWhenDecided.ceilingEntry(lost.sequence());
                if (decided != null
                        && record.sequence() <= decided.getValue()
                        && !wereFirst.contains(lost.sequence())
                        && !misread.contains(lost.existing().id().toString())) {
                    winners.put(lost.sequence(), lost.existing());
                }
                winners.put(record.sequence(), lost.existing());
            }
        }
        for (Placed placed : group.placed()) {
            StoredOutcome winner = winners.get(placed.sequence());
            if (winner != null) {
                assertThat(placed.version().outcome().verdict().body())
                        .as("the outcome of record %s, which was overruled", placed.sequence())
                        .isEqualTo(winner.body());
            }
        }
    }

    /** Returns the sequence up to which the rows are written. */
    long position() {
        return Objects.requireNonNull(follower).position();
    }

    /** Returns whether a note says that this record was missing. */
    boolean wasMissing(long sequence) {
        return rows.wasMissing(Objects.requireNonNull(log).logId(), sequence);
    }

    /** Lets the follower catch up without faults, and compares the rows with the log and with what was answered. */
    void audit() throws IOException {
        setDiskLow(false);
        rows.setMood(Mood.UP);
        catchUp();
        SimulatedRows fresh = new SimulatedRows(random, this::firstInLog, new SimulatedRows.Listener() {
            @Override
            public void applies(Group group) {}

            @Override
            public void wentBack() {}
        });
        follower = new SteppedFollower(
                new DecidedLog(Objects.requireNonNull(inbox), files.complete()),
                fresh,
                new DecidedQueue(),
                metrics(),
                SimulatedRecord::noReviews);
        catchUp();
        compare(fresh);
    }

    /** Takes steps until nothing is left to do; nothing may fail meanwhile. */
    void catchUp() {
        int idle = 0;
        for (int i = 0; idle < IDLE_STEPS; i++) {
            assertThat(i).as("the record comes to an end").isLessThan(MOST_STEPS);
            idle = step(-1) ? idle + 1 : 0;
        }
        long position = Objects.requireNonNull(follower).position();
        assertThat(present()).as("records after the position").allMatch(record -> record.sequence() <= position);
    }

    private void compare(SimulatedRows fresh) throws IOException {
        String logId = Objects.requireNonNull(log).logId();
        List<LogRecord> records = files.records();
        long removedUpTo = files.removedUpTo();
        Set<String> uncertain = new HashSet<>(misread);
        Set<String> overruled = new HashSet<>();
        for (LogRecord record : records) {
            if (record.kind() == RecordKind.OVERRULED) {
                LoggedId.of(record).ifPresent(id -> overruled.add(id.toString()));
            }
            // a segment that was away when its records were removed, and was put back, may be in any condition
            if (record.sequence() <= removedUpTo
                    || rows.wasMissing(logId, record.sequence())
                    || fresh.wasMissing(logId, record.sequence())) {
                LoggedId.of(record).ifPresent(id -> uncertain.add(id.toString()));
            }
        }
        Map<RowKey, RecordedOutcome> ours = rows.current();
        ours.values().removeIf(each -> each.verdict().policyHash().equals(FOREIGN));
        Map<RowKey, RecordedOutcome> derived = fresh.current();
        boolean isComplete = files.isComplete();
        derived.forEach((key, outcome) -> {
            if (!uncertain.contains(key.pcsId())) {
                assertThat(ours.get(key)).as("%s", key).isNotNull();
                // an outcome that was recorded before it was overruled may have been replaced meanwhile by an equal one
                Function<RecordedOutcome, Object> compared =
                        isComplete && !overruled.contains(key.pcsId()) ? each -> each : RecordedOutcome::verdict;
                assertThat(compared.apply(ours.get(key))).as("%s", key).isEqualTo(compared.apply(outcome));
            }
        });
        if (isComplete) {
            Set<RowKey> never = new HashSet<>(ours.keySet());
            never.removeAll(derived.keySet());
            never.removeIf(key -> uncertain.contains(key.pcsId()));
            assertThat(never).as("rows of what was never logged").isEmpty();
        }
        assertThat(rows.wronglyRemoved()).as("rows of lost records").isEmpty();
        Map<String, RecordedOutcome> byId = new HashMap<>();
        ours.forEach((key, outcome) -> {
            assertThat(byId.put(key.pcsId(), outcome)).as("one row of %s", key).isNull();
        });
        removed.forEach((sequence, id) -> {
            if (!byId.containsKey(id.toString())) {
                assertThat(rows.wasMissing(logId, sequence))
                        .as("a gap at %s", sequence)
                        .isTrue();
            }
        });
        world.answers.acknowledged().forEach((id, outcome) -> {
            boolean isCertain = !uncertain.contains(id.toString()) && !world.answers.isGoneFromALog(id);
            if (isCertain && records.stream().anyMatch(record -> leadsTo(record, outcome))) {
                assertThat(byId.get(id.toString())).as("%s was answered", id).isNotNull();
                assertThat(byId.get(id.toString()).verdict().body())
                        .as("%s", id)
                        .isEqualTo(outcome.body());
            }
        });
    }

    /** Returns whether a record is the submission whose outcome this is, or was overruled by this outcome. */
    private static boolean leadsTo(LogRecord record, StoredOutcome outcome) {
        return switch (record.kind()) {
            case RecordKind.SUBMISSION ->
                record.arrivalMillis() + Simulation.TTL.toMillis() == outcome.expiresAtMillis()
                        && LoggedId.of(record).orElseThrow().equals(outcome.id());
            case RecordKind.OVERRULED ->
                Overruled.decode(record.body()).existing().equals(outcome);
            default -> false;
        };
    }
}
