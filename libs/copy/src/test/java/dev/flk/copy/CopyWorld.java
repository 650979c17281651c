// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyStart.Started;
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
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/** A topic, the processes that copy a log to it, and what they have answered. */
class CopyWorld {
    static final Path DIRECTORY = Path.of("wal");
    private static final Path ARCHIVE = Path.of("taken");
    private static final String PREFIX = "inbox";

    final Random random;
    final SimulatedTopic topic;

    /** What was answered, by sequence. */
    final Map<Long, String> answered = new TreeMap<>();

    long nanos = TimeUnit.DAYS.toNanos(1);
    int restored;

    /** The term of a claim in another topic. */
    long usedTerm;

    private int claims;
    private int records;

    CopyWorld(long seed) {
        random = new Random(seed);
        topic = new SimulatedTopic(random);
    }

    InstantSource clock() {
        return () -> Instant.ofEpochMilli(TimeUnit.NANOSECONDS.toMillis(nanos));
    }

    void advance(Duration by) {
        nanos += by.toNanos();
    }

    /** Returns the claim of a process. */
    Claim claim(String host) {
        claims++;
        return new Claim("%016x".formatted(claims), "%016x".formatted(claims), clock().millis(), host);
    }

    LogOptions options() {
        return LogOptions.of(DIRECTORY, PREFIX, "context")
                .with(LogSizes.usual()
                        .withSegments(8_000 + random.nextInt(8_000), Duration.ofDays(1))
                        .withFillAhead(random.nextInt(2) * 4096));
    }

    /** Restores the log if the disk has none or half of one, and claims it. */
    Started prepare(SimulatedDisk disk, SimulatedDisk beside, CopyTopic connection, Claim claim, boolean takeOver)
            throws IOException, CopyRefusedException {
        disk.createDirectories(DIRECTORY);
        if (disk.list(DIRECTORY).stream().noneMatch(name -> name.contains(".wal")) || isHalfRestored(disk)) {
            for (String name : beside.list(ARCHIVE)) {
                beside.delete(ARCHIVE.resolve(name));
            }
            long bytes = new CopyStart(beside, ARCHIVE, PREFIX, connection, clock()).takeAll(ARCHIVE, claim, takeOver);
            if (bytes > 0) {
                SegmentArchive segments = SegmentArchive.read(beside, ARCHIVE);
                new LogRestore(segments, disk, DIRECTORY, PREFIX, "test")
                        .run(segments.logs().get(0).logId(), 0, 0, done -> {});
                restored++;
            }
        }
        return new CopyStart(disk, DIRECTORY, PREFIX, connection, clock()).run(claim, takeOver, () -> usedTerm);
    }

    private static boolean isHalfRestored(SimulatedDisk disk) {
        try {
            LogRestore.requireFinished(disk, DIRECTORY, PREFIX);
            return false;
        } catch (IOException e) {
            return true;
        }
    }

    /** Returns the records in the topic, as a restore would find them. */
    Map<Long, String> copied() throws IOException {
        SimulatedDisk archive = new SimulatedDisk(random);
        try {
            Claim nobody = new Claim("%016x".formatted(0), "%016x".formatted(0), 0, "nobody");
            long unused = new CopyStart(archive, ARCHIVE, PREFIX, topic.copy().connect(), clock())
                    .takeAll(ARCHIVE, nobody, true);
        } catch (CopyRefusedException e) {
            throw new AssertionError(e);
        }
        return records(archive, ARCHIVE, OnDamage.SKIP);
    }

    /** Returns the records on a disk; fails if any are missing and not declared lost. */
    Map<Long, String> records(SimulatedDisk disk) {
        try {
            return records(disk, DIRECTORY, OnDamage.STOP);
        } catch (IOException e) {
            throw new AssertionError("the log can't be read to its end", e);
        }
    }

    /** Returns the names of the other files of the log in the topic. */
    Set<String> copiedFiles() throws IOException {
        CopyChain chain = new CopyChain((segment, offset, bytes) -> {});
        chain.read(topic.copy().connect(), topic.begin(), topic.end());
        return chain.attachments().keySet();
    }

