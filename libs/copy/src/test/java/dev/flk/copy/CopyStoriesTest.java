// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.copy.CopyRecord.Beat;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyStart.Started;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.CopyWorld.Backend;
import dev.flk.copy.testing.ForwardingTopic;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import dev.flk.wal.testing.SimulatedDisk.Killed;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;

/** Stories of machines that lose a log which is copied, or share one. */
class CopyStoriesTest {
    /** The operation of an append that forces the group; operation 0 writes it. */
    private static final int FORCE = 1;

    private static final Duration PAUSE = Duration.ofMinutes(10);

    private final CopyWorld world = world();

    /** @param beside the disk on which the copy is collected for a restore */
    private record Machine(SimulatedDisk disk, SimulatedDisk beside, String host) {}

    private static CopyWorld world() {
        CopyWorld world = new CopyWorld(1);
        world.topic.settle();
        world.topic.setImmediate(true);
        return world;
    }

    private Machine machine(String host) {
        return machine(world, host);
    }

    private static Machine machine(CopyWorld world, String host) {
        return new Machine(new SimulatedDisk(world.random), new SimulatedDisk(world.random), host);
    }

    /** Returns a machine with a copy of the disk of another one. */
    private static Machine snapshot(CopyWorld world, Machine of) {
        return new Machine(of.disk().copy(), new SimulatedDisk(world.random), of.host());
    }

    private Backend start(Machine machine) throws IOException {
        return start(world, machine);
    }

    /** Starts a backend, which waits until the owner counts as dead. */
    private static Backend start(CopyWorld world, Machine machine) throws IOException {
        try {
            return start(world, machine, world.topic.connect(), false);
        } catch (CopyRefusedException e) {
            assertThat(e.mayPass()).as("%s", e.getMessage()).isTrue();
        }
        world.advance(CopyStart.ALIVE);
        try {
            return start(world, machine, world.topic.connect(), false);
        } catch (CopyRefusedException e) {
            throw new AssertionError("the start does not come to an end", e);
        }
    }

    private static Backend start(CopyWorld world, Machine machine, CopyTopic connection, boolean takeOver)
            throws IOException, CopyRefusedException {
        Claim claim = world.claim(machine.host());
        Started started = world.prepare(machine.disk(), machine.beside(), connection, claim, takeOver);
        return world.new Backend(machine.disk(), connection, started);
    }

    private CopyRefusedException refused(Machine machine) {
        return catchThrowableOfType(
                CopyRefusedException.class, () -> start(world, machine, world.topic.connect(), false));
    }

    private static void write(Backend backend, int records) {
        for (int i = 0; i < records; i++) {
            String unused = backend.write();
        }
    }

    private static void requireAnswered(CopyWorld world, Machine machine) {
        assertThat(world.records(machine.disk())).containsAllEntriesOf(world.answered);
    }

    /** Restores the log on a machine that has nothing, and checks that it has everything. */
    private void requireRestorable() throws IOException {
        Machine fresh = machine("fresh");
        Backend backend = start(fresh);
        requireAnswered(world, fresh);
        write(backend, 1);
        requireAnswered(world, fresh);
    }

    @Test
    void olderDiskIsPutBack_isRefused_andOnceItIsSetAside_nothingIsMissing() throws IOException {
        Machine one = machine("one");
        Backend first = start(one);
        write(first, 3);
        Machine rolledBack = snapshot(world, one);
        write(first, 20);
        world.advance(CopyStart.ALIVE);
        long end = world.topic.end();

        requireRefusedAsOlder(rolledBack);
        assertThat(world.topic.end()).as("nobody has claimed the log").isEqualTo(end);
        rolledBack.disk().lose();
        write(start(rolledBack), 1);

        assertThat(world.answered).hasSize(24);
        requireAnswered(world, rolledBack);
    }

    private void requireRefusedAsOlder(Machine machine) {
        CopyRefusedException refused = refused(machine);
        assertThat(refused)
                .hasMessageContaining("the copy continues after the end of this machine's log")
                .hasMessageContaining("'flk backend wal set-aside'");
        assertThat(refused.mayPass()).isFalse();
    }

    /** Prepares the machine whose start is killed, in a world of its own. */
    private interface Before {
        Machine prepare(CopyWorld world) throws IOException;
    }

