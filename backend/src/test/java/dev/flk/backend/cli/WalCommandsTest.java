// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.program.cli.InWords;
import dev.flk.sample.Pcs;
import dev.flk.wal.DiskFiles;
import dev.flk.wal.Entry;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Append;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code wal ls}, {@code wal verify} and {@code wal cat} over a log of two segments. */
class WalCommandsTest {
    private static final Instant NOON = Instant.parse("2026-11-20T12:00:00Z");
    private static final String FIRST = "inbox-20261120-0000000000000001.wal";
    private static final String SECOND = "inbox-20261120-0000000000000003.wal";

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path wal;

    @BeforeEach
    void writeLog() throws IOException {
        LogOptions options = LogOptions.of(wal, "inbox", "policy-1")
                .with(LogSizes.usual().withSegments(5_000, Duration.ofDays(1)).withFillAhead(0));
        try (Log log = Log.open(new DiskFiles(), options, LogListener.NONE, () -> NOON, () -> 0, new Random(1))) {
            append(
                    log,
                    new Entry(
                            's', "0a1b2c3d", NOON.toEpochMilli(), Pcs.number(1).bytes()));
            append(log, new Entry('e', "0a1b2c3d", NOON.toEpochMilli() + 1, otherContent()));
            append(
                    log,
                    new Entry(
                            's', "none", NOON.toEpochMilli() + 2, Pcs.number(2).bytes()));
            append(log, new Entry('o', "none", NOON.toEpochMilli() + 3, overruled()));
        }
        Files.delete(wal.resolve("inbox-20261120-0000000000000005.wal")); // a killed process closes nothing
    }

    @Test
    void ls_isATableOf80Columns() {
        assertThat(run("wal ls")).isZero();

        assertThat(out.toString())
                .isEqualTo("""
                        SEGMENT                             STATE            FIRST        LAST      SIZE
                        %s complete             1           2   %7s
                        %s newest               3           4   %7s
                        2 segments, 4 records, %s in %s
                        """.formatted(FIRST, size(FIRST), SECOND, size(SECOND), size(FIRST, SECOND), wal));
    }

    @Test
    void ls_otherFiles_areListedBelow() throws IOException {
        Files.writeString(wal.resolve(SECOND + ".broken"), "x");
        Files.writeString(wal.resolve("backup"), "x");

        assertThat(run("wal ls")).isZero();

        assertThat(out.toString()).endsWith("""

                        backup
                            does not belong to the log

                        %s.broken
                            set aside by a start or a repair: what was cut off, broken, or in the way
                        """.formatted(SECOND));
    }

