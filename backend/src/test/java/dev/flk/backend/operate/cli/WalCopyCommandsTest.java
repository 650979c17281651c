// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static dev.flk.backend.operate.cli.CommandRun.append;
import static dev.flk.backend.operate.cli.CommandRun.contents;
import static dev.flk.backend.operate.cli.CommandRun.flip;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.copy.CopyReading;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.copy.CopyRecord;
import dev.flk.copy.CopyRecord.Beat;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRecord.End;
import dev.flk.copy.CopyRecord.Part;
import dev.flk.copy.CopyRecord.Segment;
import dev.flk.copy.testing.SimulatedTopic;
import dev.flk.sample.Pcs;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import java.io.Closeable;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of {@code wal repair} and {@code wal set-aside} on a log with a copy in Kafka: three segments with three records
 * each, and one with two, of which the copy lacks the last one.
 */
class WalCopyCommandsTest {
    private static final Instant LONG_AGO = Instant.parse("2020-01-01T12:00:00Z");
    private static final Instant NOW = Instant.parse("2026-11-28T20:10:15.250Z");
    private static final String FIRST = "inbox-20200101-0000000000000001.wal";
    private static final String SECOND = "inbox-20200101-0000000000000004.wal";
    private static final String LAST = "inbox-20200101-0000000000000010.wal";
    private static final Claim OWNER =
            new Claim("000000000000000a", 1, "6673fc33dd7f403d", 1_577_880_000_000L, "host-2");

    private final SimulatedTopic topic = new SimulatedTopic(new Random(1));
    private final Map<String, String> environment = new HashMap<>();
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path home;

    private Path wal;

    @BeforeEach
    void writeLogAndCopy() throws IOException {
        wal = Files.createDirectory(home.resolve("wal"));
        environment.putAll(Map.of(
                "LOG_COPY", "kafka", "KAFKA_BROKERS", "127.0.0.1:1", "LOG_NAME", "one", "WAL_DIR", wal.toString()));
        LogOptions options = LogOptions.of(wal, "inbox", "context")
                .with(LogSizes.usual().withSegments(9_600, Duration.ofDays(1)).withFillAhead(0));
        try (Log log = Log.open(new DiskFiles(), options, LogListener.NONE, () -> LONG_AGO, () -> 0, new Random(1))) {
            for (int i = 1; i <= 11; i++) {
                append(
                        log,
                        new Entry(
                                's', "k", LONG_AGO.toEpochMilli(), Pcs.number(i).bytes()));
            }
        }
        topic.settle();
        topic.append(OWNER.encode());
        long lastRecord = Files.size(wal.resolve(LAST)) - lengthOfLast();
        copy(Map.of(LAST, (int) lastRecord));
        topic.append(new Beat(OWNER, OWNER.millis() + 5_000).encode());
    }

    private long lengthOfLast() throws IOException {
        assertThat(run("cat", "--from", "11", "--json")).isZero();
        String offset = "\"offset\":";
        String line = out.toString();
        int at = line.indexOf(offset) + offset.length();
        return Files.size(wal.resolve(LAST)) - Long.parseLong(line.substring(at, line.indexOf(',', at)));
    }

    /** Copies the segments in the directory, in one of them only up to an offset, which is then the end of the copy. */
    private void copy(Map<String, Integer> ends) throws IOException {
        End end = new End(0, 0);
        for (Listed listed : SegmentList.read(new DiskFiles(), wal, "inbox").segments()) {
            SegmentHeader header = listed.header();
            byte[] bytes = Files.readAllBytes(wal.resolve(listed.name()));
            int copied = ends.getOrDefault(listed.name(), bytes.length);
            int head = header.encode().remaining();
            Segment segment = new Segment(header.id(), header.ordinal(), listed.name());
            send(segment, true, 0, end, Arrays.copyOf(bytes, head));
            end = new End(header.ordinal(), head);
            send(segment, false, head, end, Arrays.copyOfRange(bytes, head, copied));
            end = new End(header.ordinal(), copied);
            if (copied < bytes.length) {
                return;
            }
        }
    }

