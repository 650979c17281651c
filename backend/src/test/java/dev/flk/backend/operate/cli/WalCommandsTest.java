// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static dev.flk.backend.operate.cli.CommandRun.append;
import static dev.flk.backend.operate.cli.CommandRun.flip;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.program.cli.ErrorMessages;
import dev.flk.sample.Pcs;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@code wal ls}, {@code wal verify} and {@code wal cat} on a log of two segments. */
class WalCommandsTest {
    private static final Instant NOON = Instant.parse("2026-11-20T12:00:00Z");
    private static final String FIRST = "inbox-20261120-0000000000000001.wal";
    private static final String SECOND = "inbox-20261120-0000000000000003.wal";

    private final CommandRun cli = new CommandRun();

    @TempDir
    private Path wal;

    @BeforeEach
    void writeLog() throws IOException {
        LogOptions options = LogOptions.of(wal, "inbox", "policy-1")
                .with(LogSizes.usual().withSegments(9_000, Duration.ofDays(1)).withFillAhead(0));
        try (Log log = Log.open(new DiskFiles(), options, LogListener.NONE, () -> NOON, () -> 0, new Random(1))) {
            append(log, entry('s', "0a1b2c3d", 0, Pcs.number(1).bytes()));
            append(log, entry('e', "0a1b2c3d", 1, otherContent()));
            append(log, entry('s', "none", 2, Pcs.number(2).bytes()));
            append(log, entry('o', "none", 3, overruled()));
        }
        // simulates a killed process, which does not close its log
        Files.delete(wal.resolve("inbox-20261120-0000000000000005.wal"));
    }

    @Test
    void ls_printsATableOf80Columns() {
        assertThat(run("wal ls")).isZero();

        assertThat(cli.out())
                .isEqualTo("""
                        SEGMENT                              STATE     FIRST  LAST     SIZE
                        %s  complete      1     2  %7s
                        %s  newest        3     4  %7s
                        2 segments, 4 records, %s in %s
                        """.formatted(FIRST, size(FIRST), SECOND, size(SECOND), size(FIRST, SECOND), wal));
    }

    @Test
    void ls_otherFiles_areListedBelow() throws IOException {
        Files.writeString(wal.resolve(SECOND + ".broken"), "x");
        Files.writeString(wal.resolve("backup"), "x");

        assertThat(run("wal ls")).isZero();

        assertThat(cli.out()).endsWith("""

                        backup
                            does not belong to the log

                        %s.broken
                            set aside by a start or a repair: a torn tail, a broken file, or a file
                            that had the name of a new segment
                        """.formatted(SECOND));
    }

    @Test
    void ls_json_isOneLinePerSegment() throws IOException {
        Files.writeString(wal.resolve(SECOND + ".broken"), "x");

        assertThat(run("wal ls --json")).isZero();

        assertThat(cli.out().lines())
                .containsExactly(
                        "{\"type\":\"segment\",\"name\":\"" + FIRST + "\",\"ordinal\":1,\"state\":\"complete\","
                                + "\"first_sequence\":1,\"next_sequence\":1,\"end_sequence\":3,\"records\":2,\"carried\":0,"
                                + "\"bytes\":" + Files.size(wal.resolve(FIRST))
                                + ",\"opened\":\"2026-11-20T12:00:00.000Z\",\"context\":\"policy-1\"}",
                        "{\"type\":\"segment\",\"name\":\"" + SECOND + "\",\"ordinal\":2,\"state\":\"newest\","
                                + "\"first_sequence\":3,\"next_sequence\":3,\"end_sequence\":5,\"records\":2,\"carried\":0,"
                                + "\"bytes\":" + Files.size(wal.resolve(SECOND))
                                + ",\"opened\":\"2026-11-20T12:00:00.000Z\",\"context\":\"policy-1\"}",
                        "{\"type\":\"file\",\"name\":\"" + SECOND + ".broken\",\"kind\":\"set_aside\"}");
    }

