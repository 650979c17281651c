// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static dev.flk.backend.operate.cli.CommandRun.append;
import static dev.flk.backend.operate.cli.CommandRun.contents;
import static dev.flk.backend.operate.cli.CommandRun.flip;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.Inbox.Marked;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.SegmentScan;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@code wal restore}, {@code wal init} and {@code wal repair --from} with an archive of three segments. */
class WalRestoreCommandTest {
    private static final Instant LONG_AGO = Instant.parse("2020-01-01T12:00:00Z");
    private static final String FIRST = "inbox-20200101-0000000000000001.wal";
    private static final String SECOND = "inbox-20200101-0000000000000003.wal";
    private static final String THIRD = "inbox-20200101-0000000000000005.wal";
    private static final String POSITION = "1".repeat(32);

    private final CommandRun cli = new CommandRun();

    @TempDir
    private Path directory;

    private Path wal;
    private Path archive;
    private Path empty;

    /** Writes a log with three closed segments of two records each, and archives these. */
    @BeforeEach
    void writeLogAndArchive() throws IOException {
        wal = directory.resolve("wal");
        archive = Files.createDirectory(directory.resolve("archive"));
        empty = directory.resolve("restored");
        writeLog(wal, 1);
        archive(wal, 0, 8);
    }

    private static void writeLog(Path where, long seed) throws IOException {
        DecisionRules rules = new DecisionRules(Policy.defaults(), Duration.ofDays(14));
        LogOptions options = LogOptions.of(where, "inbox", rules.context())
                .with(LogSizes.usual().withSegments(9_000, Duration.ofDays(1)).withFillAhead(0));
        try (Log log =
                Log.open(new DiskFiles(), options, LogListener.NONE, () -> LONG_AGO, () -> 0, new Random(seed))) {
            for (int i = 1; i <= 7; i++) {
                append(
                        log,
                        new Entry(
                                's',
                                "none",
                                LONG_AGO.toEpochMilli(),
                                Pcs.number(i).bytes()));
            }
        }
    }

    private void archive(Path from, long removed, long decided) throws IOException {
        for (String name : List.of(FIRST, SECOND, THIRD)) {
            Files.copy(from.resolve(name), archive.resolve(name.replace(".wal", "-" + id(from, name) + ".wal")));
        }
        mark(id(from, THIRD), removed, decided);
    }

    private void mark(String segmentId, long removed, long decided) throws IOException {
        String text = "flk-mark1 " + POSITION + " " + decided + " " + decided + " " + removed;
        CRC32C crc = new CRC32C();
        crc.update(text.getBytes(StandardCharsets.US_ASCII));
        Files.writeString(
                archive.resolve("inbox-" + segmentId + "-01234567.mark"), text + " %08x\n".formatted(crc.getValue()));
    }

    private static String id(Path where, String name) throws IOException {
        try (SegmentScan scan = SegmentScan.open(new DiskFiles(), where.resolve(name))) {
            return scan.header().id();
        }
    }

    private static String logId(Path where) throws IOException {
        try (SegmentScan scan = SegmentScan.open(new DiskFiles(), where.resolve(FIRST))) {
            return scan.header().logId();
        }
    }

    private Path archived(String name) throws IOException {
        return archive.resolve(name.replace(".wal", "-" + id(wal, name) + ".wal"));
    }

    /** Returns the files of the log, except the lock, which names its last holder. */
    private List<String> unlocked() throws IOException {
        return contents(wal).stream().filter(file -> !file.startsWith("lock ")).toList();
    }

    private int restore(String... more) {
        String[] args = Stream.concat(
                        Stream.of("--from", archive.toString(), "--dir", empty.toString()), Stream.of(more))
                .toArray(String[]::new);
        return cli.run("wal restore", args);
    }

    @Test
    void restore_completeArchive_printsWhatItRestored_andVerifyNamesWhatIsSkipped() throws IOException {
        assertThat(restore()).isZero();

        assertThat(cli.out()).isEqualTo("""
                        the lost machine had decided records up to 8; those after 6 were
                        not archived: if a shared store has their outcomes, no log has their bodies
                        restored: 3 segments, 6 records (1 to 6), 27.1 KiB in %s
                        log %s continues with record 1000009
                        start the backend, and let each agent send again what was not archived: the
                        backend's log has the command 'flk-agent outbox requeue' with its times
                        """.formatted(empty, POSITION));
        for (String name : List.of(FIRST, SECOND, THIRD)) {
            assertThat(empty.resolve(name)).hasSameBinaryContentAs(wal.resolve(name));
        }
        assertThat(Inbox.marked(new DiskFiles(), empty)).contains(new Marked(0, 8, 0));
        assertThat(cli.run("wal verify", "--dir", empty.toString())).isZero();
        assertThat(cli.out())
                .isEqualTo("skipped by a restore: 7 to 1000008\nwhole: 6 records (1 to 6) in " + empty + "\n");
        assertThat(cli.run("wal verify --json", "--dir", empty.toString())).isZero();
        assertThat(cli.out()).contains("\"lost\":0,\"skipped\":1000002");
    }

    @Test
    void restore_thenMoreRecords_lsDoesNotCountSkippedSequences() throws IOException {
        assertThat(restore()).isZero();
        writeLog(empty, 2);

        assertThat(cli.run("wal ls", "--dir", empty.toString())).isZero();

        assertThat(cli.out()).contains(" segments, 13 records, ");
    }

    @Test
    void ls_archive_namesItsMarks() {
        assertThat(cli.run("wal ls", "--dir", archive.toString())).isZero();

        assertThat(cli.out()).endsWith("""
                        -01234567.mark
                            the position up to which the log is decided
                        """);
    }

