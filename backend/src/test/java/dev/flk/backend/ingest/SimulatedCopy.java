// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.copy.SteppedCopy;
import dev.flk.backend.inbox.Inbox;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRefusedException;
import dev.flk.copy.CopyStart;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.testing.SimulatedTopic;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/**
 * The topic to which a simulated log is copied, and the machines on which it was. A machine may get an older copy of its
 * disk, burn down, or be replaced while its process still runs. Checks that a start waits for the brokers and for the
 * owner, and refuses only what it must refuse.
 */
final class SimulatedCopy {
    private static final Path DIRECTORY = Path.of("log");
    private static final Path SCRATCH = Path.of("log.taken");
    private static final int PATIENCE = 60;
    private static final int MOST_STEPS = 5_000;

    /** A machine whose log can be used again. */
    private record Machine(String host, SimulatedDisk disk) {}

    private final World world;
    private final Random random;
    private final World.Clock clock;
    private final SimulatedTopic topic;
    private final boolean isRequired;
    private final List<Machine> older = new ArrayList<>();
    private final Set<String> hosts = new HashSet<>();
    private String host = "host0";

    /** Whether the log of this machine may be older than the copy, or may continue differently. */
    private boolean isOlder;

    /** Whether the topic has lost entries, so that it may lack what was answered. */
    private boolean hasLost;

    SimulatedCopy(World world, Random random, World.Clock clock, boolean isRequired) {
        this.world = world;
        this.random = random;
        this.clock = clock;
        this.isRequired = isRequired;
        this.topic = new SimulatedTopic(random);
        hosts.add(host);
    }

    /** Appends and acknowledges, and sometimes lets the brokers be away for a while, or ends all waits for them. */
    void perhapsStep() {
        switch (random.nextInt(24)) {
            case 0 -> setDown(random.nextInt(3) > 0);
            case 1 -> setDown(false);
            case 2 -> {
                if (random.nextInt(4) == 0) {
                    topic.timeOut();
                }
            }
            default -> topic.step();
        }
    }

    private void setDown(boolean down) {
        if (topic.isDown() != down) {
            world.trace("the brokers are " + (down ? "down" : "up"));
        }
        topic.setDown(down);
    }

    void settle() {
        setDown(false);
    }

    void processDied() {
        topic.writersDied();
    }

    boolean isDown() {
        return topic.isDown();
    }

    /** Appends or acknowledges an entry, or ends the waits for brokers that are down; returns false if it can't. */
    boolean step() {
        return topic.isDown() ? topic.timeOut() : topic.step();
    }

    /**
     * Makes the directory ready, and waits for the brokers and for the end of the owner. An operator sets a log aside
     * that is older or continues differently, and takes over a log whose owner seems to be alive for long.
     */
    SteppedCopy prepare(SimulatedDisk disk) throws IOException {
        world.trace(this::entries);
        boolean takeOver = false;
        world.trace(() -> "  " + host + " has " + disk.names());
        SteppedCopy opening = opening(disk, takeOver);
        for (int i = 0; ; i++) {
            assertThat(i).as("the start comes to an end").isLessThan(2 * PATIENCE);
            setDown(i < PATIENCE && random.nextInt(4) == 0);
            topic.setImmediate(true);
            boolean isAbsent = Inbox.isAbsent(disk.names());
            try {
                opening.tryPrepare();
                return opening;
            } catch (CopyUnavailableException e) {
                world.trace(() -> "  " + e.getMessage());
                if (topic.isDown()) {
                    assertThat(Inbox.isAbsent(disk.names()))
                            .as("nothing is created before the topic has answered")
                            .isEqualTo(isAbsent);
                }
            } catch (CopyRefusedException e) {
                world.trace(() -> "  " + e.getMessage());
                String why = String.valueOf(e.getMessage());
                if (why.contains("continue")) { // differently, or after the end of this log
                    assertThat(isOlder)
                            .as("only an older log is refused: %s", why)
                            .isTrue();
                    world.trace("the log is set aside");
                    disk.lose();
                    opening = opening(disk, takeOver);
                } else if (!e.mayPass() || i > PATIENCE) {
                    assertThat(e.mayPass() || hosts.size() > 1)
                            .as("another owner: %s", why)
                            .isTrue();
                    takeOver = true;
                    opening = opening(disk, takeOver);
                }
            } finally {
                topic.setImmediate(false);
            }
            world.advance(Duration.ofSeconds(1 + random.nextInt(10)));
        }
    }

