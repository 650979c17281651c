// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyStart.Started;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.LogCopy.Place;
import dev.flk.copy.testing.SimulatedTopic;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Active;
import dev.flk.wal.Log.Append;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.LogRestore;
import dev.flk.wal.SegmentArchive;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * Histories of a log with a copy, over kills, power losses, older copies of the disk and lost disks: what was on disk and
 * acknowledged by the topic, in the order of the log, is never lost.
 */
class CopyHistoriesTest {
    private static final int HISTORIES = Integer.getInteger("flk.copyHistories", 500);
    private static final Path DIRECTORY = Path.of("wal");
    private static final Path ARCHIVE = Path.of("taken");

    /** An append whose answer waits for the copy. */
    private record Waiting(Place place, Map<Long, String> records) {}

    private static final class History {
        private final Random random;
        private final SimulatedTopic topic;
        private SimulatedDisk disk;
        private SimulatedDisk older;
        private final Map<Long, String> answered = new TreeMap<>();
        private final Deque<Waiting> waiting = new ArrayDeque<>();
        private long nanos = TimeUnit.DAYS.toNanos(1);
        private int claims;
        private int bodies;
        private int taken;
        private int restored;
        private int movedAway;

        History(long seed) {
            random = new Random(seed);
            topic = new SimulatedTopic(random);
            disk = new SimulatedDisk(random);
        }

        private InstantSource clock() {
            return () -> Instant.ofEpochMilli(TimeUnit.NANOSECONDS.toMillis(nanos));
        }

        private Claim claim() {
            claims++;
            return new Claim("%016x".formatted(claims), "%016x".formatted(claims), clock().millis(), "host");
        }

        private LogOptions options() {
            return LogOptions.of(DIRECTORY, "inbox", "context")
                    .with(LogSizes.usual()
                            .withSegments(8_000 + random.nextInt(8_000), Duration.ofDays(1))
                            .withFillAhead(random.nextInt(2) * 4096));
        }

        /** Restores the log if this machine has none, and claims it. */
        private Started start(CopyTopic connection) throws Exception {
            topic.setDown(false);
            topic.setImmediate(true);
            try {
                while (true) {
                    try {
                        return startOnce(connection);
                    } catch (CopyUnavailableException e) {
                        assertThat(e).hasMessageContaining("broke");
                    }
                }
            } catch (CopyRefusedException e) {
                assertThat(e).hasMessageContaining("continue differently");
                assertThat(older)
                        .as("only an older disk can continue differently")
                        .isNotNull();
                movedAway++;
                disk.lose();
                return start(connection);
            } finally {
                topic.setImmediate(false);
            }
        }

        private Started startOnce(CopyTopic connection) throws Exception {
            CopyStart start = new CopyStart(disk, DIRECTORY, "inbox", connection, clock());
            disk.createDirectories(DIRECTORY);
            if (disk.list(DIRECTORY).stream().noneMatch(name -> name.contains(".wal"))) {
                SimulatedDisk archive = new SimulatedDisk(random);
                long bytes =
                        new CopyStart(archive, ARCHIVE, "inbox", connection, clock()).takeAll(ARCHIVE, claim(), true);
                if (bytes > 0) {
                    SegmentArchive segments = SegmentArchive.read(archive, ARCHIVE);
                    new LogRestore(segments, disk, DIRECTORY, "inbox", "test")
                            .run(segments.logs().get(0).logId(), 0, 0, done -> {});
                    restored++;
                }
            }
            Started started = claimed(start);
            taken += started.taken() > 0 ? 1 : 0;
            assertThat(started.lost()).isEmpty();
            return started;
        }

        private Started claimed(CopyStart start) throws IOException, CopyRefusedException {
            try {
                return start.run(claim(), false);
            } catch (CopyRefusedException e) {
                if (!String.valueOf(e.getMessage()).contains("belongs to another backend")) {
                    throw e;
                }
                nanos += CopyStart.ALIVE.toNanos();
                return start.run(claim(), false);
            }
        }

