// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static dev.flk.backend.operate.cli.CommandRun.append;
import static dev.flk.backend.operate.cli.CommandRun.contents;
import static dev.flk.backend.operate.cli.CommandRun.flip;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Entry;
import java.io.Closeable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of {@code wal repair}, {@code wal compact} and {@code wal replay} on a log that was closed long ago: three
 * segments with two records each and an empty newest segment.
 */
class WalCareCommandsTest {
    private static final Instant LONG_AGO = Instant.parse("2020-01-01T12:00:00Z");
    private static final String FIRST = "inbox-20200101-0000000000000001.wal";
    private static final String SECOND = "inbox-20200101-0000000000000003.wal";
    private static final String THIRD = "inbox-20200101-0000000000000005.wal";
    private static final String STANDING =
            "{\"pcs_id\":\"" + Pcs.number(3).id() + "\",\"accepted\":false,\"escalated\":true,\"D_hat\":1.5,\"reason\":"
                    + "\"D_hat out of tolerance: claimed=1.5000, recomputed=1.0000\",\"policy\":\"d42d87fe4a98\"}";

    private final CommandRun cli = new CommandRun();

    @TempDir
    private Path wal;

    @BeforeEach
    void writeLog() throws IOException {
        DecisionRules rules = new DecisionRules(Policy.defaults(), Duration.ofDays(14));
        LogOptions options = LogOptions.of(wal, "inbox", rules.context())
                .with(LogSizes.usual().withSegments(9_000, Duration.ofDays(1)).withFillAhead(0));
        try (Log log = Log.open(new DiskFiles(), options, LogListener.NONE, () -> LONG_AGO, () -> 0, new Random(1))) {
            append(log, entry('s', Pcs.number(1).bytes()));
            append(log, entry('e', Pcs.number(1).with("r", "0.7").bytes()));
            append(log, entry('s', Pcs.number(2).bytes()));
            append(log, entry('s', Pcs.number(3).bytes()));
            append(log, entry('o', overruled()));
            append(log, entry('s', Pcs.number(4).with("D_hat", "1.1").bytes()));
        }
        keepMark(6);
    }

    @Test
    void repair_damage_listsTheLostRecordsAndLeavesACompleteLog() throws IOException {
        flip(wal.resolve(SECOND), 8_192 + 20);
        byte[] damaged = Files.readAllBytes(wal.resolve(SECOND));

        assertThat(run("wal repair")).isZero();

        assertThat(cli.out()).isEqualTo("""
                        LOST RECORDS  SEGMENT                              DAMAGED AT BYTE
                        3             %1$s             8192

                        %1$s
                            is kept as %1$s.broken
                            1 complete record of it stays in the log

                        repaired: 1 record lost in %2$s, declared in inbox-lost-1
                        """.formatted(SECOND, wal));
        assertThat(Files.readAllBytes(wal.resolve(SECOND + ".broken"))).isEqualTo(damaged);
        assertThat(run("wal verify")).isZero();
        assertThat(cli.out()).isEqualTo("lost since a repair: 3\nwhole: 5 records (1 to 6) in " + wal + "\n");
    }

    @Test
    void rangesOfUnknownLength_areNotCountedAsNoRecords() {
        Damage unknown = Damage.ofUnknown(Damage.Kind.ABSENT, FIRST, 3);

        assertThat(WalSource.records(List.of(unknown))).isEqualTo("an unknown number of records");
        assertThat(WalSource.records(List.of(unknown, new Damage(SECOND, 8_192, 3, 4))))
                .isEqualTo("at least 2 records");
        assertThat(WalSource.records(List.of())).isEqualTo("0 records");
    }

    @Test
    void repair_json_isOneLinePerLossFileAndSummary() throws IOException {
        byte[] content = Files.readAllBytes(wal.resolve(SECOND));
        Arrays.fill(content, 20, content.length, (byte) 0);
        Files.write(wal.resolve(SECOND), content);

        assertThat(run("wal repair --json")).isZero();

        assertThat(cli.out().lines())
                .containsExactly(
                        "{\"type\":\"lost\",\"kind\":\"broken\",\"segment\":\"" + SECOND
                                + "\",\"offset\":0,\"first_lost\":3,\"last_lost\":4}",
                        "{\"type\":\"set_aside\",\"segment\":\"" + SECOND + "\",\"as\":\"" + SECOND
                                + ".broken\",\"kept_records\":0}",
                        "{\"type\":\"summary\",\"dry_run\":false,\"needed\":true,\"lost\":2,"
                                + "\"declared_in\":\"inbox-lost-1\"}");
    }