    @Test
    void verify_damage_exits1AndNamesTheMissingRecords() throws IOException {
        flip(wal.resolve(FIRST), 8_192 + 20);

        assertThat(run("wal verify")).isEqualTo(1);

        assertThat(cli.out()).isEqualTo("""
                        MISSING RECORDS  SEGMENT                              DAMAGED AT BYTE
                        1                %s             8192
                        damaged: 1 record missing, 3 records whole (2 to 4) in %s
                        """.formatted(FIRST, wal));
    }

    @Test
    void verify_brokenHeader_isNamedAndNothingIsMissing() throws IOException {
        flip(wal.resolve(FIRST), 20);

        assertThat(run("wal verify")).isZero();
        assertThat(cli.out())
                .isEqualTo("segment " + FIRST
                        + " has a damaged header, which was read from a copy or from the next segment;"
                        + " 'wal repair' rewrites it\nwhole: 4 records (1 to 4) in " + wal + "\n");
        assertThat(run("wal verify --json")).isZero();
        assertThat(cli.out()).startsWith("{\"type\":\"broken_header\",\"file\":\"" + FIRST + "\"}\n");
    }

    @Test
    void verify_damageJson_isOneLinePerDamageAndASummary() throws IOException {
        byte[] content = Files.readAllBytes(wal.resolve(FIRST));
        Arrays.fill(content, 20, content.length, (byte) 0);
        Files.write(wal.resolve(FIRST), content);

        assertThat(run("wal verify --json")).isEqualTo(1);

        assertThat(cli.out().lines())
                .containsExactly(
                        "{\"type\":\"damage\",\"kind\":\"broken\",\"segment\":\"" + FIRST
                                + "\",\"offset\":0,\"first_missing\":1,\"last_missing\":2}",
                        "{\"type\":\"summary\",\"whole\":false,\"records\":2,"
                                + "\"first_sequence\":3,\"last_sequence\":4,\"missing\":2,\"lost\":0}");
    }

    @Test
    void verify_tornTail_isReportedButIsNotDamage() throws IOException {
        Files.writeString(wal.resolve(SECOND), "flk1 cut off", StandardOpenOption.APPEND);

        assertThat(run("wal verify")).isZero();

        assertThat(cli.out()).isEqualTo("""
                        unfinished: record 5 and everything after it, 12 bytes from byte %d of
                            %s
                            being written now, or cut off by a crash
                        whole up to the unfinished record: 4 records (1 to 4) in %s
                        """.formatted(Files.size(wal.resolve(SECOND)) - 12, SECOND, wal));

        assertThat(run("wal verify --json")).isZero();

        assertThat(cli.out().lines().findFirst())
                .hasValue("{\"type\":\"torn_tail\",\"segment\":\"" + SECOND + "\",\"offset\":"
                        + (Files.size(wal.resolve(SECOND)) - 12)
                        + ",\"bytes\":12,\"sequence\":5,\"last_whole_sequence\":0}");
    }

    @Test
    void cat_printsHeadersWithoutBodies() {
        assertThat(run("wal cat --to 2")).isZero();

        String id = Pcs.number(1).id().toString();
        assertThat(cli.out()).isEqualTo("""
                           SEQUENCE  ARRIVED                   KIND             BODY  KEY
                                     PCS_ID
                                  1  2026-11-20T12:00:00.000Z  submission  %9s  0a1b2c3d
                                     %s
                                  2  2026-11-20T12:00:00.001Z  evidence    %9s  0a1b2c3d
                                     %s
                        """.formatted(
                ErrorMessages.bytes(Pcs.number(1).bytes().length), id, ErrorMessages.bytes(otherContent().length), id));
    }