        void live() throws Exception {
            CopyTopic connection = topic.connect();
            Started started = start(connection);
            waiting.clear(); // their senders got no answer
            Log log = Log.open(disk, options(), LogListener.NONE, clock(), () -> nanos, random);
            LogSource source = new LogSource(disk, log, "inbox", name -> name.startsWith("inbox-lost-"));
            LogCopy copy = new LogCopy(
                    connection,
                    source,
                    started.claim(),
                    started.from(),
                    started.begins(),
                    started.next(),
                    clock(),
                    () -> nanos,
                    new LogCopy.Listener() {
                        @Override
                        public void safe(Place place) {
                            while (!waiting.isEmpty()
                                    && waiting.getFirst().place().compareTo(place) <= 0) {
                                answered.putAll(waiting.removeFirst().records());
                            }
                        }

                        @Override
                        public void lost(String what) {
                            throw new AssertionError(what);
                        }

                        @Override
                        public void superseded(Claim by) {
                            throw new AssertionError(by.toString());
                        }
                    });
            int steps = random.nextInt(60);
            for (int i = 0; i < steps; i++) {
                switch (random.nextInt(10)) {
                    case 0, 1 -> append(log);
                    case 2 -> {
                        boolean unused = log.fillStep();
                    }
                    case 3, 4, 5 -> topic.step();
                    case 6 -> topic.setDown(random.nextInt(4) == 0);
                    case 7 -> nanos += random.nextInt(1_500_000_000);
                    default -> copy.step();
                }
                if (random.nextInt(80) == 0) {
                    older = disk.copy();
                }
            }
            if (random.nextInt(4) == 0) {
                log.close();
            }
            source.close();
        }

        private void append(Log log) {
            Map<Long, String> records = new HashMap<>();
            String body = "body " + bodies++ + " " + "x".repeat(random.nextInt(900));
            boolean taken = log.append(new Append() {
                @Override
                public List<Entry> entries() {
                    return List.of(new Entry('s', "key", clock().millis(), body.getBytes(StandardCharsets.US_ASCII)));
                }

                @Override
                public void forced(long firstSequence) {
                    records.put(firstSequence, body);
                }

                @Override
                public void failed(IOException cause) {
                    throw new AssertionError(cause);
                }
            });
            assertThat(taken).isTrue();
            assertThat(log.step()).isTrue();
            Active active = log.active();
            waiting.add(new Waiting(
                    new Place(active.header().ordinal(), active.header().id(), active.end(), true), records));
        }

        /** The machine is killed, loses power, gets an older disk, or burns down. */
        void end() {
            switch (random.nextInt(6)) {
                case 0, 1 -> disk.kill();
                case 2 -> disk.losePower();
                case 3 -> {
                    disk.kill();
                    if (older != null) {
                        disk = older.copy();
                    }
                }
                default -> disk.lose();
            }
        }

        void requireAnswered() throws Exception {
            Started started = start(topic.connect());
            assertThat(started).isNotNull();
            Log.open(disk, options(), LogListener.NONE, clock(), () -> nanos, random)
                    .close();
            Map<Long, String> found = new HashMap<>();
            try (LogReader reader = LogReader.open(disk, DIRECTORY, "inbox", 1, OnDamage.STOP)) {
                for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                    found.put(record.sequence(), new String(record.body(), StandardCharsets.US_ASCII));
                }
            }
            assertThat(found).containsAllEntriesOf(answered);
        }
    }

    @Test
    void answeredRecords_areNeverLost() throws Exception {
        int answered = 0;
        int taken = 0;
        int restored = 0;
        long first = Long.getLong("flk.seed", 0);
        for (long seed = first; seed < first + (Long.getLong("flk.seed") == null ? HISTORIES : 1); seed++) {
            History history = new History(seed);
            try {
                for (int life = 0; life < 6; life++) {
                    try {
                        history.live();
                    } catch (CopyUnavailableException e) {
                        assertThat(e).hasMessageContaining("down");
                    }
                    history.end();
                }
                history.requireAnswered();
            } catch (Exception | AssertionError e) {
                throw new AssertionError("seed " + seed, e);
            }
            answered += history.answered.size();
            taken += history.taken;
            restored += history.restored;
        }
        System.out.println(answered + " answered, " + taken + " taken, " + restored + " restored");
        assertThat(answered).isGreaterThan(HISTORIES);
    }
}