    @Test
    void verify_newestSegmentsDeleted_comparesWithTheLowWaterMark() throws IOException {
        Files.delete(wal.resolve(THIRD));
        Files.delete(wal.resolve("inbox-20200101-0000000000000007.wal"));

        assertThat(run("wal verify")).isEqualTo(1);

        assertThat(cli.out()).contains("5 to 6 ").contains("damaged: 2 records missing, 4 records whole (1 to 4)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"wal repair", "wal compact"})
    void backendRunning_isRefusedAndChangesNothing(String line) throws IOException {
        flip(wal.resolve(SECOND), 8_192 + 20);
        Closeable lock = new DiskFiles().lock(wal.resolve("lock"), "process 1");
        try {
            List<String> before = contents(wal);
            assertThat(run(line)).isEqualTo(1);
            assertThat(cli.err()).contains(wal + " is in use by process 1; ");
            assertThat(contents(wal)).isEqualTo(before);
        } finally {
            lock.close();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "wal ls",
                "wal verify",
                "wal cat --body",
                "wal cat --json",
                "wal repair --dry-run",
                "wal compact --dry-run",
                "wal replay",
                "wal replay --outcomes"
            })
    void dryRunOrReadOnlyCommand_changesNothing(String line) throws IOException {
        flip(wal.resolve(SECOND), 8_192 + 20);
        List<String> before = contents(wal);

        run(line);

        assertThat(contents(wal)).isEqualTo(before);
    }

    @ParameterizedTest
    @ValueSource(strings = {"wal ls", "wal verify", "wal cat", "wal repair", "wal compact", "wal replay", "policy try"})
    void directoryWithoutALog_namesTheOptionAndStaysEmpty(String command, @TempDir Path empty) throws IOException {
        assertThat(cli.run(command, "--dir", empty.toString())).isEqualTo(1);

        assertThat(cli.out()).isEmpty();
        assertThat(cli.err())
                .isEqualToIgnoringNewLines("flk-backend: there are no segments in " + empty
                        + "; name the log's directory with --dir or WAL_DIR");
        assertThat(contents(empty)).isEmpty();
    }

    @Test
    void compact_oldAndDecided_isRemovedExceptTheNewest() {
        assertThat(run("wal compact")).isZero();

        assertThat(cli.out()).contains("removed     " + FIRST, "removed     " + SECOND, "removed     " + THIRD);
        assertThat(segments()).containsExactly("inbox-20200101-0000000000000007.wal");
    }

    @Test
    void compact_decidedPositionUnknown_removesNothingAndSaysSo() throws IOException {
        Files.delete(wal.resolve("inbox.mark"));

        assertThat(run("wal compact")).isEqualTo(1);

        assertThat(segments()).hasSize(4);
        assertThat(cli.err()).contains("it is not known which records are decided");
    }

    @Test
    void compact_notArchived_keepsThemAndSaysSo() throws IOException {
        keepArchived("flk-archived1 0123456789abcdef 0123456789abcdef 1 2 0000000000000000");

        assertThat(run("wal compact --json")).isZero();

        assertThat(segments()).hasSize(3).doesNotContain(FIRST);
        assertThat(cli.out()).contains("\"kept_unarchived\":2,\"archived_up_to\":2");
        assertThat(cli.err())
                .isEqualTo("flk-backend: 2 segments past the retention, from " + SECOND + " on, kept: not archived; a"
                        + " backend with WAL_ARCHIVE_COMMAND archives them, and one without it no longer waits for an"
                        + " archive\n");
    }

    @Test
    void compact_damagedPositionOfTheArchive_removesNothing() throws IOException {
        Files.writeString(wal.resolve("inbox.archived"), "flk-archived1 …\n");

        assertThat(run("wal compact")).isZero();

        assertThat(segments()).hasSize(4);
    }

    @Test
    void replay_countsTheAnswers() {
        assertThat(run("wal replay")).isZero();

        assertThat(cli.out()).isEqualTo("""
                        submission                              4
                          accepted                              3
                          escalated                             0
                          rejected                              1
                          of these, decided earlier             1
                        evidence                                1
                        overruled                               1
                        review                                  0
                        6 records (1 to 6) in %s
                        """.formatted(wal));
    }

    @Test
    void replay_outcomes_equalTheAnswersByteForByte() {
        assertThat(run("wal replay --outcomes --from 4 --to 4")).isZero();

        assertThat(cli.out())
                .isEqualTo("{\"seq\":4,\"pcs_id\":\"" + Pcs.number(3).id() + "\",\"status\":202,\"body\":" + STANDING
                        + "}\n");
    }

    /**
     * Checks that the counts, for which the log is read again only from the first overruled submission on, equal those
     * of the outcomes, for which the whole log is read twice.
     */
    @ParameterizedTest
    @ValueSource(strings = {"", "--to 4", "--to 5", "--from 4", "--from 5", "--from 2 --to 3"})
    void replay_counts_equalThoseOfTheOutcomes(String range) {
        String line = ("wal replay --json " + range).strip();
        assertThat(run(line)).isZero();
        String counts = cli.out();

        assertThat(run(line + " --outcomes")).isZero();

        assertThat(cli.out()).endsWith(counts);
    }

    @Test
    void replay_damage_continuesReportsItAndExits1() throws IOException {
        flip(wal.resolve(FIRST), 8_192 + 20);

        assertThat(run("wal replay --json")).isEqualTo(1);

        assertThat(cli.out()).contains("\"submission\":3");
        assertThat(cli.err()).contains("segment " + FIRST + " is damaged at byte 8192: record 1 can't be read");
    }

    private int run(String line) {
        return cli.run(line, "--dir", wal.toString());
    }

    private static Entry entry(char kind, byte[] body) {
        return new Entry(kind, "none", LONG_AGO.toEpochMilli(), body);
    }

    /** Returns a record which says that another outcome overruled record 4, the submission of certificate 3. */
    private static byte[] overruled() {
        return ("overruled 4\n" + Pcs.number(3).id() + " 202 1 " + "0".repeat(64) + " " + "0".repeat(16) + "\n"
                        + STANDING)
                .getBytes(StandardCharsets.UTF_8);
    }

    private void keepMark(long mark) throws IOException {
        keepLine("inbox.mark", "flk-mark1 " + "0".repeat(32) + " " + mark + " " + mark + " 0");
    }

    private void keepArchived(String text) throws IOException {
        keepLine("inbox.archived", text);
    }

    private void keepLine(String file, String text) throws IOException {
        CRC32C crc = new CRC32C();
        crc.update(text.getBytes(StandardCharsets.US_ASCII));
        Files.writeString(wal.resolve(file), text + " %08x\n".formatted(crc.getValue()));
    }

    private List<String> segments() {
        try {
            return new DiskFiles()
                    .list(wal).stream().filter(name -> name.contains(".wal")).toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