    @Test
    void cat_json_showsWhereARecordIsStored() {
        assertThat(run("wal cat --from 3 --to 3 --json")).isZero();

        assertThat(cli.out())
                .isEqualTo(
                        "{\"sequence\":3,\"group\":3,\"arrived\":\"2026-11-20T12:00:00.002Z\",\"kind\":\"submission\","
                                + "\"key_id\":\"none\",\"pcs_id\":\""
                                + Pcs.number(2).id() + "\",\"bytes\":"
                                + Pcs.number(2).bytes().length + ",\"segment\":\"" + SECOND
                                + "\",\"offset\":8192,\"context\":\"policy-1\"}\n");
    }

    @Test
    void cat_id_findsItsSubmissionEvidenceAndOverrulingRecord() {
        assertFinds("--id " + Pcs.number(1).id(), 1, 2);
        assertFinds("--id " + Pcs.number(2).id(), 3, 4);
        assertFinds("--id " + Pcs.number(2).id().toString().substring(0, 8), 3, 4);
        assertThat(run("wal cat --id " + Pcs.number(2).id().toString().substring(0, 7)))
                .isEqualTo(2);
    }

    @Test
    void cat_kind_omitsTheOthers() {
        assertFinds("--kind submission", 1, 3);
        assertFinds("--kind evidence", 2);
        assertFinds("--kind overruled", 4);
    }

    @Test
    void cat_body_isPrintedUnchanged() {
        assertThat(run("wal cat --from 1 --to 1 --body")).isZero();

        assertThat(cli.out()).endsWith("\n" + Pcs.number(1).json() + "\n");
    }

    @Test
    void cat_bodyWithControlCharacters_isEscaped() throws IOException {
        byte[] hostile = Pcs.number(7)
                .with("note", "\"\u009b31m\u202e\u007f\"")
                .json()
                .replace(",", ",\r\n")
                .getBytes(StandardCharsets.UTF_8);
        LogOptions options = LogOptions.of(wal, "inbox", "policy-1");
        try (Log log = Log.open(new DiskFiles(), options, LogListener.NONE, () -> NOON, () -> 0, new Random(2))) {
            append(log, new Entry('s', "none", NOON.toEpochMilli(), hostile));
        }

        assertThat(run("wal cat --from 5 --body")).isZero();

        assertThat(cli.out()).contains("\\u009b31m\\u202e\\u007f").doesNotContain("\u009b", "\u202e", "\u007f");
    }

    @Test
    void withoutDir_usesWalDirAndIgnoresOtherSettings() {
        var environment = Map.of("WAL_DIR", wal.toString(), "PORT", "eighty", "PCS_HMAC_KEY_FILE", "/nobody/may/read");

        assertThat(cli.run(environment, "wal", "ls")).isZero();

        assertThat(cli.out()).isNotEmpty();
        assertThat(cli.err()).isEmpty();
    }

    private void assertFinds(String filter, int... sequences) {
        assertThat(run("wal cat --json " + filter)).isZero();
        assertThat(cli.out()
                        .lines()
                        .mapToInt(
                                line -> Integer.parseInt(line.substring("{\"sequence\":".length(), line.indexOf(',')))))
                .containsExactly(IntStream.of(sequences).boxed().toArray(Integer[]::new));
    }

    private int run(String line) {
        return cli.run(line, "--dir", wal.toString());
    }

    private static Entry entry(char kind, String keyId, long afterMillis, byte[] body) {
        return new Entry(kind, keyId, NOON.toEpochMilli() + afterMillis, body);
    }

    private static byte[] otherContent() {
        return Pcs.number(1).with("r", "0.7").bytes();
    }

    private static byte[] overruled() {
        return ("overruled 3\n" + Pcs.number(2).id() + " 200 1 " + "0".repeat(64) + " " + "0".repeat(16) + "\n{}")
                .getBytes(StandardCharsets.UTF_8);
    }

    private String size(String... names) {
        return ErrorMessages.bytes(Stream.of(names)
                .mapToLong(name -> wal.resolve(name).toFile().length())
                .sum());
    }
}
