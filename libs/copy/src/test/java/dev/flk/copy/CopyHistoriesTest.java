// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.copy.CopyStart.Started;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.CopyWorld.Backend;
import dev.flk.copy.testing.ForwardingTopic;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import dev.flk.wal.testing.SimulatedDisk.Killed;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * Histories of a log with a copy, over kills, disk errors, power losses, older copies of the disk, lost disks, errors of
 * the JVM and topics that are late, forget acknowledgements or lose entries: what was answered is never lost, unless the topic and the disk lose it one after the other.
 * {@code -Dflk.copyHistories=N} runs N histories; {@code -Dflk.seed=S} runs a failing seed alone.
 */
class CopyHistoriesTest {
    private static final int HISTORIES = Integer.getInteger("flk.copyHistories", 500);
    private static final int LIVES = 6;

    /** A history of one seed. */
    private static final class History {
        private final CopyWorld world;
        private final Random random;
        private final boolean losesEntries;
        private SimulatedDisk disk;
        private SimulatedDisk older;
        private int killed;
        private int losses;
        private boolean hasFault;

        History(long seed) {
            world = new CopyWorld(seed);
            random = world.random;
            disk = new SimulatedDisk(random);
            losesEntries = seed % 4 == 0;
            if (seed % 4 == 1) {
                world.topic.runOutOfMemory();
            }
        }

        void run() throws Exception {
            for (int life = 0; life < LIVES; life++) {
                try {
                    live();
                } catch (CopyUnavailableException e) {
                    assertThat(e).hasMessageContaining("down");
                } catch (Killed e) {
                    killed++;
                }
                disk.failNothing();
                end();
            }
            requireAnswered();
        }

        /** Starts, and begins again if the start is killed. An operator sets a log aside that is refused. */
        private Started start(CopyTopic connection) throws Exception {
            world.topic.setDown(false);
            world.topic.setImmediate(true);
            try {
                while (true) {
                    if (random.nextInt(8) == 0) {
                        disk.failOperation(random.nextInt(60), Fault.KILL);
                    }
                    try {
                        return startOnce(connection);
                    } catch (CopyUnavailableException e) {
                        assertThat(e).hasMessageContaining("broke");
                    } catch (Killed e) {
                        killed++;
                        disk.kill();
                    }
                }
            } catch (CopyRefusedException e) {
                assertThat(e).hasMessageMatching("the (log and its copy continue differently|copy continues after) .*");
                boolean mayHaveMore = String.valueOf(e.getMessage()).contains("Keep this log");
                assertThat(losses > 0 || (older != null && !mayHaveMore))
                        .as("only an older disk is refused")
                        .isTrue();
                if (hasCopiedAnswered()) {
                    disk.lose();
                } else {
                    assertThat(mayHaveMore)
                            .as("what only this machine has was never answered")
                            .isTrue();
                    world.topic.createAgain(); // under another name
                }
                return start(connection);
            } finally {
                world.topic.setImmediate(false);
                disk.failNothing();
            }
        }

        private Started startOnce(CopyTopic connection) throws IOException, CopyRefusedException {
            Started started = claimed(connection);
            assertThat(losses > 0 || started.lost().isEmpty()).isTrue();
            return started;
        }

        private Started claimed(CopyTopic connection) throws IOException, CopyRefusedException {
            try {
                return prepare(connection, false);
            } catch (CopyRefusedException e) {
                if (!String.valueOf(e.getMessage()).contains("belongs to another backend")) {
                    throw e;
                }
                assertThat(e.mayPass() || losses > 0)
                        .as("the topic has the claim of the owner: %s", e.getMessage())
                        .isTrue();
                world.advance(CopyStart.ALIVE);
                return prepare(connection, !e.mayPass());
            }
        }

        private Started prepare(CopyTopic connection, boolean takeOver) throws IOException, CopyRefusedException {
            return world.prepare(disk, new SimulatedDisk(random), connection, world.claim("host"), takeOver);
        }

        void live() throws Exception {
            LosingTopic connection = new LosingTopic(world.topic.connect(), random);
            Backend backend = open(connection);
            connection.isLosing = true;
            int steps = random.nextInt(100);
            for (int i = 0; i < steps; i++) {
                switch (random.nextInt(10)) {
                    case 0, 1 -> {
                        String unused = backend.append();
                    }
                    case 2 -> {
                        boolean unused = backend.log.fillStep();
                    }
                    case 3, 4, 5 -> world.topic.step();
                    case 6 -> world.topic.setDown(random.nextInt(4) == 0);
                    case 7 -> world.nanos += random.nextInt(1_500_000_000);
                    default -> step(backend);
                }
                switch (random.nextInt(80)) {
                    case 0 -> older = disk.copy();
                    case 1 -> {
                        hasFault = true;
                        disk.failOperation(random.nextInt(8), random.nextBoolean() ? Fault.EIO : Fault.KILL);
                    }
                    case 2 -> connection.failLost();
                    case 3 -> loseEntries();
                    case 4, 5 -> keepNote(backend);
                    default -> {}
                }
                assertThat(hasFault || backend.failures == 0).isTrue();
                assertThat(losses > 0 || backend.losses == 0).isTrue();
                assertThat(backend.successor()).isEmpty();
            }
            if (random.nextInt(4) == 0) {
                keepNote(backend);
                backend.log.close();
            }
            backend.source.close();
        }

