// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.outbox.Outbox.LastSending;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tests in which each file operation of an outbox fails in turn, during the same sequence of steps: certificates are
 * added, sent, settled, given up, compacted, requeued and purged. If the process survives the fault, it closes the
 * outbox after the steps, and another process repeats the steps with other certificates. Then a kill or a loss of
 * power, another restart and an audit follow.
 */
class FaultAtEveryOperationTest {
    private static final Path DIRECTORY = Path.of("outbox");
    private static final Path LETTERS = DIRECTORY.resolve("dlq.jsonl");
    private static final int POWER_LOSSES = 3;
    /** The value for a kill, in place of the seed of a loss of power. */
    private static final int KILL = -1;

    private static final class Life {
        private final SimulatedDisk disk;
        private long millis = Instant.parse("2026-11-20T08:00:00Z").toEpochMilli();
        /** The promise about each certificate, by name. */
        private final Map<String, Promise> promises = new HashMap<>();

        private final int rounds;

        Life(SimulatedDisk disk, int rounds) {
            this.disk = disk;
            this.rounds = rounds;
        }

        private Outbox open() throws IOException {
            millis += 1000;
            return Outbox.openStepped(
                    new OutboxOptions(DIRECTORY, 1 << 20, 0),
                    () -> Instant.ofEpochMilli(millis),
                    () -> millis * 1_000_000,
                    disk,
                    new Random(millis));
        }

        /** Runs all rounds; returns false if the process died, or if opening or closing the files failed. */
        boolean run(int from) {
            try {
                Outbox outbox = open();
                DeadLetters letters = DeadLetters.open(LETTERS, outbox, disk);
                for (int i = from; i < from + rounds; i++) {
                    add(outbox, "a" + i, "b" + i, "c" + i, "d" + i);
                    settle(outbox, "a" + i);
                    giveUp(outbox, letters, "b" + i);
                    giveUp(outbox, letters, "c" + i);
                    millis += Duration.ofDays(2).toMillis();
                    tryIt(() -> outbox.compact(Duration.ofDays(1), Mode.RUN));
                    requeue(letters, "b" + i);
                    tryIt(() -> outbox.compact(Duration.ZERO, Mode.RUN));
                    purge(letters, "c" + i);
                }
                letters.close();
                outbox.close();
                return true;
            } catch (SimulatedDisk.Killed | IOException e) {
                return false;
            }
        }

        private void add(Outbox outbox, String... names) {
            CompletableFuture<Void> added;
            List<byte[]> bodies = new ArrayList<>();
            for (String name : names) {
                promises.put(name, Promise.AT_MOST_ONCE);
                bodies.add(body(name));
            }
            try {
                added = outbox.add(bodies);
            } catch (IOException e) {
                return;
            }
            steps(outbox);
            if (added.isDone() && !added.isCompletedExceptionally()) {
                for (String name : names) {
                    promises.put(name, Promise.WAITS);
                }
            }
        }

        private void settle(Outbox outbox, String name) {
            entry(outbox, name).ifPresent(entry -> {
                outbox.beingSent(
                        List.of(entry),
                        new LastSending(Instant.ofEpochMilli(millis), Instant.ofEpochMilli(millis)),
                        () -> {});
                steps(outbox);
                promises.put(name, Promise.AT_MOST_ONCE);
                outbox.settle(SettledAs.ACCEPTED, List.of(entry));
                steps(outbox);
            });
        }

        private void giveUp(Outbox outbox, DeadLetters letters, String name) throws IOException {
            entry(outbox, name).ifPresent(entry -> {
                DeadLetter letter = DeadLetter.of(Instant.ofEpochMilli(millis), entry, name, 400, "no", 1, body(name));
                tryIt(() -> {
                    promises.put(name, Promise.EITHER);
                    letters.add(letter);
                    promises.put(name, Promise.DEAD);
                    outbox.settle(SettledAs.DEAD, List.of(entry));
                    steps(outbox);
                });
            });
        }

        private void requeue(DeadLetters letters, String name) {
            tryIt(() -> {
                if (promises.get(name) == Promise.DEAD) {
                    promises.put(name, Promise.EITHER);
                    if (letters.requeue(letter -> letter.pcsId().equals(name)) == 1) {
                        promises.put(name, Promise.WAITS);
                    }
                }
            });
        }

        private void purge(DeadLetters letters, String name) {
            tryIt(() -> {
                if (promises.get(name) == Promise.DEAD) {
                    promises.put(name, Promise.AT_MOST_ONCE);
                    letters.purge(letter -> letter.pcsId().equals(name));
                }
            });
        }

