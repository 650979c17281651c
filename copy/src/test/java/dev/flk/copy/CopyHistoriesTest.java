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
import dev.flk.wal.testing.SimulatedDisk.Fault;
import dev.flk.wal.testing.SimulatedDisk.Killed;
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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * Histories of a log with a copy, over kills, disk errors, power losses, older copies of the disk, lost disks and topics
 * that lose entries: what was answered is never lost, unless the topic and the disk lose it one after the other.
 * {@code -Dflk.copyHistories=N} runs N histories; {@code -Dflk.seed=S} runs a failing seed alone.
 */
class CopyHistoriesTest {
    private static final int HISTORIES = Integer.getInteger("flk.copyHistories", 500);
    private static final int LIVES = 6;
    private static final Path DIRECTORY = Path.of("wal");
    private static final Path ARCHIVE = Path.of("taken");

    /** An append whose answer waits for the copy. */
    private record Waiting(Place place, Map<Long, String> records) {}

    /** A history of one seed. */
    private static final class History {
        private final Random random;
        private final SimulatedTopic topic;
        private final boolean losesEntries;
        private SimulatedDisk disk;
        private SimulatedDisk older;
        /** What was answered, by sequence. */
        private final Map<Long, String> answered = new TreeMap<>();

        private final Deque<Waiting> waiting = new ArrayDeque<>();
        private long nanos = TimeUnit.DAYS.toNanos(1);
        private int claims;
        private int bodies;
        private int taken;
        private int restored;
        private int killed;
        private int losses;
        private boolean hasLost;
        private boolean hasFault;