        private static void step(Backend backend) {
            try {
                backend.step();
            } catch (OutOfMemoryError e) {
                // the caller tries again
            }
        }

        private Backend open(CopyTopic connection) throws Exception {
            return world.new Backend(disk, connection, start(connection));
        }

        private void keepNote(Backend backend) {
            try {
                backend.keepNote();
            } catch (IOException e) {
                assertThat(hasFault).isTrue();
            }
        }

        private void loseEntries() {
            if (losesEntries) {
                losses++;
                if (random.nextBoolean()) {
                    world.topic.createAgain();
                } else {
                    world.topic.loseEnd(1 + random.nextInt(5));
                }
            }
        }

        /** The machine is killed, loses power, gets an older disk, or burns down. */
        private void end() throws IOException {
            world.topic.writersDied();
            boolean unused = world.topic.timeOut();
            int how = random.nextInt(6);
            if (how == 2) {
                disk.losePower();
            } else if (how < 2 || !hasCopiedAnswered()) {
                disk.kill();
            } else if (how == 3) {
                disk.kill();
                if (older != null) {
                    disk = older.copy();
                }
            } else {
                disk.lose();
            }
        }

        /** Returns whether the topic has what was answered; checks that it has if it has lost nothing. */
        private boolean hasCopiedAnswered() throws IOException {
            boolean hasAll = world.copied().entrySet().containsAll(world.answered.entrySet());
            assertThat(losses > 0 || hasAll)
                    .as("what was answered is in the topic")
                    .isTrue();
            return hasAll;
        }

        /** Starts once more, and copies everything. */
        private void requireAnswered() throws Exception {
            world.topic.settle();
            Backend backend = open(world.topic.connect());
            assertThat(world.records(disk)).containsAllEntriesOf(world.answered);
            for (int i = 0; i < 100; i++) {
                world.nanos += TimeUnit.SECONDS.toNanos(1);
                backend.step();
                while (world.topic.step()) {
                    backend.step();
                }
            }
            assertThat(backend.copy.problem()).isEmpty();
            assertThat(backend.copy.safe()).isEqualByComparingTo(backend.end());
            assertThat(world.copied()).containsAllEntriesOf(world.answered);
        }
    }

    /** A connection that loses entries: they are not sent, and fail after later ones were acknowledged. */
    private static final class LosingTopic extends ForwardingTopic {
        private final Random random;
        private final Deque<CompletableFuture<Long>> lost = new ArrayDeque<>();
        private boolean isLosing;

        LosingTopic(CopyTopic topic, Random random) {
            super(topic);
            this.random = random;
        }

        @Override
        public CompletionStage<Long> send(byte[] value) {
            if (!isLosing || random.nextInt(30) > 0) {
                return super.send(value);
            }
            CompletableFuture<Long> offset = new CompletableFuture<>();
            lost.add(offset);
            return offset;
        }

        void failLost() {
            while (!lost.isEmpty()) {
                lost.removeFirst().completeExceptionally(new CopyUnavailableException("the entry was lost"));
            }
        }
    }

    /** Returns the first seed whose history breaks a promise, or -1 if there is none. */
    static long firstBroken(long from, long to) throws Exception {
        for (long seed = from; seed < to; seed++) {
            try {
                new History(seed).run();
            } catch (AssertionError e) {
                return seed;
            }
        }
        return -1;
    }

    @Test
    void answeredRecords_areNeverLost() throws Exception {
        int answered = 0;
        int restored = 0;
        int killed = 0;
        int losses = 0;
        Long only = Long.getLong("flk.seed");
        long first = only == null ? 0 : only;
        for (long seed = first; seed < first + (only == null ? HISTORIES : 1); seed++) {
            History history = new History(seed);
            try {
                history.run();
            } catch (Exception | AssertionError e) {
                throw new AssertionError("seed " + seed, e);
            }
            answered += history.world.answered.size();
            restored += history.world.restored;
            killed += history.killed;
            losses += history.losses;
        }
        System.out.println(answered + " answered, " + restored + " restored, " + killed + " killed at work, " + losses
                + " losses of the topic");
        assertThat(answered).isGreaterThan(only == null ? HISTORIES : -1);
    }
}