    private enum Where {
        DISK,
        BESIDE,
        TOPIC
    }

    /** Kills a start in each of its steps; the next one must succeed, and have everything. */
    private static void killInEachStep(Before before, String hostAfterwards) throws Exception {
        for (Where where : Where.values()) {
            boolean isReached = true;
            for (int step = 0; isReached; step++) {
                CopyWorld world = world();
                Machine machine = before.prepare(world);
                isReached = isKilled(world, machine, where, step);
                Machine again = new Machine(machine.disk(), machine.beside(), hostAfterwards);
                Backend backend = start(world, again);
                requireAnswered(world, again);
                write(backend, 2);
                requireAnswered(world, again);
                assertThat(world.copied()).containsAllEntriesOf(world.answered);
            }
        }
    }

    private static boolean isKilled(CopyWorld world, Machine machine, Where where, int step) throws Exception {
        world.advance(CopyStart.ALIVE); // the owner is dead
        HookedTopic connection = new HookedTopic(world.topic.connect(), where == Where.TOPIC ? step : -1, () -> {
            throw new Killed();
        });
        if (where == Where.DISK) {
            machine.disk().failOperation(step, Fault.KILL);
        } else if (where == Where.BESIDE) {
            machine.beside().failOperation(step, Fault.KILL);
        }
        try {
            Backend unused = start(world, machine, connection, false);
            return false;
        } catch (Killed e) {
            return true;
        } finally {
            machine.disk().kill();
            machine.beside().kill();
        }
    }

    /** The copy has declared losses, because the log was restored once. */
    @Test
    void restoreIsKilledInEachStep_nextOneRestoresEverything() throws Exception {
        killInEachStep(
                world -> {
                    write(start(world, machine(world, "one")), 4);
                    write(start(world, machine(world, "one")), 4);
                    return machine(world, "two");
                },
                "two");
    }

    /** The volume of a pod is attached to another host after each kill. */
    @Test
    void startIsKilledInEachStep_nextOneOnAnotherHostIsTheSameOwner() throws Exception {
        killInEachStep(
                world -> {
                    Machine one = machine(world, "one");
                    Backend first = start(world, one);
                    write(first, 3);
                    first.keepNote();
                    one.disk().kill();
                    return one;
                },
                "two");
    }

    @Test
    void ownerIsPausedForTenMinutes_whileAnotherClaims_answersNothingMore() throws IOException {
        Machine one = machine("one");
        Backend paused = start(one);
        write(paused, 3);
        world.advance(PAUSE);
        Machine two = machine("two");
        Backend successor = start(two);
        write(successor, 3);

        String refused = paused.write();

        assertThat(paused.successor().map(Claim::host)).contains("two");
        assertThat(world.answered).hasSize(6).doesNotContainValue(refused);
        write(successor, 1);
        assertThat(successor.successor()).isEmpty();
        requireAnswered(world, two);
        assertThat(world.records(two.disk())).doesNotContainValue(refused);
        one.disk().kill();
        assertThat(refused(one)).hasMessageContaining("the log belongs to another backend: instance");
        assertThat(refused(one).mayPass()).isFalse();
    }

    @Test
    void ownerIsPausedForTenMinutes_whatItHadSentArrivesAfterTheClaim_isNeitherAnsweredNorRestored()
            throws IOException {
        Backend paused = start(machine("one"));
        write(paused, 3);
        world.topic.setImmediate(false);
        String sent = paused.append();
        paused.step();
        world.advance(PAUSE);
        world.topic.setImmediate(true);
        Machine two = machine("two");
        Backend successor = start(two);
        world.topic.setImmediate(false);

        paused.copyAll();
        world.topic.setImmediate(true);
        write(successor, 1);

        assertThat(paused.successor().map(Claim::host)).contains("two");
        assertThat(world.answered).hasSize(4).doesNotContainValue(sent);
        assertThat(world.copied()).containsAllEntriesOf(world.answered).doesNotContainValue(sent);
        requireRestorable();
    }

