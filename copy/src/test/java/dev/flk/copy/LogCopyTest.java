// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRecord.Segment;
import dev.flk.copy.LogCopy.Place;
import dev.flk.copy.testing.SimulatedTopic;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Histories of a log and its copy, with a topic that is late, forgets acknowledgements, is down and loses entries. */
class LogCopyTest {
    private static final int HISTORIES = 300;

    /** A log in memory, whose bytes are random. */
    private static final class Written implements CopySource {
        private final Random random;
        private final NavigableMap<Long, ByteArrayOutputStream> segments = new TreeMap<>();

        Written(Random random) {
            this.random = random;
            open();
        }

        void open() {
            long ordinal = segments.isEmpty() ? 1 : segments.lastKey() + 1 + random.nextInt(2);
            segments.put(ordinal, new ByteArrayOutputStream());
            write();
        }

        void write() {
            byte[] bytes = new byte[1 + random.nextInt(50)];
            random.nextBytes(bytes);
            segments.lastEntry().getValue().writeBytes(bytes);
        }

        Place end() {
            return new Place(
                    segments.lastKey(),
                    id(segments.lastKey()),
                    segments.lastEntry().getValue().size(),
                    segments.lastEntry().getValue().size() > 1);
        }

        static String id(long ordinal) {
            return "%016x".formatted(0xabcdef00L + ordinal);
        }

        static Segment segment(long ordinal) {
            return new Segment(id(ordinal), ordinal, "inbox-" + ordinal + ".wal");
        }

        @Override
        public List<CopySource.Written> from(long ordinal) {
            List<CopySource.Written> written = new ArrayList<>();
            segments.tailMap(ordinal, true)
                    .forEach((number, bytes) -> written.add(
                            new CopySource.Written(segment(number), 1, bytes.size(), number < segments.lastKey())));
            return written;
        }

        @Override
        public byte[] read(Segment segment, long offset, int length) {
            byte[] all = segments.get(segment.ordinal()).toByteArray();
            return Arrays.copyOfRange(all, (int) offset, (int) offset + length);
        }

        @Override
        public Map<String, byte[]> attachments() {
            return Map.of("inbox.mark", "mark".getBytes(StandardCharsets.US_ASCII));
        }
    }

    private static final class Listening implements LogCopy.Listener {
        private int losses;
        private Claim successor;

        @Override
        public void safe(Place place) {
            assertThat(successor)
                    .as("nothing is copied for a writer that does not own the log")
                    .isNull();
        }

        @Override
        public void lost(String what) {
            losses++;
        }

        @Override
        public void superseded(Claim by) {
            successor = by;
        }
    }

    private static Claim claim(int number) {
        return new Claim("%016x".formatted(number), "%016x".formatted(number), number, "host" + number);
    }

    /** A history of one seed. */
    private static final class History {
        private final Random random;
        private final SimulatedTopic topic;
        private final Written log;
        private final Listening listening = new Listening();
        private final LogCopy copy;
        private long nanos;

        History(long seed) {
            random = new Random(seed);
            topic = new SimulatedTopic(random);
            log = new Written(random);
            Claim own = claim(1);
            topic.append(own.encode());
            copy = new LogCopy(
                    topic.connect(),
                    log,
                    own,
                    Place.BEGINNING,
                    Map.of(),
                    1,
                    () -> Instant.ofEpochMilli(TimeUnit.NANOSECONDS.toMillis(nanos)),
                    () -> nanos,
                    listening);
        }

        void step() {
            switch (random.nextInt(12)) {
                case 0 -> log.open();
                case 1, 2, 3 -> log.write();
                case 4, 5, 6 -> topic.step();
                case 7 -> topic.setDown(random.nextInt(3) == 0);
                case 8 -> nanos += random.nextInt(2_000_000_000);
                default -> stepOfCopy();
            }
        }

        private void stepOfCopy() {
            try {
                copy.step();
            } catch (OutOfMemoryError e) {
                // the caller tries again
            }
        }

        void settle() {
            topic.settle();
            for (int i = 0; i < 2_000; i++) {
                nanos += 100_000_000;
                copy.step();
                topic.step();
            }
        }

        CopyChain inTopic(Map<Long, ByteArrayOutputStream> bytes) throws IOException {
            CopyChain chain = new CopyChain((segment, offset, part) -> bytes.computeIfAbsent(
                            segment.ordinal(), ordinal -> new ByteArrayOutputStream())
                    .writeBytes(part));
            CopyTopic reading = topic.connect();
            chain.read(reading, reading.begin(), topic.end());
            return chain;
        }