    @Test
    void restore_json_isOneSummary() throws IOException {
        assertThat(restore("--json")).isZero();

        assertThat(cli.json().path("log_id").asText()).isEqualTo(logId(wal));
        assertThat(cli.json().path("position_id").asText()).isEqualTo(POSITION);
        assertThat(cli.json().path("next_sequence").asLong()).isEqualTo(1_000_009);
    }

    @Test
    void restore_segmentMissingAndAnotherDamaged_namesTheGapsAndExits3() throws IOException {
        Files.delete(archived(SECOND));
        flip(archived(THIRD), 8_192 + 20);
        Files.writeString(archive.resolve("notes"), "of somebody");

        assertThat(restore()).isEqualTo(3);

        assertThat(cli.out())
                .startsWith("NOT IN THE ARCHIVE  SEGMENT                              DAMAGED AT BYTE\n")
                .contains("3 to 4              " + SECOND + "          missing\n")
                .contains("ignored, not part of the log: 1 file, such as notes\n")
                .contains("restored: 2 segments, 3 records (1 to 6), ");
        cli.assertFits80Columns(4);
        assertThat(cli.run("wal verify", "--dir", empty.toString())).isZero();
    }

    @Test
    void restore_noMark_isRefusedUnlessANewIdIsWanted() throws IOException {
        Files.delete(archive.resolve("inbox-" + id(wal, THIRD) + "-01234567.mark"));

        assertThat(restore()).isEqualTo(1);
        assertThat(cli.err()).contains("no inbox.mark of log " + logId(wal)).contains("--new-id");
        assertThat(restore("--new-id")).isZero();

        assertThat(cli.out()).contains(", a new id, continues with record 1000007\n");
    }

    @Test
    void restore_twoLogs_listsThemAndTakesTheChosenOne() throws IOException {
        Path other = directory.resolve("other");
        writeLog(other, 2);
        archive(other, 0, 7);

        assertThat(restore()).isEqualTo(1);
        assertThat(cli.err())
                .contains("contains several logs; choose one with --log: ")
                .contains(logId(wal) + " (3 segments, 2020-01-01T12:00:00Z to 2020-01-01T12:00:00Z)")
                .contains(logId(other));
        assertThat(Files.exists(empty)).isFalse();
        assertThat(restore("--log", logId(other))).isZero();

        assertThat(empty.resolve(SECOND)).hasSameBinaryContentAs(other.resolve(SECOND));
        assertThat(Inbox.marked(new DiskFiles(), empty)).contains(new Marked(0, 7, 0));
        assertThat(restore("--log", "0".repeat(16))).isEqualTo(1);
        assertThat(cli.err()).contains("log 0000000000000000 is not in " + archive);
    }

    @Test
    void restore_fromADirectoryWithoutSegments_saysSo() throws IOException {
        assertThat(cli.run("wal restore", "--from", directory.toString(), "--dir", empty.toString()))
                .isEqualTo(1);

        assertThat(cli.err()).contains("there are no segments in " + directory);
    }

    @Test
    void unfinishedRestore_isRefusedByAllCommandsExceptRestore() throws IOException {
        assertThat(restore()).isZero();
        Files.delete(empty.resolve(SECOND));
        Files.writeString(empty.resolve("inbox.restoring"), "");

        for (String command : List.of("wal ls", "wal verify", "wal cat", "wal repair", "wal compact", "wal replay")) {
            assertThat(cli.run(command, "--dir", empty.toString())).as(command).isEqualTo(1);
            assertThat(cli.err()).contains("a restore into " + empty + " has not finished");
        }
        assertThat(restore()).isZero();

        assertThat(cli.run("wal verify", "--dir", empty.toString())).isZero();
    }

    @Test
    void init_emptyDirectory_isANewLog() throws IOException {
        assertThat(cli.run("wal init --new", "--dir", empty.toString())).isZero();

        assertThat(cli.out()).matches("new log [0-9a-f]{32}\\n    in " + empty + "\\n");
        assertThat(new DiskFiles().list(empty)).containsExactlyInAnyOrder("inbox.id", "inbox.mark", "lock");
        assertThat(Inbox.marked(new DiskFiles(), empty)).contains(new Marked(0, 0, 0));
        assertThat(cli.run("wal init --new", "--dir", empty.toString())).isEqualTo(1);
        assertThat(cli.err()).contains("contains files of a log, such as inbox.mark");
    }

    @Test
    void init_logOrWithoutNew_isRefused() throws IOException {
        List<String> before = unlocked();

        assertThat(cli.run("wal init --new", "--dir", wal.toString())).isEqualTo(1);
        assertThat(cli.run("wal init", "--dir", empty.toString())).isEqualTo(2);

        assertThat(unlocked()).isEqualTo(before);
        assertThat(Files.exists(empty)).isFalse();
    }

    @Test
    void repairFrom_damagedSegment_isReplacedByTheArchivedCopy() throws IOException {
        flip(wal.resolve(SECOND), 8_192 + 20);

        assertThat(cli.run("wal repair --json", "--from", archive.toString(), "--dir", wal.toString()))
                .isZero();

        assertThat(cli.out().lines())
                .containsExactly(
                        "{\"type\":\"taken\",\"segment\":\"" + SECOND + "\",\"archived\":\""
                                + archived(SECOND).getFileName() + "\",\"as\":\"" + SECOND + ".broken\"}",
                        "{\"type\":\"summary\",\"dry_run\":false,\"needed\":true,\"lost\":0}");
        assertThat(wal.resolve(SECOND)).hasSameBinaryContentAs(archived(SECOND));
    }

    @Test
    void repairFrom_dryRun_isWrongUsage() {
        assertThat(cli.run("wal repair --dry-run", "--from", archive.toString(), "--dir", wal.toString()))
                .isEqualTo(2);
    }
}
