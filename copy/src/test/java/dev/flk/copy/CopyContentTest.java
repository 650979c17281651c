// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.copy.CopyContent.Compared;
import dev.flk.copy.CopyContent.OnlyHere;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.LogCopy.Place;
import dev.flk.copy.testing.SimulatedTopic;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Append;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests of what commands read from a topic, on a log of several segments whose newest record is not copied. */
class CopyContentTest {
    private static final Path DIRECTORY = Path.of("/log");
    private static final Path ARCHIVE = Path.of("/archive");
    private static final Claim OWNER = new Claim("000000000000000a", 1, "000000000000001a", 1_000, "one");
    private static final int RECORDS = 12;

    private final Random random = new Random(1);
    private final SimulatedTopic topic = new SimulatedTopic(random);
    private final SimulatedDisk disk = new SimulatedDisk(random);

    @BeforeEach
    void writeLogAndCopyAllButOneRecord() throws Exception {
        topic.settle();
        topic.setImmediate(true);
        disk.createDirectories(DIRECTORY);
        LogOptions options = LogOptions.of(DIRECTORY, "inbox", "context")
                .with(LogSizes.usual().withSegments(9_600, Duration.ofDays(1)).withFillAhead(0));
        CopyTopic connection = topic.connect();
        topic.append(OWNER.encode());
        Log log = Log.open(disk, options, LogListener.NONE, () -> Instant.EPOCH, () -> 0, random);
        for (int i = 1; i < RECORDS; i++) {
            append(log, i);
        }
        LogSource source = new LogSource(disk, log, "inbox", name -> name.equals("inbox.id"));
        LogCopy copy = new LogCopy(
                connection,
                source,
                OWNER,
                Place.BEGINNING,
                Map.of(),
                topic.end(),
                () -> Instant.EPOCH,
                () -> 0,
                new LogCopy.Listener() {
                    @Override
                    public void safe(Place place) {}

                    @Override
                    public void lost(String what) {
                        throw new AssertionError(what);
                    }

                    @Override
                    public void superseded(Claim by) {
                        throw new AssertionError(by.toString());
                    }
                });
        for (int i = 0; i < 100; i++) {
            copy.step();
        }
        append(log, RECORDS);
        source.close();
        disk.kill();
        new CopyNote(
                        connection.identity(),
                        OWNER.incarnation(),
                        OWNER.incarnation(),
                        OWNER.term(),
                        topic.end(),
                        CopyNote.checksum(topic.entries().get((int) topic.end() - 1)),
                        place(RECORDS - 2),
                        Map.of())
                .write(disk, DIRECTORY, "inbox");
    }

    private static void append(Log log, int i) throws IOException {
        boolean taken = log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return List.of(
                        new Entry('s', "key", 0, ("body " + i + "x".repeat(450)).getBytes(StandardCharsets.US_ASCII)));
            }

            @Override
            public void forced(long firstSequence) {}

            @Override
            public void failed(IOException cause) {
                throw new AssertionError(cause);
            }
        });
        assertThat(taken && log.step()).isTrue();
    }

    private static List<LogRecord> records(FileOps disk) throws IOException {
        List<LogRecord> records = new ArrayList<>();
        try (LogReader reader = LogReader.open(disk, DIRECTORY, "inbox", 1, OnDamage.STOP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                records.add(record);
            }
        }
        return records;
    }

    /** Returns the place before a record. */
    private Place place(int sequence) throws IOException {
        LogRecord record = records(disk).get(sequence - 1);
        for (Listed listed : SegmentList.read(disk, DIRECTORY, "inbox").segments()) {
            if (listed.name().equals(record.position().segment())) {
                return new Place(
                        listed.header().ordinal(),
                        listed.header().id(),
                        record.position().offset(),
                        true);
            }
        }
        throw new AssertionError(record.position().segment());
    }

    private Compared compare() throws Exception {
        int entries = topic.entries().size();
        Compared compared = new CopyContent(topic.connect()).compare(disk, DIRECTORY, "inbox");
        assertThat(topic.entries()).hasSize(entries);
        return compared;
    }

    @Test
    void recordsAfterTheCopiedOnes_areOnlyHere() throws Exception {
        Compared compared = compare();

        assertThat(compared.onlyHere()).isEqualTo(new OnlyHere(1, RECORDS, RECORDS));
        assertThat(compared.owner()).contains(OWNER);
        assertThat(compared.lost()).isEmpty();
    }

    /** The other machine went on for so long that the topic has no segment of this one any more. */
    @Test
    void topicHasOnlyLaterSegments_theNoteSaysWhatWasCopied() throws Exception {
        int from = topic.entries().size();
        CopyRecord.Segment later =
                new CopyRecord.Segment("00000000000000ff", 99, "inbox-20261128-0000000001000012.wal");
        topic.append(new CopyRecord.Part(OWNER.incarnation(), later, true, 0, new CopyRecord.End(98, 1), new byte[100])
                .encode());
        topic.connect().trim(from);

        assertThat(compare().onlyHere()).isEqualTo(new OnlyHere(3, RECORDS - 2, RECORDS));
    }

    @Test
    void topicHasLostEntries_isReported() throws Exception {
        topic.loseEnd(1);

        assertThat(compare().lost().orElseThrow()).contains("the topic ends before entry ");
    }

    @Test
    void topicWithoutALog_isRefused() {
        topic.createAgain();

        assertThatThrownBy(this::compare)
                .isInstanceOf(CopyRefusedException.class)
                .hasMessageContaining("the topic has no log");
    }

    @Test
    void topicWithoutTheBeginningOfASegment_isRefused() {
        topic.connect().trim(topic.end() - 1);

        assertThatThrownBy(this::compare)
                .isInstanceOf(CopyRefusedException.class)
                .hasMessageContaining("was removed from the topic");
    }

    @Test
    void withoutTheTopic_theNoteSaysWhatMayBeOnlyHere() throws IOException {
        assertThat(CopyContent.notKnownToBeCopied(disk, DIRECTORY, "inbox"))
                .isEqualTo(new OnlyHere(3, RECORDS - 2, RECORDS));

        disk.delete(DIRECTORY.resolve("inbox.copied"));

        assertThat(CopyContent.notKnownToBeCopied(disk, DIRECTORY, "inbox"))
                .isEqualTo(new OnlyHere(RECORDS, 1, RECORDS));
    }
}
