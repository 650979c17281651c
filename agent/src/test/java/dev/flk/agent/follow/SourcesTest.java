// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.follow.Positions.Sink;
import dev.flk.program.logging.LogCapture;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(300)
class SourcesTest {
    private static final String HEADING = "timestamp,x,sensor\n";
    private static final Instant START = Instant.parse("2026-11-30T00:00:00Z");

    private final LogCapture log = new LogCapture();
    private final List<String> certified = new ArrayList<>();
    private final Sink sink = all -> all.forEach(each -> certified.add(shown(each)));

    @TempDir
    Path directory;

    private long nanos;
    private Instant now = START;
    private Sources sources;

    @BeforeEach
    void open() throws IOException {
        sources = Sources.open(directory.resolve("sources"), () -> now, () -> nanos, each -> {});
    }

    @AfterEach
    void close() {
        sources.close();
        log.close();
    }

    private static String shown(byte[] certificate) {
        return new String(certificate, StandardCharsets.UTF_8)
                .replaceAll("\\{\"pcs_id\":\"(.*?)\".*\"shard_id\":\"(.*?)\",\"epoch\":(\\d+).*", "$2 $3 $1");
    }

    private Source source(String name, String files, int window, boolean hasColumn, boolean isComplete) {
        return new Source(
                name,
                directory + "/" + files,
                new Columns(Optional.empty(), List.of(), hasColumn ? Optional.of("sensor") : Optional.empty()),
                CsvFormat.USUAL,
                Windows.byCount(window, 0),
                hasColumn ? new Source.Shard.Column() : new Source.Shard.Ids(List.of(name)),
                isComplete,
                false);
    }

    /** Gives turns until all files are read, and a file that is complete was left. */
    private void settle() throws IOException {
        for (int i = 0; i < 4; i++) {
            nanos += 11_000_000_000L;
            while (sources.round(sink)) {
                nanos++;
            }
        }
    }

    private Path write(String name, String text) throws IOException {
        Path file = directory.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        Files.setLastModifiedTime(file, FileTime.from(START.minusSeconds(60)));
        return file;
    }

    private static String rows(String sensor, int from, int count) {
        StringBuilder rows = new StringBuilder();
        for (int i = from; i < from + count; i++) {
            rows.append("%d,%d,%s-%d%n".formatted(1_000 + i, i * 7 % 11, sensor, i % 3));
        }
        return rows.toString();
    }