        /** Checks that the topic has everything before a place, with the bytes of the log. */
        void requireCopied(Place place) throws IOException {
            Map<Long, ByteArrayOutputStream> bytes = new TreeMap<>();
            inTopic(bytes);
            log.segments.headMap(place.ordinal(), true).forEach((ordinal, expected) -> {
                byte[] all = expected.toByteArray();
                byte[] needed = ordinal == place.ordinal() ? Arrays.copyOf(all, (int) place.offset()) : all;
                ByteArrayOutputStream found = bytes.getOrDefault(ordinal, new ByteArrayOutputStream());
                assertThat(found.size()).isGreaterThanOrEqualTo(needed.length);
                assertThat(Arrays.copyOf(found.toByteArray(), needed.length)).isEqualTo(needed);
            });
        }
    }

    @Test
    void whatCountsAsCopied_isInTheTopic_andEverythingIsInTheEnd() throws IOException {
        for (long seed = 0; seed < HISTORIES; seed++) {
            History history = new History(seed);
            for (int i = 0; i < 300; i++) {
                history.step();
                if (i % 50 == 0) {
                    history.topic.setDown(false);
                    history.requireCopied(history.copy.safe());
                }
            }
            history.settle();
            assertThat(history.copy.safe()).as("seed %d", seed).isEqualTo(history.log.end());
            assertThat(history.copy.problem()).isEmpty();
            assertThat(history.listening.losses).isZero();
            history.requireCopied(history.log.end());
        }
    }

    @Test
    void errorsOfTheJvm_leaveNoGaps() throws IOException {
        for (long seed = 0; seed < HISTORIES; seed++) {
            History history = new History(seed);
            history.topic.runOutOfMemory();
            for (int i = 0; i < 300; i++) {
                history.step();
                if (i % 50 == 0) {
                    history.topic.setDown(false);
                    history.requireCopied(history.copy.safe());
                }
            }
            history.settle();
            assertThat(history.copy.safe()).as("seed %d", seed).isEqualTo(history.log.end());
            assertThat(history.copy.problem()).isEmpty();
            assertThat(history.listening.losses).isZero();
            history.requireCopied(history.log.end());
        }
    }

    @Test
    void topicThatLosesEntries_isFilledAgain() throws IOException {
        int losses = 0;
        for (long seed = 0; seed < HISTORIES; seed++) {
            History history = new History(seed);
            for (int i = 0; i < 200; i++) {
                history.step();
            }
            history.settle();
            history.topic.loseEnd(1 + history.random.nextInt(5));
            for (int i = 0; i < 50; i++) {
                history.step();
            }
            history.settle();
            losses += history.listening.losses;
            assertThat(history.copy.safe()).as("seed %d", seed).isEqualTo(history.log.end());
            history.requireCopied(history.log.end());
        }
        assertThat(losses).as("the others lost nothing that was acknowledged").isGreaterThan(HISTORIES * 9 / 10);
    }

    @Test
    void claimOfAnother_inATopicThatWasCreatedAgain_endsTheCopying() throws IOException {
        for (long seed = 0; seed < HISTORIES; seed++) {
            History history = new History(seed);
            for (int i = 0; i < 100; i++) {
                history.step();
            }
            history.settle();
            history.topic.createAgain();
            history.topic.append(claim(2).encode());
            history.log.write();
            history.settle();
            assertThat(history.copy.successor()).as("seed %d", seed).contains(claim(2));
            assertThat(history.listening.losses).isZero();
        }
    }

    @Test
    void claimOfAnother_endsTheCopying_beforeAnythingElseCountsAsCopied() throws IOException {
        for (long seed = 0; seed < HISTORIES; seed++) {
            History history = new History(seed);
            for (int i = 0; i < history.random.nextInt(200); i++) {
                history.step();
            }
            Claim other = claim(2);
            history.topic.append(other.encode());
            history.topic.setDown(false);
            Map<Long, ByteArrayOutputStream> before = new TreeMap<>();
            NavigableMap<Long, CopyChain.Copied> taken = history.inTopic(before).segments();
            for (int i = 0; i < 200; i++) {
                history.step();
            }
            history.log.write();
            history.settle();
            assertThat(history.copy.successor()).as("seed %d", seed).contains(other);
            assertThat(history.listening.successor).isEqualTo(other);
            Place safe = history.copy.safe();
            if (!safe.equals(Place.BEGINNING)) {
                assertThat(taken.get(safe.ordinal()).bytes()).isGreaterThanOrEqualTo(safe.offset());
            }
            assertThat(history.inTopic(new TreeMap<>()).segments())
                    .as("what the writer sent after the claim counts for nothing")
                    .isEqualTo(taken);
        }
    }
}