    private static Map<Long, String> records(SimulatedDisk disk, Path directory, OnDamage onDamage) throws IOException {
        Map<Long, String> found = new TreeMap<>();
        try (LogReader reader = LogReader.open(disk, directory, PREFIX, 1, onDamage)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                String body = new String(record.body(), StandardCharsets.US_ASCII);
                found.put(record.sequence(), body.substring(0, body.lastIndexOf(' ')));
            }
        }
        return found;
    }

    /** A process that writes a log and copies it, and answers what is copied. */
    final class Backend implements LogCopy.Listener {
        private final SimulatedDisk disk;
        private final CopyTopic connection;
        private final Deque<Waiting> waiting = new ArrayDeque<>();
        final Log log;
        final LogSource source;
        final LogCopy copy;
        private String identity;

        /** The end of what is copied again; null while nothing is. */
        private Place copiedAgain;

        int losses;
        int failures;

        /** An append whose answer waits for the copy. */
        private record Waiting(Place place, Map<Long, String> records) {}

        Backend(SimulatedDisk disk, CopyTopic connection, Started started) throws IOException {
            this.disk = disk;
            this.connection = connection;
            identity = connection.identity();
            log = open();
            source = new LogSource(disk, log, PREFIX, name -> name.startsWith("inbox-lost-"));
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
                losses++;
            }
        }

        private Log open() {
            try {
                return Log.open(disk, options(), LogListener.NONE, clock(), () -> nanos, random);
            } catch (IOException e) {
                throw new AssertionError("the log can't be opened", e);
            }
        }

        Place end() {
            Active active = log.active();
            return new Place(active.header().ordinal(), active.header().id(), active.end(), true);
        }

        boolean step() {
            boolean isDone = copy.step();
            if (copiedAgain != null && copiedAgain.compareTo(copy.safe()) <= 0) {
                copiedAgain = null;
            }
            return isDone;
        }

        /** Takes all steps, of the topic too. */
        void copyAll() {
            for (int i = 0; i < 50; i++) {
                nanos += TimeUnit.MILLISECONDS.toNanos(100);
                while (step()) {
                    // more to do
                }
                while (topic.step()) {
                    step();
                }
            }
        }

        /** Forces a record; returns its text. */
        String append() {
            Map<Long, String> forced = new HashMap<>();
            String name = "record " + records++;
            byte[] body = (name + " " + "x".repeat(random.nextInt(900))).getBytes(StandardCharsets.US_ASCII);
            boolean isAccepted = log.append(new Append() {
                @Override
                public List<Entry> entries() {
                    return List.of(new Entry('s', "key", clock().millis(), body));
                }

                @Override
                public void forced(long firstSequence) {
                    forced.put(firstSequence, name);
                }

                @Override
                public void failed(IOException cause) {
                    failures++;
                }
            });
            if (!isAccepted || !log.step()) {
                throw new IllegalStateException("not accepted");
            }
            waiting.add(new Waiting(end(), forced));
            answer();
            return name;
        }

        /** Appends a record, copies everything, and answers. */
        String write() {
            String name = append();
            copyAll();
            return name;
        }

        private void answer() {
            while (!waiting.isEmpty()
                    && (copiedAgain != null || waiting.getFirst().place().compareTo(copy.safe()) <= 0)) {
                answered.putAll(waiting.removeFirst().records());
            }
        }

        Optional<Claim> successor() {
            return copy.successor();
        }

        void keepNote() throws IOException {
            copy.keepNote(disk, DIRECTORY, PREFIX, identity);
        }

        @Override
        public void safe(Place place) {
            answer();
        }

        @Override
        public void lost(String what) {
            losses++;
            identity = connection.identity();
            copiedAgain = end();
            answer();
        }

        @Override
        public void superseded(Claim by) {
            waiting.clear();
        }
    }
}