    private static List<String> certificates(Source source, String text) throws Exception {
        CsvRows rows = new CsvRows(
                new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)), source.columns(), source.format());
        return new Certifier(source.shard().ids(Path.of("file")))
                .certify(rows, source.windows()).stream()
                        .map(SourcesTest::shown)
                        .toList();
    }

    /** The end of the process in the middle of a round. */
    private static final class Killed extends Error {}

    private List<String> problems() {
        return sources.states().stream().map(SourceState::problem).toList();
    }

    @Test
    void complete_filesAreCertifiedOnce_asCertifyDoes_alsoAfterAKill() throws Exception {
        Source source = source("all", "in/*.csv", 10, true, true);
        String one = HEADING + rows("a", 0, 8_000);
        String other = HEADING + rows("b", 0, 7);
        write("in/one.csv", one);
        write("in/other.csv", other);
        sources.use(List.of(source));
        int[] adds = {0};
        assertThatThrownBy(() -> {
                    while (true) {
                        sources.round(certificates -> {
                            if (++adds[0] == 3) {
                                throw new Killed();
                            }
                            sink.add(certificates);
                        });
                    }
                })
                .isInstanceOf(Killed.class);
        assertThat(certified).hasSize(512);

        sources = Sources.open(directory.resolve("sources"), () -> now, () -> nanos, each -> {});
        sources.use(List.of(source));
        settle();
        settle();

        List<String> expected = new ArrayList<>(certificates(source, one));
        expected.addAll(certificates(source, other));
        assertThat(certified).isEqualTo(expected);
        assertThat(problems()).containsOnlyNulls();
    }

    @Test
    void complete_fileGrowsAfterItWasCertified_isNamed_andANewFileOfTheNameIsCertified() throws Exception {
        Source source = source("all", "in/*.csv", 10, false, true);
        Path file = write("in/one.csv", HEADING + rows("a", 0, 20));
        sources.use(List.of(source));
        settle();
        write("in/one.csv", rows("a", 20, 10));
        settle();

        assertThat(certified).hasSize(2);
        assertThat(problems()).singleElement().asString().contains(file + " was changed after it was certified");

        Files.delete(file);
        write("in/one.csv", HEADING + rows("a", 50, 10));
        settle();

        assertThat(certified).hasSize(3);
        assertThat(problems()).containsOnlyNulls();
    }

    @Test
    void complete_fileIsWrittenAgainWithTheSameLengthAndBeginning_isNamed_butATouchedOneIsNot() throws Exception {
        Path file = write("in/one.csv", HEADING + rows("a", 0, 1_000));
        sources.use(List.of(source("all", "in/*.csv", 10, false, true)));
        settle();
        Files.setLastModifiedTime(file, FileTime.from(START.minusSeconds(50)));
        settle();
        assertThat(problems()).containsOnlyNulls();

        Files.writeString(file, HEADING + rows("a", 0, 999) + rows("b", 999, 1));
        Files.setLastModifiedTime(file, FileTime.from(START.minusSeconds(40)));
        settle();

        assertThat(problems()).singleElement().asString().contains(file + " was changed after it was certified");
        assertThat(sources.states())
                .singleElement()
                .satisfies(state -> assertThat(state.windows()).isEqualTo(100));
    }

    @Test
    void round_fileIsReplacedByALongerCopyOfItself_isReadOn_byAShorterOneIsNamed() throws Exception {
        Source source = source("s", "in/a.csv", 10, false, false);
        sources.use(List.of(source));
        Path file = write("in/a.csv", HEADING + rows("a", 0, 25));
        settle();
        Files.move(write("new", HEADING + rows("a", 0, 35)), file, StandardCopyOption.REPLACE_EXISTING);
        settle();
        assertThat(certified).isEqualTo(certificates(source, HEADING + rows("a", 0, 30)));

        Files.move(write("new", HEADING + rows("a", 0, 5)), file, StandardCopyOption.REPLACE_EXISTING);
        settle();
        assertThat(problems()).singleElement().asString().contains("was replaced by a shorter copy of itself");

        write("in/a.csv", rows("a", 5, 45));
        settle();
        assertThat(certified).isEqualTo(certificates(source, HEADING + rows("a", 0, 50)));
        assertThat(problems()).containsOnlyNulls();
        assertThat(log.lines("ERROR")).isEmpty();
    }

    @Test
    void round_fileIsReplacedByAnotherOneWithEarlierRows_saysSo() throws Exception {
        Path file = write("in/a.csv", HEADING + rows("a", 100, 5));
        sources.use(List.of(source("s", "in/a.csv", 10, false, false)));
        settle();
        Files.move(write("new", HEADING + rows("b", 0, 7)), file, StandardCopyOption.REPLACE_EXISTING);
        settle();

        assertThat(log.lines("is earlier than the last row; the file was replaced by a shorter one, or by one with"))
                .hasSize(5); // the limit of lines in the log
        assertThat(sources.states())
                .singleElement()
                .satisfies(state -> assertThat(state.badLines()).isEqualTo(7));
    }

    @Test
    void find_fileIsNamedLikeARotatedOneOfAnother_isLeftOutAndNamed_andItsRowsAreNeverThoseOfTheOther()
            throws Exception {
        Path hall = write("in/hall.csv", HEADING + rows("a", 0, 15));
        Path other = write("in/hall.1.csv", HEADING + rows("b", 500, 20));
        sources.use(
                List.of(source("s", "in/hall*.csv", 10, false, false), source("t", "in/hall.1.csv", 10, false, false)));
        settle();
        assertThat(problems()).element(0).asString().contains(other + " is named like a rotated file of " + hall);

        Files.setLastModifiedTime(other, FileTime.from(START)); // later than the CSV
        Files.delete(hall);
        write("in/hall.csv", HEADING + rows("a", 15, 10));
        settle();

        assertThat(certified.stream().filter(each -> each.startsWith("s ")).toList())
                .isEqualTo(certificates(source("s", "", 10, false, false), HEADING + rows("a", 0, 20)));
        assertThat(certified.stream().filter(each -> each.startsWith("t "))).hasSize(2);
    }

    @Test
    void round_killedBeforePositionsAreStored_andRotated_everyRowIsInOneWindow() throws Exception {
        Source source = source("s", "in/a.csv", 10, false, false);
        Path file = write("in/a.csv", HEADING + rows("a", 0, 15));
        sources.use(List.of(source));
        assertThatThrownBy(() -> sources.round(certificates -> {
                    sink.add(certificates);
                    throw new Killed();
                }))
                .isInstanceOf(Killed.class);
        Files.move(file, file.resolveSibling("a.csv.1"));
        Files.setLastModifiedTime(write("in/a.csv", HEADING + rows("a", 15, 20)), FileTime.from(START));
        sources = Sources.open(directory.resolve("sources"), () -> now, () -> nanos, each -> {});
        sources.use(List.of(source));
        settle();

        assertThat(certified.stream().distinct().toList()).isEqualTo(certificates(source, HEADING + rows("a", 0, 30)));
    }

    @Test
    void complete_fileThatIsStillWritten_isNotRead() throws Exception {
        Path file = write("in/one.csv", HEADING + rows("a", 0, 20));
        Files.setLastModifiedTime(file, FileTime.from(START.minusSeconds(9)));
        sources.use(List.of(source("all", "in/*.csv", 10, false, true)));

        settle();
        assertThat(certified).isEmpty();

        now = START.plusSeconds(2);
        settle();
        assertThat(certified).hasSize(2);
    }

    @Test
    void round_sourcesThatCantBeRead_areNamed_andTheOthersGoOn() throws Exception {
        Path mistake = write("mistake/a.csv", HEADING + "1000,1.000.5,s\n");
        Path full = write("full/a.csv", HEADING + rows("f", 0, 1) + ("a".repeat(60_000) + "\n").repeat(20));
        Path named = write("named/a\nb.csv", HEADING + rows("n", 0, 10));
        write("good/a.csv", HEADING + rows("g", 0, 10));
        sources.use(List.of(
                source("gone", "gone/*.csv", 10, false, false),
                source("mistake", "mistake/a.csv", 10, false, false),
                source("full", "full/*.csv", 10, false, false),
                source("named", "named/*.csv", 10, false, false),
                source("good", "good/*.csv", 10, false, false)));

        settle();

        assertThat(certified).hasSize(2).allMatch(each -> each.startsWith("named ") || each.startsWith("good "));
        assertThat(problems()).hasSize(5);
        assertThat(problems().get(0)).contains("can't search").contains("gone");
        assertThat(problems().get(1)).startsWith(mistake + ": line 2: column x: ");
        assertThat(problems().get(2)).startsWith("stopped: " + full + ": line ").contains("full.bad has 1.0 MiB");
        assertThat(problems().subList(3, 5)).containsOnlyNulls();
        assertThat(named).exists();
        assertThat(log.lines("source mistake: ")).hasSize(1);

        Files.move(mistake, mistake.resolveSibling("a.bad"));
        write("mistake/a.csv", HEADING + rows("m", 0, 10));
        write("gone/a.csv", HEADING + rows("o", 0, 10));
        settle();

        assertThat(certified).hasSize(4);
        assertThat(problems().subList(0, 2)).containsOnlyNulls();
    }

    @Test
    void use_changedSources_continueWithTheirPositions() throws Exception {
        Source source = source("s", "in/*.csv", 10, false, false);
        write("in/a.csv", HEADING + rows("a", 0, 25));
        sources.use(List.of(source));
        settle();
        write("in/a.csv", rows("a", 25, 10));
        sources.use(List.of(source("other", "in/*.csv", 10, false, false), source));
        settle();

        assertThat(certified.stream().filter(each -> each.startsWith("s "))).hasSize(3);
        assertThat(certified.stream().filter(each -> each.startsWith("other "))).hasSize(3);

        sources.use(List.of(source("s", "in/*.csv", 5, false, false)));
        settle();

        assertThat(certified).hasSize(6);
        assertThat(problems()).singleElement().asString().contains("give the source another name");
    }

    @Test
    void round_moreOpenRowsThanTheMemoryHasRoomFor_stopsTheSource() throws Exception {
        long most = Runtime.getRuntime().maxMemory() / 192;
        assertThat(excess(10, most)).isEmpty();
        assertThat(excess(10, most + 1))
                .hasValueSatisfying(why ->
                        assertThat(why).startsWith("the windows of all sources").contains("use smaller windows"));
        assertThat(excess(1, most / 4))
                .hasValueSatisfying(why ->
                        assertThat(why).startsWith("a window has more than ").contains("use smaller windows"));
    }

    private static Optional<String> excess(int shards, long openRows) {
        Totals totals = new Totals();
        totals.add(SourceFile.Counts.NONE);
        return totals.replace(SourceFile.Counts.NONE, new SourceFile.Counts(shards, openRows, openRows, 0));
    }

    /** Returns the position that version 0.1 stored at the same place, in a file next to the CSV. */
    private static String before(String positions) {
        String line = positions.lines().findFirst().orElseThrow();
        String[] fields = line.split(" ", -1);
        fields[0] = "";
        fields[6] = fields[6].replace(":0:", ":false:");
        String text = String.join(" ", List.of(fields).subList(0, fields.length - 1)) + "\n";
        return text + RotatedCsv.digest(("3 " + text).getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void ofCommand_positionOfVersion01NextToTheFile_isTakenOver() throws Exception {
        Source source = source("a.csv", "in/a.csv", 10, false, false);
        Path csv = write("in/a.csv", HEADING + rows("a", 0, 25));
        try (Sources first = Sources.ofCommand(directory.resolve("one"), source, csv, line -> {})) {
            first.round(sink);
        }
        Path positions = directory
                .resolve("one")
                .resolve(
                        Objects.requireNonNull(directory.resolve("one").toFile().list())[0] + "/positions");
        Path old = Files.writeString(csv.resolveSibling("a.csv.certified"), before(Files.readString(positions)));
        write("in/a.csv", rows("a", 25, 10));
        try (Sources second = Sources.ofCommand(directory.resolve("two"), source, csv, line -> {})) {
            second.round(sink);
        }

        assertThat(certified).isEqualTo(certificates(source, HEADING + rows("a", 0, 30)));
        assertThat(old).doesNotExist();
    }

    @Test
    void full_everySourceMayReadItsShareOfTheFiles() {
        Totals totals = new Totals();
        totals.share(4);
        for (int i = 0; i < 1_000; i++) {
            assertThat(totals.full(i)).isEmpty();
            totals.add(SourceFile.Counts.NONE);
        }

        assertThat(totals.full(1_000)).isPresent();
        assertThat(totals.full(250)).isPresent();
        assertThat(totals.full(249)).isEmpty();
    }

    @Test
    void round_lineOfManyMegabytes_isOneBadLine() throws Exception {
        write("in/a.csv", HEADING + rows("a", 0, 5) + "9".repeat(5_000_000) + "\n" + rows("a", 5, 5));
        sources.use(List.of(source("s", "in/*.csv", 10, false, false)));

        settle();

        assertThat(certified).hasSize(1);
        assertThat(sources.states())
                .singleElement()
                .satisfies(state -> assertThat(state.badLines()).isEqualTo(1));
    }

    @Test
    void find_csvIsMissingBetweenRenameAndCreate_itsRotatedFileIsNotACsvOfItsOwn() throws Exception {
        Source source = source("s", "in/*", 10, false, false);
        sources.use(List.of(source));
        Path csv = write("in/a.csv", HEADING + rows("a", 0, 15));
        settle();
        Files.move(csv, csv.resolveSibling("a.csv.1"));
        settle();
        Files.setLastModifiedTime(write("in/a.csv", HEADING + rows("a", 15, 20)), FileTime.from(START));
        settle();
        Files.move(csv, csv.resolveSibling("a.csv.2"));
        settle(); // as with nocreate of logrotate, or a restart in between
        Files.setLastModifiedTime(write("in/a.csv", HEADING + rows("a", 35, 5)), FileTime.from(START.plusSeconds(1)));
        settle();

        assertThat(certified).isEqualTo(certificates(source, HEADING + rows("a", 0, 40)));
        assertThat(sources.states())
                .singleElement()
                .satisfies(state -> assertThat(state.files()).isEqualTo(1));
    }

    @Test
    void complete_mistakeAppearsWhileTheFileIsCertified_noCertificateIsLost() throws Exception {
        Source source = source("s", "in/*.csv", 10, false, true);
        String text = HEADING + rows("a", 0, 3_000);
        Path file = write("in/a.csv", text);
        FileTime modified = Files.getLastModifiedTime(file);
        sources.use(List.of(source));
        sources.round(sink); // checks all rows
        int at = text.indexOf("\n3595,") + 1; // row 2595 is read in the second turn that certifies
        Files.writeString(file, text.substring(0, at) + "x" + text.substring(at + 1));
        Files.setLastModifiedTime(file, modified);
        sources.round(sink);
        sources.round(sink);
        assertThat(certified).hasSizeLessThan(300);
        Files.writeString(file, text);
        Files.setLastModifiedTime(file, FileTime.from(modified.toInstant().plusSeconds(1)));
        settle();

        assertThat(certified).isEqualTo(certificates(source, text));
    }

    @Test
    void complete_timeOfTheFileIsInTheFuture_isReadWhenItHasNotChangedForTenSeconds() throws Exception {
        Path file = write("in/a.csv", HEADING + rows("a", 0, 20));
        Files.setLastModifiedTime(file, FileTime.from(Instant.parse("2080-01-01T00:00:00Z")));
        sources.use(List.of(source("s", "in/*.csv", 10, false, true)));
        settle();
        assertThat(certified).isEmpty();

        now = START.plusSeconds(11);
        settle();

        assertThat(certified).hasSize(2);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void foundFileIsExchangedForAFifo_isNamed_othersAreRead_andItsSuccessorToo(boolean isComplete) throws Exception {
        Path file = write("in/a.csv", HEADING + rows("a", 0, 15));
        Files.setLastModifiedTime(file, FileTime.from(START)); // a complete file is not read yet
        sources.use(List.of(source("s", "in/*.csv", 10, false, isComplete), source("t", "other/*", 10, false, false)));
        settle();
        Files.delete(file);
        fifo(file);
        write("other/b.csv", HEADING + rows("b", 0, 15));
        settle();

        assertThat(certified).anyMatch(each -> each.startsWith("t 0 "));
        assertThat(problems()).element(0).asString().contains(file + " is a FIFO");
        Files.delete(file);
        write("in/a.csv", HEADING + rows("a", 15, 20));
        now = START.plusSeconds(60);
        settle();
        assertThat(problems()).containsOnlyNulls();
        assertThat(certified).anyMatch(each -> each.startsWith("s 1 "));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void linkOutOfTheFolder_andSecondPathOfAFile_areNamedAndNotRead(boolean isComplete) throws Exception {
        Path secret = Files.writeString(directory.resolve("agent.properties"), "PCS_HMAC_KEY=secret\nx=1\n");
        Path outside = Files.createDirectories(directory.resolve("outside"));
        Files.copy(secret, outside.resolve("a.csv"));
        write("in/a/a.csv", HEADING + rows("a", 0, 20));
        Files.createSymbolicLink(directory.resolve("in/a/today.csv"), Path.of("a.csv"));
        Files.createSymbolicLink(directory.resolve("in/a/a.csv.1"), secret);
        Files.createSymbolicLink(directory.resolve("in/a/key.csv"), secret);
        Files.createSymbolicLink(directory.resolve("in/b"), outside);
        sources.use(List.of(
                source("s", "in/*/*.csv", 10, false, isComplete), source("t", "in/a/key.csv", 10, false, isComplete)));
        settle();

        assertThat(certified).hasSize(2);
        assertThat(log.lines("in/a/today.csv is the same file as ")).isNotEmpty();
        assertThat(sources.states())
                .allSatisfy(state -> assertThat(state.problem())
                        .contains("key.csv leads out of " + directory.resolve("in"))
                        .doesNotContain("secret"));
        assertThat(log.lines("in/b/a.csv leads out of ")).isNotEmpty();
        assertThat(log.lines("secret")).isEmpty();
        assertThat(directory.resolve("sources/s.bad")).doesNotExist();
    }

    private static void fifo(Path file) throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/mkfifo")), "this machine has no mkfifo");
        assertThat(new ProcessBuilder("mkfifo", file.toString()).start().waitFor())
                .isZero();
    }

    @Test
    void leftOut_badLinesCantBeWritten_lineIsKeptLater() throws Exception {
        Path bad = Files.createDirectories(directory.resolve("sources/s.bad"));
        write("in/a.csv", HEADING + rows("a", 0, 5) + "1005,wrong,a\n" + rows("a", 6, 5));
        sources.use(List.of(source("s", "in/*.csv", 10, false, false)));
        settle();
        Files.delete(bad);
        settle();

        assertThat(certified).hasSize(1);
        assertThat(bad).content().contains("1005,wrong,a");
        assertThat(sources.states())
                .singleElement()
                .satisfies(state -> assertThat(state.badLines()).isEqualTo(1));
    }

    @Test
    void complete_contentIsReplacedWhileItIsCertified_newContentIsCertifiedWithoutARestart() throws Exception {
        Source source = source("s", "in/*.csv", 10, false, true);
        write("in/a.csv", HEADING + rows("a", 0, 3_000));
        sources.use(List.of(source));
        sources.round(sink);
        sources.round(sink);
        assertThat(certified).hasSize(256);
        certified.clear();
        String other = HEADING + rows("a", 5_000, 40);
        Files.move(write("other", other), directory.resolve("in/a.csv"), StandardCopyOption.REPLACE_EXISTING);
        settle();

        assertThat(certified).isEqualTo(certificates(source, other));
        assertThat(problems()).containsOnlyNulls();
    }

    @Test
    void open_fileThatCantBeReadForAWhile_isReadAfterwards() throws Exception {
        Source source = source("s", "in/*.csv", 10, false, false);
        Path file = write("in/a.csv", HEADING + rows("a", 0, 10));
        Files.setPosixFilePermissions(file, java.nio.file.attribute.PosixFilePermissions.fromString("---------"));
        org.junit.jupiter.api.Assumptions.assumeFalse(Files.isReadable(file), "root reads all files");
        sources.use(List.of(source));
        settle();
        assertThat(problems()).doesNotContainNull();

        Files.setPosixFilePermissions(file, java.nio.file.attribute.PosixFilePermissions.fromString("rw-------"));
        settle();

        assertThat(certified).hasSize(1);
        assertThat(problems()).containsOnlyNulls();
    }

    @Test
    void find_directoryBelowAWildcardCantBeRead_theOthersAreRead() throws Exception {
        Path lost = Files.createDirectories(directory.resolve("in/lost+found"));
        write("in/hall/a.csv", HEADING + rows("a", 0, 10));
        Files.setPosixFilePermissions(lost, java.nio.file.attribute.PosixFilePermissions.fromString("---------"));
        org.junit.jupiter.api.Assumptions.assumeFalse(Files.isReadable(lost), "root reads all directories");
        sources.use(List.of(source("s", "in/*/*.csv", 10, false, false)));
        settle();
        Files.setPosixFilePermissions(lost, java.nio.file.attribute.PosixFilePermissions.fromString("rwx------"));

        assertThat(certified).hasSize(1);
        assertThat(problems()).singleElement().asString().contains("lost+found");
    }

    @Test
    void use_otherWindowsBeforeAnyIsCertified_areAccepted() throws Exception {
        write("in/a.csv", HEADING + rows("a", 0, 24));
        sources.use(List.of(source("s", "in/*.csv", 300, false, false)));
        settle();

        Source smaller = source("s", "in/*.csv", 12, true, false);
        sources.use(List.of(smaller));
        settle();
        write("in/a.csv", rows("a", 24, 12));
        settle();

        assertThat(problems()).containsOnlyNulls();
        assertThat(certified).containsExactlyInAnyOrderElementsOf(certificates(smaller, HEADING + rows("a", 0, 36)));
    }
}