    @Test
    void ls_json_isALineASegment() throws IOException {
        Files.writeString(wal.resolve(SECOND + ".broken"), "x");

        assertThat(run("wal ls --json")).isZero();

        assertThat(out.toString().lines())
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
    void verify_wholeLog_exits0() {
        assertThat(run("wal verify")).isZero();

        assertThat(out.toString()).isEqualTo("whole: 4 records (1 to 4) in " + wal + "\n");
    }

    @Test
    void verify_damage_exits1AndSaysWhichRecordsAreGone() throws IOException {
        flip(FIRST, 4_096 + 20);

        assertThat(run("wal verify")).isEqualTo(1);

        assertThat(out.toString()).isEqualTo("""
                        MISSING RECORDS          SEGMENT                             DAMAGED AT BYTE
                        1                        %s            4096
                        damaged: 1 record missing, 3 records whole (2 to 4) in %s
                        """.formatted(FIRST, wal));
    }

    @Test
    void verify_damageJson_isALineADamageAndASummary() throws IOException {
        flip(FIRST, 20);

        assertThat(run("wal verify --json")).isEqualTo(1);

        assertThat(out.toString().lines())
                .containsExactly(
                        "{\"type\":\"damage\",\"kind\":\"broken\",\"segment\":\"" + FIRST
                                + "\",\"offset\":0,\"first_missing\":1,\"last_missing\":2}",
                        "{\"type\":\"summary\",\"whole\":false,\"records\":2,"
                                + "\"first_sequence\":3,\"last_sequence\":4,\"missing\":2,\"lost\":0}");
    }

    @Test
    void verify_tornTail_isToldAndNoDamage() throws IOException {
        Files.writeString(wal.resolve(SECOND), "flk1 cut off", StandardOpenOption.APPEND);

        assertThat(run("wal verify")).isZero();

        assertThat(out.toString()).isEqualTo("""
                        unfinished: record 5 and all behind it, 12 bytes from byte %d of
                            %s
                            being written now, or cut off by a crash
                        whole up to there: 4 records (1 to 4) in %s
                        """.formatted(Files.size(wal.resolve(SECOND)) - 12, SECOND, wal));
    }

    @Test
    void cat_printsHeadersWithoutBodies() {
        assertThat(run("wal cat --to 2")).isZero();

        String id = Pcs.number(1).id().toString();
        assertThat(out.toString()).isEqualTo("""
                           SEQUENCE  ARRIVED                   KIND        KEY            BODY
                                     PCS_ID
                                  1  2026-11-20T12:00:00.000Z  submission  0a1b2c3d  %9s
                                     %s
                                  2  2026-11-20T12:00:00.001Z  evidence    0a1b2c3d  %9s
                                     %s
                        """.formatted(
                        InWords.bytes(Pcs.number(1).bytes().length), id, InWords.bytes(otherContent().length), id));
    }

    @Test
    void cat_json_tellsWhereARecordStands() {
        assertThat(run("wal cat --from 3 --to 3 --json")).isZero();

        assertThat(out.toString())
                .isEqualTo(
                        "{\"sequence\":3,\"group\":3,\"arrived\":\"2026-11-20T12:00:00.002Z\",\"kind\":\"submission\","
                                + "\"key_id\":\"none\",\"pcs_id\":\""
                                + Pcs.number(2).id() + "\",\"bytes\":"
                                + Pcs.number(2).bytes().length + ",\"segment\":\"" + SECOND
                                + "\",\"offset\":4096,\"context\":\"policy-1\"}\n");
    }

    @Test
    void cat_ofAnId_findsItsSubmissionItsEvidenceAndWhatOverruledIt() {
        assertThat(sequences("--id " + Pcs.number(1).id())).containsExactly(1, 2);
        assertThat(sequences("--id " + Pcs.number(2).id())).containsExactly(3, 4);
    }

    @Test
    void cat_ofAKind_leavesOutTheOthers() {
        assertThat(sequences("--kind submission")).containsExactly(1, 3);
        assertThat(sequences("--kind evidence")).containsExactly(2);
        assertThat(sequences("--kind overruled")).containsExactly(4);
    }

    @Test
    void cat_body_printsItAsItCame() {
        assertThat(run("wal cat --from 1 --to 1 --body")).isZero();

        assertThat(out.toString()).endsWith("\n" + Pcs.number(1).json() + "\n");
    }

    @Test
    void cat_bodyThatSpeaksToATerminal_isEscaped() throws IOException {
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

        assertThat(out.toString()).contains("\\u009b31m\\u202e\\u007f").doesNotContain("\u009b", "\u202e", "\u007f");
    }

    @Test
    void cat_damageInBetween_goesOnSaysSoAndExits1() throws IOException {
        flip(FIRST, 4_096 + 20);

        assertThat(run("wal cat --json")).isEqualTo(1);

        assertThat(out.toString().lines()).hasSize(3);
        assertThat(err.toString())
                .isEqualToIgnoringNewLines(
                        "flk-backend: segment " + FIRST + " is damaged at byte 4096: record 1 missing");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ls", "verify", "cat"})
    void everyCommand_withoutDir_takesThatOfTheConfigurationAndNeedsNothingElseOfIt(String command) {
        var environment = Map.of("WAL_DIR", wal.toString(), "PORT", "eighty", "PCS_HMAC_KEY_FILE", "/nobody/may/read");

        assertThat(program(environment).run("wal", command)).isZero();

        assertThat(out.toString()).isNotEmpty();
        assertThat(err.toString()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"ls", "verify", "cat"})
    void everyCommand_directoryMissing_saysWhich(String command) {
        Path missing = wal.resolve("missing");

        assertThat(program(Map.of()).run("wal", command, "--dir", missing.toString()))
                .isEqualTo(1);

        assertThat(err.toString())
                .isEqualToIgnoringNewLines(
                        "flk-backend: can't use " + missing + ": there is no such file or directory");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ls", "verify", "cat"})
    void everyCommand_file_saysThatADirectoryIsNeeded(String command) {
        Path file = wal.resolve(FIRST);

        assertThat(program(Map.of()).run("wal", command, "--dir", file.toString()))
                .isEqualTo(1);

        assertThat(err.toString())
                .isEqualToIgnoringNewLines(
                        "flk-backend: can't use " + file + ": it is a file, and a directory is needed");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ls", "verify", "cat"})
    void everyCommand_directoryWithoutALog_saysHowToNameOne(String command, @TempDir Path empty) {
        assertThat(program(Map.of()).run("wal", command, "--dir", empty.toString()))
                .isEqualTo(1);

        assertThat(out.toString()).isEmpty();
        assertThat(err.toString())
                .isEqualToIgnoringNewLines("flk-backend: there are no segments in " + empty
                        + "; name the log's directory with --dir or WAL_DIR");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ls", "verify", "cat --body", "cat --json"})
    void everyCommand_changesNothing(String command) throws IOException {
        List<String> before = contents();

        assertThat(run("wal " + command)).isZero();

        assertThat(contents()).isEqualTo(before);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "wal",
                "wal cat --from 0",
                "wal cat --from 3 --to 2",
                "wal cat --from x",
                "wal cat --id 12ab",
                "wal cat --kind submissions",
                "wal ls --nonsense",
                "wal verify extra"
            })
    void wrongUsage_exits2(String line) {
        assertThat(program(Map.of()).run(line.split(" "))).isEqualTo(2);

        assertThat(out.toString()).isEmpty();
        assertThat(err.toString()).isNotEmpty().doesNotContain("\tat ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"wal -h", "wal ls -h", "wal verify -h", "wal cat -h"})
    void help_fits80Columns(String line) {
        assertThat(program(Map.of()).run(line.split(" "))).isZero();

        assertThat(out.toString()).startsWith("Usage: flk-backend wal").contains("--version");
        assertThat(out.toString().lines())
                .allSatisfy(text -> assertThat(text.length()).isLessThanOrEqualTo(80));
    }

    private List<Integer> sequences(String filter) {
        out.getBuffer().setLength(0);
        assertThat(run("wal cat --json " + filter)).isZero();
        return out.toString()
                .lines()
                .map(line -> Integer.valueOf(line.substring("{\"sequence\":".length(), line.indexOf(','))))
                .toList();
    }

    private int run(String line) {
        List<String> arguments = new ArrayList<>(Arrays.asList(line.split(" ")));
        arguments.addAll(List.of("--dir", wal.toString()));
        return program(Map.of()).run(arguments.toArray(String[]::new));
    }

    private CommandLineProgram program(Map<String, String> environment) {
        return new CommandLineProgram(environment, config -> {}, new PrintWriter(out), new PrintWriter(err));
    }

    private static void append(Log log, Entry entry) {
        boolean taken = log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return List.of(entry);
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

    private static byte[] otherContent() {
        return Pcs.number(1).with("r", "0.7").bytes();
    }

    private static byte[] overruled() {
        return ("overruled 3\n" + Pcs.number(2).id() + " 200 1 " + "0".repeat(64) + " " + "0".repeat(16) + "\n{}")
                .getBytes(StandardCharsets.UTF_8);
    }

    private String size(String... names) {
        return InWords.bytes(Stream.of(names)
                .mapToLong(name -> wal.resolve(name).toFile().length())
                .sum());
    }

    private void flip(String name, int at) throws IOException {
        byte[] content = Files.readAllBytes(wal.resolve(name));
        content[at] ^= 1;
        Files.write(wal.resolve(name), content);
    }

    private List<String> contents() throws IOException {
        List<String> contents = new ArrayList<>();
        for (String name : new DiskFiles().list(wal)) {
            contents.add(name + " " + Arrays.hashCode(Files.readAllBytes(wal.resolve(name))));
        }
        return contents;
    }
}