        History(long seed) {
            random = new Random(seed);
            topic = new SimulatedTopic(random);
            disk = new SimulatedDisk(random);
            losesEntries = seed % 4 == 0;
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

        /** Restores the log if this machine has none, and claims it; begins again if it is killed. */
        private Started start(CopyTopic connection) throws Exception {
            topic.setDown(false);
            topic.setImmediate(true);
            try {
                while (true) {
                    if (random.nextInt(8) == 0) {
                        disk.failOperation(random.nextInt(60), Fault.KILL);
                    }
                    T("start");
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
                assertThat(e).hasMessageContaining("continue differently");
                boolean mayHaveMore = String.valueOf(e.getMessage()).contains("Keep this log");
                assertThat(hasLost || (older != null && !mayHaveMore))
                        .as("only an older disk can continue differently")
                        .isTrue();
                if (hasCopiedAnswered()) {
                    disk.lose();
                } else {
                    assertThat(mayHaveMore)
                            .as("what only this machine has was never answered")
                            .isTrue();
                    topic.createAgain(); // under another name
                }
                return start(connection);
            } finally {
                topic.setImmediate(false);
                disk.failNothing();
            }
        }

        private Started startOnce(CopyTopic connection) throws Exception {
            disk.createDirectories(DIRECTORY);
            if (disk.list(DIRECTORY).stream().noneMatch(name -> name.contains(".wal")) || isHalfRestored()) {
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
            Started started = claimed(new CopyStart(disk, DIRECTORY, "inbox", connection, clock()));
            taken += started.taken() > 0 ? 1 : 0;
            assertThat(hasLost || started.lost().isEmpty()).isTrue();
            return started;
        }

        void T(String w) { if (Long.getLong("flk.seed") != null) { for (String n : disk.names()) if (n.contains(".wal")||n.contains("lost")) { byte[] c = disk.content(n); String h = new String(c, 0, Math.min(c.length, 1200), StandardCharsets.ISO_8859_1); System.out.println("# " + n + " " + c.length + " " + h.substring(0, Math.max(0, h.indexOf("\nchecksum"))).replace("\n", " | ")); } System.out.println(w + disk.names() + " note " + (disk.names().contains("inbox.copied") ? new String(disk.content("inbox.copied")).replace("\n", " | ") : "none"));
          long at = topic.begin(); for (byte[] e : topic.entries()) { String t = new String(e, StandardCharsets.ISO_8859_1); System.out.println("    " + at++ + " " + t.substring(10, t.indexOf('\n'))); } } }
        private boolean isHalfRestored() {
            try {
                LogRestore.requireFinished(disk, DIRECTORY, "inbox");
                return false;
            } catch (IOException e) {
                return true;
            }
        }

        private Started claimed(CopyStart start) throws IOException, CopyRefusedException {
            try {
                return start.run(claim(), false);
            } catch (CopyRefusedException e) {
                if (!String.valueOf(e.getMessage()).contains("belongs to another backend")) {
                    throw e;
                }
                assertThat(e.mayPass() || hasLost)
                        .as("the topic has the claim of the owner: %s", e.getMessage())
                        .isTrue();
                nanos += CopyStart.ALIVE.toNanos();
                return start.run(claim(), !e.mayPass());
            }
        }

        void live() throws Exception {
            LosingTopic connection = new LosingTopic(topic.connect(), random);
            Backend backend = open(connection);
            connection.isLosing = true;
            int steps = random.nextInt(100);
            for (int i = 0; i < steps; i++) {
                switch (random.nextInt(10)) {
                    case 0, 1 -> backend.append();
                    case 2 -> {
                        boolean unused = backend.log.fillStep();
                    }
                    case 3, 4, 5 -> topic.step();
                    case 6 -> topic.setDown(random.nextInt(4) == 0);
                    case 7 -> nanos += random.nextInt(1_500_000_000);
                    default -> backend.step();
                }
                switch (random.nextInt(80)) {
                    case 0 -> older = disk.copy();
                    case 1 -> {
                        hasFault = true;
                        disk.failOperation(random.nextInt(8), random.nextBoolean() ? Fault.EIO : Fault.KILL);
                    }
                    case 2 -> connection.failLost();
                    case 3 -> loseEntries();
                    case 4, 5 -> backend.keepNote();
                    default -> {}
                }
            }
            if (random.nextInt(4) == 0) {
                backend.keepNote();
                backend.log.close();
            }
            backend.source.close();
        }

        private Backend open(CopyTopic connection) throws Exception {
            Started started = start(connection);
            T("started");
            waiting.clear(); // their senders got no answer
            return new Backend(connection, started);
        }

        private void loseEntries() {
            if (losesEntries) {
                hasLost = true;
                losses++;
                if (random.nextBoolean()) {
                    topic.createAgain();T("createAgain");
                } else {
                    topic.loseEnd(1 + random.nextInt(5));T("loseEnd");
                }
            }
        }

        /** A process that writes the log and copies it. */
        private final class Backend implements LogCopy.Listener {
            private final CopyTopic connection;
            private final Log log;
            private final LogSource source;
            private final LogCopy copy;
            private String identity;

            /** The end of what is copied again; null while nothing is. */
            private Place copiedAgain;

            Backend(CopyTopic connection, Started started) throws IOException {
                this.connection = connection;
                identity = connection.identity();
                log = Log.open(disk, options(), LogListener.NONE, clock(), () -> nanos, random);
                source = new LogSource(disk, log, "inbox", name -> name.startsWith("inbox-lost-"));
                copy = new LogCopy(
                        connection,
                        source,
                        started.claim(),
                        started.from(),
                        started.begins(),
                        started.next(),
                        clock(),
                        () -> nanos,
                        this);
                if (started.lost().isPresent()) {
                    copiedAgain = end();
                }
            }

            private Place end() {
                Active active = log.active();
                return new Place(active.header().ordinal(), active.header().id(), active.end(), true);
            }

            void step() {
                boolean unused = copy.step();
                if (copiedAgain != null && copiedAgain.compareTo(copy.safe()) <= 0) {
                    copiedAgain = null;
                }
            }

            void append() {
                Map<Long, String> records = new HashMap<>();
                String name = "body " + bodies++;
                String body = name + " " + "x".repeat(random.nextInt(900));
                boolean isAccepted = log.append(new Append() {
                    @Override
                    public List<Entry> entries() {
                        byte[] bytes = body.getBytes(StandardCharsets.US_ASCII);
                        return List.of(new Entry('s', "key", clock().millis(), bytes));
                    }

                    @Override
                    public void forced(long firstSequence) {
                        records.put(firstSequence, name);
                    }

                    @Override
                    public void failed(IOException cause) {
                        assertThat(hasFault).isTrue();
                    }
                });
                assertThat(isAccepted).isTrue();
                assertThat(log.step()).isTrue();
                waiting.add(new Waiting(end(), records));
                answer(copy.safe());
            }

            private void answer(Place safe) {
                while (!waiting.isEmpty()
                        && (copiedAgain != null || waiting.getFirst().place().compareTo(safe) <= 0)) {
                    answered.putAll(waiting.removeFirst().records());
                }
            }

            void keepNote() throws IOException {
                try {
                    copy.keepNote(disk, DIRECTORY, "inbox", identity);
                } catch (IOException e) {
                    assertThat(hasFault).isTrue();
                }
            }

            @Override
            public void safe(Place place) {
                answer(place);
            }

            @Override
            public void lost(String what) {T(what);
                assertThat(hasLost).as(what).isTrue();
                identity = connection.identity();
                copiedAgain = end();
                answer(copy.safe());
            }

            @Override
            public void superseded(Claim by) {
                throw new AssertionError(by.toString());
            }
        }

        /** The machine is killed, loses power, gets an older disk, or burns down. */
        private void end() throws IOException {
            topic.writersDied();
            boolean unused = topic.timeOut();
            int how = random.nextInt(6);T("end " + how);
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
            boolean hasAll = copied().entrySet().containsAll(answered.entrySet());
            assertThat(hasLost || hasAll).as("what was answered is in the topic").isTrue();
            return hasAll;
        }

        /** Returns the records in the topic, as a restore would find them. */
        private Map<Long, String> copied() throws IOException {
            SimulatedDisk archive = new SimulatedDisk(random);
            try {
                Claim nobody = new Claim("%016x".formatted(0), "%016x".formatted(0), 0, "nobody");
                long unused = new CopyStart(
                                archive, ARCHIVE, "inbox", topic.copy().connect(), clock())
                        .takeAll(ARCHIVE, nobody, true);
            } catch (CopyRefusedException e) {
                throw new AssertionError(e);
            }
            return records(archive, ARCHIVE, OnDamage.SKIP);
        }

        private Map<Long, String> records(SimulatedDisk from, Path directory, OnDamage onDamage) throws IOException {
            Map<Long, String> found = new HashMap<>();
            try (LogReader reader = LogReader.open(from, directory, "inbox", 1, onDamage)) {
                for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                    String body = new String(record.body(), StandardCharsets.US_ASCII);
                    found.put(record.sequence(), body.substring(0, body.lastIndexOf(' ')));
                }
            }
            return found;
        }

        /** Starts once more, and copies everything. */
        private void requireAnswered() throws Exception {
            topic.settle();
            Backend backend = open(topic.connect());
            T("opened");
            assertThat(records(disk, DIRECTORY, OnDamage.STOP)).containsAllEntriesOf(answered);
            for (int i = 0; i < 100; i++) {
                nanos += TimeUnit.SECONDS.toNanos(1);
                backend.step();
                while (topic.step()) {
                    backend.step();
                }
            }
            T("final");
            assertThat(backend.copy.problem()).isEmpty();
            assertThat(backend.copy.safe()).isEqualByComparingTo(backend.end());
            assertThat(copied()).containsAllEntriesOf(answered);
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
            } catch (AssertionError | IOException e) {
                return seed;
            }
        }
        return -1;
    }

    @Test
    void answeredRecords_areNeverLost() throws Exception {
        int answered = 0;
        int taken = 0;
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
            answered += history.answered.size();
            taken += history.taken;
            restored += history.restored;
            killed += history.killed;
            losses += history.losses;
        }
        System.out.println(answered + " answered, " + taken + " taken, " + restored + " restored, " + killed
                + " killed at work, " + losses + " losses of the topic");
        assertThat(answered).isGreaterThan(only == null ? HISTORIES : -1);
    }
}