    @Test
    void twoOwnersWithOneName_secondWaitsWhileTheFirstLives_orTakesOver() throws Exception {
        Backend first = start(machine("one"));
        Machine two = machine("two");
        for (int i = 0; i < 20; i++) {
            write(first, 1);
            world.advance(LogCopy.BEAT_EVERY);
            first.copyAll();
            assertThat(refused(two)).hasMessageContaining("the log belongs to another backend: instance");
            assertThat(refused(two).mayPass()).isTrue();
            assertThat(two.disk().names()).isEmpty();
        }

        Backend second = start(world, two, world.topic.connect(), true);
        String refused = first.write();
        write(second, 1);

        assertThat(world.answered).hasSize(21).doesNotContainValue(refused);
        assertThat(first.successor().map(Claim::host)).contains("two");
        requireAnswered(world, two);
    }

    /** Another backend takes over, perhaps with a copy of the disk, while the owner answers in each step of that start. */
    @Test
    void ownerAnswersUntilAnotherClaims_successorHasAllOfIt() throws Exception {
        for (boolean isFresh : new boolean[] {true, false}) {
            int answeredMeanwhile = 0;
            boolean isReached = true;
            for (int step = 0; isReached; step++) {
                CopyWorld world = world();
                int answered = answersMeanwhile(world, isFresh, step, world.topic.connect());
                isReached = answered >= 0;
                answeredMeanwhile += Math.max(0, answered);
            }
            assertThat(answeredMeanwhile)
                    .as("the owner answers before the claim")
                    .isPositive();
        }
    }

    /** Returns how many records the owner has answered meanwhile; -1 if the start has no such step. */
    private static int answersMeanwhile(CopyWorld world, boolean isFresh, int step, CopyTopic connection)
            throws Exception {
        Machine one = machine(world, "one");
        Backend owner = start(world, one);
        write(owner, 3);
        write(owner, 3);
        Machine two = isFresh ? machine(world, "two") : snapshot(world, one);
        HookedTopic hooked = new HookedTopic(connection, step, () -> write(owner, 1));
        Backend successor;
        try {
            successor = start(world, two, hooked, true);
        } catch (CopyRefusedException e) {
            assertThat(e).hasMessageContaining("set this log aside");
            two.disk().lose();
            successor = start(world, two, hooked, true);
        }
        int answered = world.answered.size() - 6;
        String refused = owner.write();
        assertThat(world.answered).doesNotContainValue(refused);
        requireAnswered(world, two);
        write(successor, 1);
        requireAnswered(world, two);
        return hooked.isReached() ? answered : -1;
    }

    /** Another backend claims the log in each step of a start. The feed needs to know which of them came later. */
    @Test
    void twoStartsAtTheSameTime_claimWithDifferentTerms() throws Exception {
        boolean isReached = true;
        for (int step = 0; isReached; step++) {
            CopyWorld world = world();
            Machine one = machine(world, "one");
            write(start(world, one), 3);
            Machine two = snapshot(world, one);
            List<Long> terms = new ArrayList<>();
            HookedTopic hooked = new HookedTopic(
                    world.topic.connect(), step, () -> terms.add(claimedTerm(world, two, world.topic.connect())));

            terms.add(claimedTerm(world, one, hooked));

            assertThat(terms).doesNotHaveDuplicates();
            isReached = hooked.isReached();
        }
    }