    private void send(Segment segment, boolean isHeader, long offset, End after, byte[] bytes) {
        CopyRecord part = new Part(OWNER.incarnation(), segment, isHeader, offset, after, bytes);
        topic.append(part.encode());
    }

    private int run(String... args) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        WalSource source = new WalSource(
                new Configuration(environment),
                config -> new CopyReading(config.topic(), config.isRequired(), topic::connect));
        int entries = topic.entries().size();
        int code = WalCommand.with(source, () -> NOW)
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err))
                .setExecutionExceptionHandler((failure, command, parsed) -> {
                    command.getErr().println(failure.getMessage());
                    return 1;
                })
                .execute(args);
        assertThat(topic.entries()).as("nothing is written to the topic").hasSize(entries);
        return code;
    }

    private static List<String> withoutLock(Path directory) throws IOException {
        return contents(directory).stream()
                .filter(file -> !file.startsWith("lock "))
                .toList();
    }

    private void assertFits80Columns() {
        String text = out.toString().replace(wal.toString(), "/var/lib/flk/wal");
        assertThat(text.lines()).allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
    }

    @Test
    void repair_takesTheDamagedRangeFromTheCopy() throws IOException {
        byte[] complete = Files.readAllBytes(wal.resolve(SECOND));
        flip(wal.resolve(SECOND), 8_192 + 20);

        assertThat(run("repair")).isZero();

        assertThat(out).hasToString("""

                        %1$s
                            is taken from the copy in the topic flk.inbox.one
                            the damaged file is kept as %1$s.broken

                        repaired: 0 records lost in %2$s
                        """.formatted(SECOND, wal));
        assertThat(Files.readAllBytes(wal.resolve(SECOND))).isEqualTo(complete);
        assertThat(home.resolve("wal.taken")).doesNotExist();
        assertThat(run("verify")).isZero();
        assertThat(out).hasToString("whole: 11 records (1 to 11) in " + wal + "\n");
    }

    @Test
    void repair_copyDoesNotHelp_declaresTheLossAndSaysWhy() throws IOException {
        flip(wal.resolve(SECOND), 8_192 + 20);
        topic.createAgain();
        topic.append(OWNER.encode());
        copy(Map.of()); // with the damage
        flip(wal.resolve(FIRST), 8_192 + 20);

        assertThat(run("repair", "--dry-run")).isZero();
        assertThat(out.toString())
                .contains(FIRST + "\n    the copy in the topic flk.inbox.one\n    has ")
                .contains("would be repaired: 2 records lost in " + wal + " without the copy\n");

        assertThat(run("repair")).isZero();

        assertThat(out.toString())
                .contains(FIRST + "\n    is taken from the copy in the topic flk.inbox.one\n")
                .contains(SECOND + "\n    the copy in the topic flk.inbox.one\n"
                        + "    lacks the same records, or they fail their checksums there too\n")
                .endsWith("repaired: 1 record lost in " + wal + ", declared in inbox-lost-1\n");
        assertFits80Columns();
    }

    @Test
    void repair_brokersAway_isRefused_unlessTheCopyIsNotWanted() throws IOException {
        flip(wal.resolve(SECOND), 8_192 + 20);
        topic.setDown(true);
        List<String> before = withoutLock(wal);

        assertThat(run("repair")).isEqualTo(1);
        assertThat(err.toString())
                .startsWith("the copy of the log can't be read: the brokers are down. Nothing was changed. ")
                .contains("--without-copy");
        assertThat(withoutLock(wal)).isEqualTo(before);
        assertThat(home.resolve("wal.taken")).doesNotExist();

        assertThat(run("repair", "--without-copy")).isZero();
        assertThat(out.toString()).contains("repaired: 1 record lost");
    }

    @Test
    void setAside_countsWhatOnlyThisDiskHas_andMovesTheLog() throws IOException {
        List<String> before = withoutLock(wal);

        assertThat(run("set-aside", "--dry-run")).isZero();
        assertThat(out.toString()).contains("would be set aside as\n    " + wal + ".aside-20261128T201015Z\n");
        assertThat(withoutLock(wal)).isEqualTo(before);
        assertThat(run("set-aside")).isZero();

        assertThat(out).hasToString("""
                        only this disk has 1 record (11); the copy in the topic flk.inbox.one has
                        everything before
                        they were answered with 503 or not at all, so nothing was promised

                        %1$s
                            is set aside as
                            %1$s.aside-20261128T201015Z

                        instance 6673fc33dd7f403d on host-2 has owned the log since
                        2020-01-01T12:00:00Z and was alive at 2020-01-01T12:00:05Z: stop it before you
                        start a backend here

                        the next start takes the log from the copy; to keep this machine out of it,
                        give it another LOG_NAME
                        """.formatted(wal));
        assertFits80Columns();
        assertThat(wal).doesNotExist();
        assertThat(withoutLock(home.resolve("wal.aside-20261128T201015Z"))).isEqualTo(before);
        assertThat(run("verify", "--dir", wal + ".aside-20261128T201015Z")).isZero();
    }

    /** The log went on elsewhere: the newest segment of the copy is not one of this disk. */
    @Test
    void setAside_logsThatContinueDifferently_json() throws IOException {
        Claim successor = new Claim("000000000000000b", 2, "7773fc33dd7f403d", 1_577_890_000_000L, "host-3");
        topic.append(successor.encode());
        long copied = Files.size(wal.resolve(LAST)) - lengthOfLast();
        Segment other = new Segment("00000000000000aa", 5, "inbox-20200101-0000000001000011.wal");
        topic.append(new Part(successor.incarnation(), other, true, 0, new End(4, copied), new byte[100]).encode());
        topic.append(new Beat(successor, 0).encode());

        assertThat(run("set-aside", "--json")).isZero();

        assertThat(out)
                .hasToString("{\"type\":\"summary\",\"dry_run\":false,\"directory\":\"" + wal + "\",\"aside\":\""
                        + wal + ".aside-20261128T201015Z\",\"records\":1,\"first_sequence\":11,\"last_sequence\":11,"
                        + "\"compared\":true,\"owner\":\"instance 7773fc33dd7f403d on host-3 has owned the log since "
                        + "2020-01-01T14:46:40Z and has ended\"}\n");
    }

    @Test
    void setAside_brokersAway_isRefused_unlessTheCopyIsNotWanted() throws IOException {
        topic.setDown(true);

        assertThat(run("set-aside")).isEqualTo(1);
        assertThat(err.toString()).contains("the brokers are down. Nothing was changed. ", "--without-copy");
        assertThat(wal).exists();

        assertThat(run("set-aside", "--without-copy")).isZero();
        assertThat(out.toString()).startsWith("""
                only this disk may have 11 records (1 to 11), by what it knows of the topic
                flk.inbox.one, which was not read
                """);
        assertThat(wal).doesNotExist();
    }

    @Test
    void setAside_topicWithoutThisLog_isRefused_becauseAStartWouldNotGetItBack() throws IOException {
        topic.createAgain();
        assertThat(run("set-aside")).isEqualTo(1);
        assertThat(err.toString()).startsWith("simulated: the topic has no log: a start without this log");
        topic.append(OWNER.encode());
        topic.connect().trim(1);
        assertThat(run("set-aside")).isEqualTo(1);
        assertThat(err.toString()).startsWith("simulated: every segment was removed from the topic: a start");
        topic.createAgain();

        topic.append(OWNER.encode());
        Path other = Files.createDirectory(home.resolve("other"));
        LogOptions options = LogOptions.of(other, "inbox", "context");
        try (Log log = Log.open(new DiskFiles(), options, LogListener.NONE, () -> LONG_AGO, () -> 0, new Random(2))) {
            append(
                    log,
                    new Entry('s', "k", LONG_AGO.toEpochMilli(), Pcs.number(1).bytes()));
        }
        Path own = wal;
        wal = other;
        copy(Map.of());
        wal = own;

        assertThat(run("set-aside")).isEqualTo(1);
        assertThat(err.toString())
                .startsWith("simulated: the topic has another log, ")
                .contains("Check LOG_NAME");
        assertThat(wal).exists();
    }

    /** The other machine went on for so long that the topic has no segment of this one any more. */
    @Test
    void setAside_topicHasOnlyLaterSegments_countsWhatTheNoteDoesNotHave() throws IOException {
        keepNote();
        assertThat(run("set-aside", "--dry-run", "--without-copy")).isZero();
        assertThat(out.toString()).startsWith("only this disk may have 2 records (10 to 11), ");
        int from = topic.entries().size();
        send(new Segment("00000000000000ff", 99, "later"), true, 0, new End(98, 1), new byte[100]);
        topic.connect().trim(from);

        assertThat(run("set-aside")).isZero();

        assertThat(out.toString()).startsWith("only this disk has 2 records (10 to 11); ");
    }

    @Test
    void setAside_topicHasLostEntries_mustBeConfirmed() throws IOException {
        keepNote();
        topic.loseEnd(1);

        assertThat(run("set-aside")).isEqualTo(1);
        assertThat(err.toString())
                .startsWith("the copy lacks 1 record (11), some of which may have been answered: the topic ends before"
                        + " entry ");
        assertThat(run("set-aside", "--answered")).isZero();
    }

    /** Notes that the topic has everything before the records of the last segment. */
    private void keepNote() throws IOException {
        SegmentHeader last = SegmentList.read(new DiskFiles(), wal, "inbox").segments().stream()
                .filter(listed -> listed.name().equals(LAST))
                .findFirst()
                .orElseThrow()
                .header();
        List<byte[]> entries = topic.entries();
        String note = "flk-copied1 " + topic.connect().identity() + " " + OWNER.incarnation() + " "
                + OWNER.incarnation() + " 1 " + entries.size() + " " + crc32c(entries.get(entries.size() - 1)) + " "
                + last.ordinal() + " " + last.id() + " " + last.encode().remaining() + " head\n";
        Files.writeString(
                wal.resolve("inbox.copied"),
                note + "checksum " + crc32c(note.getBytes(StandardCharsets.US_ASCII)) + "\n");
    }

    private static String crc32c(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return "%08x".formatted(crc.getValue());
    }

    @Test
    void setAside_answersDidNotWaitForTheCopy_mustBeConfirmed() {
        environment.put("LOG_COPY_REQUIRED", "off");

        assertThat(run("set-aside")).isEqualTo(1);
        assertThat(err.toString())
                .startsWith("the copy lacks 1 record (11), some of which may have been answered: LOG_COPY_REQUIRED is"
                        + " off");
        assertThat(wal).exists();

        assertThat(run("set-aside", "--answered")).isZero();
        assertThat(out.toString()).doesNotContain("nothing was promised");
        assertThat(wal).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"repair", "set-aside"})
    void backendRunning_isRefusedAndNothingChanges(String command) throws IOException {
        flip(wal.resolve(SECOND), 8_192 + 20);
        Closeable lock = new DiskFiles().lock(wal.resolve("lock"), "process 1");
        try {
            List<String> before = contents(wal);
            assertThat(run(command)).isEqualTo(1);
            assertThat(err.toString()).contains(wal + " is in use by process 1; stop it first");
            assertThat(contents(wal)).isEqualTo(before);
        } finally {
            lock.close();
        }
    }

    @Test
    void setAside_withoutACopy_isWrongUsage() {
        environment.remove("LOG_COPY");

        assertThat(run("set-aside")).isEqualTo(2);

        assertThat(err.toString()).contains("LOG_COPY is off");
        assertThat(wal).exists();
    }
}