    private String entries() {
        StringBuilder all = new StringBuilder("topic from " + topic.begin());
        for (byte[] entry : topic.entries()) {
            String text = new String(entry, StandardCharsets.ISO_8859_1);
            all.append("\n  ").append(text, 10, text.indexOf('\n'));
        }
        return all.toString();
    }

    private SteppedCopy opening(SimulatedDisk disk, boolean takeOver) {
        return new SteppedCopy(
                topic.connect(),
                isRequired,
                DIRECTORY,
                disk,
                new SimulatedDisk(random),
                host,
                takeOver,
                random,
                clock::now,
                world::nanos);
    }

    /** Copies what the open log has and the copy has not. */
    void follow(SteppedCopy copying, Inbox inbox) throws IOException {
        copying.follow(inbox);
        for (int i = 0; !copying.isStartComplete(); i++) {
            assertThat(i).as("the start comes to an end").isLessThan(MOST_STEPS);
            await(copying);
        }
        isOlder = false;
        hasLost |= copying.hasLost(); // what is answered is only on this disk until everything is copied again
    }

    /** Takes steps while a start waits. */
    void await(SteppedCopy copying) {
        boolean isDone = copying.step();
        perhapsStep();
        if (!isDone && !step()) {
            world.advance(Duration.ofMillis(100));
        }
    }

    /** Keeps a copy of the disk, which may be put back later. */
    void perhapsKeep(SimulatedDisk disk) {
        if (random.nextInt(60) == 0) {
            world.trace("a copy of the disk is kept");
            keep(disk);
        }
    }

    private void keep(SimulatedDisk disk) {
        older.add(new Machine(host, disk.copy()));
        if (older.size() > 3) {
            older.remove(random.nextInt(older.size()));
        }
    }

    /** Returns whether the disk may be lost: everything that was answered is in the topic. */
    boolean mayLose(List<LogRecord> log) throws IOException {
        if (!isRequired) {
            return false;
        }
        if (hasLost) { // until the owner has noticed: one that is replaced before would claim the log again
            hasLost = log.isEmpty() || !records().containsAll(keys(log));
        }
        return !hasLost;
    }

    private static Set<String> keys(List<LogRecord> log) {
        Set<String> keys = new HashSet<>();
        log.forEach(record -> keys.add(record.sequence() + " " + Arrays.hashCode(record.body())));
        return keys;
    }

    /** Returns what the topic has. */
    private Set<String> records() throws IOException {
        SimulatedDisk disk = new SimulatedDisk(random);
        Set<String> records = new HashSet<>();
        try {
            Claim claim = new Claim("%016x".formatted(1), "%016x".formatted(1), 0, "nobody");
            long unused = new CopyStart(
                            disk, SCRATCH, Inbox.SEGMENT_PREFIX, topic.copy().connect(), clock::now)
                    .takeAll(SCRATCH, claim, true);
        } catch (CopyRefusedException e) {
            throw new AssertionError(e);
        }
        try (LogReader reader = LogReader.open(disk, SCRATCH, Inbox.SEGMENT_PREFIX, 1, OnDamage.SKIP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                records.add(record.sequence() + " " + Arrays.hashCode(record.body()));
            }
        }
        return records;
    }

    /** Loses everything on the disk of a machine, or puts an older copy of it back. */
    void replace(SimulatedDisk disk) {
        if (older.isEmpty() || random.nextBoolean()) {
            world.trace("the machine burns down");
            disk.lose();
            if (random.nextBoolean()) {
                host = "host" + hosts.size();
                hosts.add(host);
            }
            return;
        }
        Machine machine = older.get(random.nextInt(older.size()));
        world.trace("an older disk of " + machine.host());
        host = machine.host();
        disk.lose();
        machine.disk().names().forEach(name -> disk.put(name, machine.disk().content(name)));
        isOlder = true;
    }

    /** Moves to another machine, whose disk is empty or an older copy; the old one keeps its disk. */
    SimulatedDisk moveElsewhere(SimulatedDisk old) {
        keep(old);
        host = "host" + hosts.size();
        hosts.add(host);
        SimulatedDisk disk = new SimulatedDisk(random);
        if (random.nextInt(3) == 0) {
            Machine machine = older.get(random.nextInt(older.size()));
            machine.disk().names().forEach(name -> disk.put(name, machine.disk().content(name)));
            isOlder = true;
        }
        return disk;
    }

    /** Loses entries that were acknowledged, or all of them. */
    void loseEntries() {
        hasLost = true;
        if (random.nextBoolean()) {
            world.trace("the topic is created again");
            topic.createAgain();
        } else {
            world.trace("the topic loses its end");
            topic.loseEnd(1 + random.nextInt(5));
        }
    }
}