    private static long claimedTerm(CopyWorld world, Machine machine, CopyTopic connection) {
        Claim claim = world.claim(machine.host());
        while (true) {
            try {
                return world.prepare(machine.disk(), machine.beside(), connection, claim, true)
                        .claim()
                        .term();
            } catch (CopyRefusedException e) {
                assertThat(e.mayPass()).as("%s", e.getMessage()).isTrue();
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
    }

    @Test
    void onlySegmentIsTrimmedInTheMiddle_newMachineIsRefused_andTheFirstOneCopiesEverythingAgain() throws IOException {
        Machine one = machine("one");
        write(start(one), 5);
        trimTo(world.topic.end() - 6);
        world.advance(CopyStart.ALIVE);
        long end = world.topic.end();

        Machine two = machine("two");
        requireRefusedAsTrimmed(two, "which copies everything again: remove the topic. To give the log up");
        assertThat(two.disk().names()).isEmpty();
        requireRefusedAsTrimmed(withAnotherLog("two"), "remove the topic");
        assertThat(world.topic.end()).as("nobody has claimed the log").isEqualTo(end);

        one.disk().kill();
        world.topic.createAgain();
        write(start(one), 1);
        requireRestorable();
    }

    @Test
    void firstSegmentIsTrimmedInTheMiddle_newMachineIsRefused_untilTheRestIsTrimmedToo() throws IOException {
        Backend backend = start(machine("one"));
        long begin = backend.end().ordinal();
        while (backend.end().ordinal() < begin + 2) {
            write(backend, 1);
        }
        world.advance(CopyStart.ALIVE);
        trimTo(firstOf(begin) + 2);
        long rest = firstOf(begin + 1);

        Machine two = machine("two");
        requireRefusedAsTrimmed(two, "start again after remove what is before " + rest);

        trimTo(rest);
        write(start(two), 1);
        assertThat(world.restored).isEqualTo(1);
    }

    /** The claim of a backend that runs for long is removed with the oldest segments. */
    @Test
    void ownerWhoseClaimWasTrimmed_isNotTakenOverWhileItIsAlive() throws IOException {
        Backend owner = start(machine("one"));
        long begin = owner.end().ordinal();
        while (owner.end().ordinal() < begin + 2) {
            write(owner, 1);
        }
        trimTo(firstOf(begin + 1));

        Machine two = machine("two");
        CopyRefusedException refused = refused(two);
        assertThat(refused)
                .hasMessageContaining("the log belongs to another backend: instance 0000000000000001 on one")
                .hasMessageContaining(" and was alive at ");
        assertThat(refused.mayPass()).isTrue();
        write(start(two), 1);
    }

    @Test
    void everythingIsTrimmed_newMachineIsRefused() throws IOException {
        write(start(machine("one")), 1);
        trimTo(world.topic.end());
        requireRefusedAsTrimmed(machine("two"), "every segment was removed from the topic");
    }

    private void trimTo(long offset) {
        world.topic.connect().trim(offset);
    }

    /** Returns the offset of the first part of a segment. */
    private long firstOf(long ordinal) {
        for (long at = world.topic.begin(); at < world.topic.end(); at++) {
            CopyRecord each = CopyRecord.decode(world.topic.entries().get((int) (at - world.topic.begin())));
            if (each instanceof CopyRecord.Part part && part.segment().ordinal() == ordinal) {
                return at;
            }
        }
        throw new AssertionError("no part of segment " + ordinal);
    }

    private void requireRefusedAsTrimmed(Machine machine, String remedy) {
        CopyRefusedException refused = refused(machine);
        assertThat(refused)
                .hasMessageContaining("was removed from the topic, which is the copy of a log")
                .hasMessageContaining(remedy);
        assertThat(refused.mayPass()).isFalse();
    }

    /** Returns a machine with a log that was never copied. */
    private static Machine withAnotherLog(String host) throws IOException {
        CopyWorld other = new CopyWorld(2);
        other.topic.settle();
        other.topic.setImmediate(true);
        Machine machine = machine(other, host);
        Backend unused = start(other, machine);
        machine.disk().kill();
        machine.disk().delete(CopyWorld.DIRECTORY.resolve("inbox.copied"));
        return machine;
    }

    @Test
    void claim_isLaterThanOneInAnotherTopic() throws IOException {
        Machine one = machine("one");
        write(start(one), 3);
        world.usedTerm = 7;
        assertThat(claimedTerm(world, one, world.topic.connect())).isEqualTo(8);
        world.topic.createAgain();
        world.usedTerm = 5;
        assertThat(claimedTerm(world, one, world.topic.connect()))
                .as("a claim on its disk is later")
                .isEqualTo(9);
    }

    /** Switches off the rule that the copy is read up to the claim: entries that came after the question are hidden. */
    @Test
    void copyThatIsReadBeforeTheClaim_lacksAnAnswer() {
        assertThatThrownBy(() -> {
                    for (int step = 0; step < 100; step++) {
                        CopyWorld world = world();
                        int unused = answersMeanwhile(world, false, step, new ReadBefore(world.topic.connect()));
                    }
                })
                .isInstanceOf(AssertionError.class);
    }

    /** A connection that shows a reader only what was in the topic before its claim was sent. */
    private static final class ReadBefore extends ForwardingTopic {
        private long end;
        private boolean isClaimed;

        ReadBefore(CopyTopic topic) {
            super(topic);
        }

        @Override
        public long end() {
            end = isClaimed ? end : super.end();
            return end;
        }

        @Override
        public List<Entry> read(long from, long to) {
            return super.read(from, Math.min(to, end));
        }

        @Override
        public CompletionStage<Long> send(byte[] value) {
            isClaimed = true;
            return super.send(value);
        }
    }

    @Test
    void topicIsCreatedAgain_everythingIsCopiedAgain_beforeTheMachineBurns() throws IOException {
        Machine one = machine("one");
        Backend backend = start(one);
        write(backend, 10);
        world.topic.createAgain();

        write(backend, 1);

        assertThat(backend.losses).isEqualTo(1);
        assertThat(world.answered).hasSize(11);
        assertThat(world.copied()).isEqualTo(world.answered);
        backend.keepNote();
        one.disk().kill();
        world.topic.createAgain();
        Backend restarted = start(one);
        assertThat(restarted.losses).as("noticed at the start").isEqualTo(1);
        write(restarted, 1);
        requireRestorable();
    }

    @Test
    void topicIsCreatedAgain_andAnotherClaimsIt_ownerAnswersNothingMore() throws IOException {
        Backend owner = start(machine("one"));
        write(owner, 3);
        world.topic.createAgain();
        Backend unused = start(machine("two"));

        String refused = owner.write();

        assertThat(owner.successor().map(Claim::host)).contains("two");
        assertThat(owner.losses).isZero();
        assertThat(world.answered).doesNotContainValue(refused);
    }

    /** What the topic has lost is in it again, and only the older disk knows of the loss. */
    @Test
    void topicLosesItsEnd_andAnOlderDiskIsPutBack() throws IOException {
        Machine one = machine("one");
        Backend backend = start(one);
        write(backend, 5);
        backend.keepNote();
        Machine rolledBack = snapshot(world, one);
        world.topic.loseEnd(8);
        for (int i = 0; i < 3; i++) {
            String unused = backend.append(); // copied in one part, which is before the entry that the note knows
        }
        write(backend, 20);
        assertThat(backend.losses).isEqualTo(1);
        world.advance(CopyStart.ALIVE);

        requireRefusedAsOlder(rolledBack);
        requireRestorable();
    }

    /** The topic is as long as before, because an entry of an owner that has died arrived late. */
    @Test
    void newestEntryIsReplacedWhileTheBackendIsDown_isNoticed() throws IOException {
        Machine one = machine("one");
        Backend backend = start(one);
        write(backend, 5);
        long end = world.topic.end();
        write(backend, 1);
        backend.keepNote();
        one.disk().kill();
        replaceSince(end);

        Backend second = start(one);
        assertThat(second.losses).isEqualTo(1);
        second.copyAll();

        requireRestorable();
    }

    /** Loses entries; as many of an owner that has died arrive late. */
    private void replaceSince(long offset) {
        int lost = (int) (world.topic.end() - offset);
        world.topic.loseEnd(lost);
        Claim late = new Claim("00000000000000aa", "00000000000000aa", 0, "late");
        for (int i = 0; i < lost; i++) {
            world.topic.append(new Beat(late, 0).encode());
        }
    }

    @Test
    void newestEntryIsReplacedDuringAnOutage_isNoticed() throws IOException {
        Backend backend = start(machine("one"));
        write(backend, 5);
        world.topic.setDown(true);
        write(backend, 1);
        assertThat(world.answered).hasSize(5);
        world.topic.setDown(false);
        replaceSince(world.topic.end() - 1);

        backend.copyAll();

        assertThat(backend.losses).isEqualTo(1);
        assertThat(world.answered).hasSize(6);
        requireRestorable();
    }

    /** The next segment repeats what was answered and may be damaged; the disk is lost in each step of its copying. */
    @Test
    void localFailureAfterAnAcknowledgement_thenTheDiskIsLost() throws IOException {
        int answered = 0;
        for (int steps = 0; answered < 3; steps++) {
            assertThat(steps).as("everything is answered in the end").isLessThan(100);
            CopyWorld world = world();
            Machine one = machine(world, "one");
            Backend backend = start(world, one);
            write(backend, 2);
            one.disk().failOperation(FORCE, Fault.EIO);
            String failed = backend.append();
            assertThat(backend.failures).isEqualTo(1);
            String last = backend.append();
            assertThat(backend.failures).isEqualTo(1);
            world.topic.setImmediate(false);
            for (int i = 0; i < steps; i++) {
                boolean unused = i % 3 == 0 ? backend.step() : world.topic.step();
            }
            world.topic.setImmediate(true);
            answered = world.answered.size();

            Machine two = machine(world, "two");
            Backend second = start(world, two);

            requireAnswered(world, two);
            assertThat(world.records(two.disk())).doesNotContainValue(failed);
            assertThat(world.answered.containsValue(last)).isEqualTo(answered == 3);
            write(second, 1);
            requireAnswered(world, two);
        }
    }

    /** A connection that can lose an entry, which fails only later. */
    private static final class LosingTopic extends ForwardingTopic {
        private CompletableFuture<Long> lost;

        LosingTopic(CopyTopic topic) {
            super(topic);
        }

        @Override
        public CompletionStage<Long> send(byte[] value) {
            if (lost == null || lost.isDone()) {
                return super.send(value);
            }
            CompletableFuture<Long> first = lost;
            lost = null;
            return first;
        }
    }

    @Test
    void headerIsLost_laterEntriesAreAcknowledged_nothingAfterItIsAnswered() throws Exception {
        LosingTopic connection = new LosingTopic(world.topic.connect());
        Machine one = machine("one");
        Backend backend = start(world, one, connection, false);
        write(backend, 3);
        one.disk().failOperation(FORCE, Fault.EIO);
        String failed = backend.append();
        CompletableFuture<Long> lost = new CompletableFuture<>();
        connection.lost = lost; // the header of the next segment

        write(backend, 2);
        assertThat(world.answered).hasSize(3);

        lost.completeExceptionally(new CopyUnavailableException("the entry was lost"));
        backend.copyAll();
        assertThat(world.answered).hasSize(5).doesNotContainValue(failed);
        assertThat(backend.losses).isZero();
        assertThat(world.copied()).isEqualTo(world.answered);
        requireRestorable();
    }

    /** What is sent after the claim of an earlier owner counts for nothing. */
    @Test
    void topicLosesTheClaim_andTheNextOneIsLostToo_isClaimedAgain() throws Exception {
        Machine one = machine("one");
        write(start(one), 2);
        one.disk().kill();
        long end = world.topic.end();
        LosingTopic connection = new LosingTopic(world.topic.connect());
        Backend backend = start(world, one, connection, false);
        write(backend, 2);
        world.topic.loseEnd((int) (world.topic.end() - end));
        CompletableFuture<Long> lost = new CompletableFuture<>();
        String unused = backend.append();
        backend.step();
        connection.lost = lost;
        backend.step();
        lost.completeExceptionally(new CopyUnavailableException("the claim was lost"));
        backend.copyAll();

        assertThat(backend.losses).isEqualTo(1);
        assertThat(world.copied()).isEqualTo(world.answered);
        requireRestorable();
    }

    /** A start replaces a segment that has only a header, so what is copied again continues the one before. */
    @Test
    void emptySegmentWasReplaced_andTheTopicLosesWhatFollowsIt_isCopiedAgain() throws IOException {
        Machine one = machine("one");
        write(start(one), 2);
        one.disk().kill();
        start(one).copyAll();
        one.disk().kill();
        long end = world.topic.end();
        Backend backend = start(one);
        write(backend, 2);

        world.topic.loseEnd((int) (world.topic.end() - end));
        write(backend, 1);

        assertThat(backend.losses).isEqualTo(1);
        assertThat(world.copied()).isEqualTo(world.answered);
        requireRestorable();
    }

    /** Segments are removed from the machine first, and from the topic later. */
    @Test
    void segmentsWereRemoved_andTheTopicLosesWhatFollowsThem_restIsCopiedAgain() throws IOException {
        Machine one = machine("one");
        Backend backend = start(one);
        write(backend, 5);
        long end = world.topic.end();
        write(backend, 30);
        List<CopySource.Written> segments = backend.source.from(0);
        Map<Long, String> left = new TreeMap<>();
        for (CopySource.Written each : segments.subList(0, segments.size() - 2)) {
            one.disk().remove(each.segment().name());
        }
        String oldest = segments.get(segments.size() - 2).segment().name();
        left.putAll(((TreeMap<Long, String>) world.answered).tailMap(Long.parseLong(oldest.substring(15, 31))));

        world.topic.loseEnd((int) (world.topic.end() - end));
        backend.copyAll();

        assertThat(backend.losses).isEqualTo(1);
        assertThat(left).isNotEmpty();
        assertThat(world.copied()).containsAllEntriesOf(left);
    }

    @Test
    void topicIsCreatedAgain_declaredLossesAreCopiedBeforeTheSegments() throws IOException {
        write(start(machine("one")), 3);
        Backend restored = start(machine("two"));
        write(restored, 1);
        world.topic.createAgain();

        write(restored, 1);

        assertThat(restored.losses).isEqualTo(1);
        assertThat(world.copiedFiles()).containsExactly("inbox-lost-1");
        requireRestorable();
    }

    @Test
    void segmentsAreRemovedFromTheTopic_declaredLossesStay() throws IOException {
        write(start(machine("one")), 3);
        Backend restored = start(machine("two"));
        for (int minute = 0; minute < 2; minute++) {
            long before = restored.end().ordinal();
            while (restored.end().ordinal() < before + 2) {
                String unused = restored.append();
                while (restored.step()) {
                    // the minute has not passed
                }
            }
            long begin = world.topic.begin();
            restored.copy.trimBefore(restored.end().ordinal());
            assertThat(world.copiedFiles()).containsExactly("inbox-lost-1");
            assertThat(world.topic.begin()).isEqualTo(begin);

            world.advance(Duration.ofMinutes(1));
            restored.copyAll();
            restored.copy.trimBefore(restored.end().ordinal());
        }
        assertThat(world.topic.begin()).isPositive();
    }

    /** Each of two restores from the same copy opened a segment, and they have the same ordinal. */
    @Test
    void olderDiskHasRecordsInASegmentThatTheCopyHasNot_isRefused() throws IOException {
        Backend first = start(machine("one"));
        write(first, 3);
        Machine two = machine("one");
        String refused = start(two).append();
        start(machine("one")).copyAll();
        two.disk().kill();
        world.advance(CopyStart.ALIVE);

        assertThat(refused(two))
                .hasMessageContaining("continue differently")
                .hasMessageContaining("set this log aside");

        assertThat(world.answered).doesNotContainValue(refused);
        requireRestorable();
    }

    /** What was answered while everything was copied again may be on this machine only. */
    @Test
    void topicLosesEntries_andContinuesDifferently_logIsKept() throws IOException {
        Machine one = machine("one");
        Backend first = start(one);
        write(first, 3);
        long end = world.topic.end();
        Machine rolledBack = snapshot(world, one);
        write(first, 3);
        first.keepNote();
        world.topic.loseEnd((int) (world.topic.end() - end));
        one.disk().kill();
        write(start(rolledBack), 3);
        world.advance(CopyStart.ALIVE);

        assertThat(refused(one))
                .hasMessageContaining("continue differently")
                .hasMessageContaining("it has lost entries")
                .hasMessageContaining("Keep this log");
    }

    /** A connection that runs something before one of its calls, or after an entry was sent. */
    private static final class HookedTopic extends ForwardingTopic {
        private final int at;
        private final Runnable hook;
        private int calls;

        HookedTopic(CopyTopic topic, int at, Runnable hook) {
            super(topic);
            this.at = at;
            this.hook = hook;
        }

        boolean isReached() {
            return calls > at;
        }

        private void call() {
            if (calls++ == at) {
                hook.run();
            }
        }

        @Override
        public String identity() {
            call();
            return super.identity();
        }

        @Override
        public long begin() {
            call();
            return super.begin();
        }

        @Override
        public long end() {
            call();
            return super.end();
        }

        @Override
        public List<Entry> read(long from, long end) {
            call();
            return super.read(from, end);
        }

        @Override
        public CompletionStage<Long> send(byte[] value) {
            call();
            CompletionStage<Long> sent = super.send(value);
            call();
            return sent;
        }
    }
}