        /** Returns the entry with this name, if it waits. */
        private static Optional<OutboxEntry> entry(Outbox outbox, String name) {
            try {
                for (OutboxEntry entry : outbox.pendingAfter(0, Integer.MAX_VALUE)) {
                    byte[] body = outbox.bodies(List.of(entry)).get(entry.sequence());
                    if (body != null && new String(body, StandardCharsets.UTF_8).contains('"' + name + '"')) {
                        return Optional.of(entry);
                    }
                }
            } catch (IOException e) {
                return Optional.empty();
            }
            return Optional.empty();
        }

        void audit() throws IOException {
            Outbox outbox = open();
            DeadLetters letters = DeadLetters.open(LETTERS, outbox, disk);
            List<String> dead = new ArrayList<>();
            letters.purge(letter -> {
                dead.add(letter.pcsId());
                return false;
            });
            assertThat(letters.count()).as("torn lines may be among them").isGreaterThanOrEqualTo(dead.size());
            promises.forEach((name, promise) -> {
                int waiting = entry(outbox, name).isPresent() ? 1 : 0;
                int given = (int) dead.stream().filter(name::equals).count();
                switch (promise) {
                    case WAITS ->
                        assertThat(waiting - given)
                                .as(name + " waits, and is no dead letter")
                                .isEqualTo(1);
                    case DEAD ->
                        assertThat(given - waiting)
                                .as(name + " is a dead letter, once")
                                .isEqualTo(1);
                    case EITHER ->
                        assertThat(given + waiting)
                                .as(name + " waits (" + waiting + ") or is dead")
                                .isEqualTo(1);
                    case AT_MOST_ONCE ->
                        assertThat(given + waiting).as(name + " is there once").isLessThanOrEqualTo(1);
                }
            });
            for (OutboxEntry entry : outbox.pendingAfter(0, Integer.MAX_VALUE)) {
                assertThat(outbox.bodies(List.of(entry))).containsKey(entry.sequence());
            }
            assertThat(outbox.lostRecords()).isZero();
            CompletableFuture<Void> next = outbox.add(List.of(body("next")));
            steps(outbox);
            assertThat(next).isCompleted();
        }
    }

    private enum Promise {
        WAITS,
        DEAD,
        EITHER,
        AT_MOST_ONCE
    }

    private interface Step {
        void take() throws IOException;
    }

    /** Takes a step; if it fails, the error must have a message. */
    private static void tryIt(Step step) {
        try {
            step.take();
        } catch (IOException e) {
            assertThat(e).hasMessageMatching("(?s).+");
        }
    }

    private static void steps(Outbox outbox) {
        while (outbox.step()) {
            // takes all steps
        }
    }

    private static byte[] body(String name) {
        return ("{\"name\":\"" + name + "\",\"x\":\"" + "x".repeat(300) + "\"}").getBytes(StandardCharsets.UTF_8);
    }

    /** Fails every third operation of a life of one round, followed by a kill or a loss of power alternately. */
    @ParameterizedTest
    @EnumSource(Fault.class)
    void operations_fail_loseAndDuplicateNothing(Fault fault) throws IOException {
        long n = 0;
        while (run(fault, n, n % 2 == 0 ? KILL : 0, 1)) {
            n += 3;
        }
        assertThat(n).isGreaterThan(100);
    }

    /**
     * Fails each operation of a life of two rounds, once for each ending: a kill, or one of several losses of power,
     * which keep different parts of the unforced data.
     */
    @Tag("thorough")
    @ParameterizedTest
    @EnumSource(Fault.class)
    void everyOperation_failsWithEachEnding_losesAndDuplicatesNothing(Fault fault) throws IOException {
        for (int end = KILL; end < POWER_LOSSES; end++) {
            long n = 0;
            while (run(fault, n, end, 2)) {
                n++;
            }
        }
    }

    /** Tests a fault at one operation; returns whether the operation was reached. */
    private static boolean run(Fault fault, long number, int powerLossSeed, int rounds) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(number * 31 + powerLossSeed));
        Life life = new Life(disk, rounds);
        disk.failOperation(number, fault);
        boolean alive = life.run(0);
        boolean reached = disk.faultHappened();
        disk.failNothing();
        disk.kill();
        if (alive) {
            life.run(10);
        }
        if (powerLossSeed >= 0) {
            disk.losePower();
        } else {
            disk.kill();
        }
        try {
            life.audit();
        } catch (AssertionError | IOException e) {
            throw new AssertionError(fault + " at operation " + number + ", power loss " + powerLossSeed, e);
        }
        return reached;
    }
}
