// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import static org.assertj.core.api.Assertions.as;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.program.logging.LogCapture;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests that following certifies every row once when a writer's file is rotated, in the same windows as those of one
 * file with all rows. The steps of the writer and of the rotation happen when the source looks at the files again.
 */
@Timeout(120)
class CsvRotationTest {
    private static final String HEADING = "timestamp,x,y,z\n";
    private static final String SENSORS = "timestamp,x,y,sensor\n";
    /** Midnight in New York before the end of daylight saving time. */
    private static final Instant MIDNIGHT = Instant.parse("2026-11-01T04:00:00Z");
    /** The number of rows, one each three minutes, from midnight until after the hour that occurs twice. */
    private static final int ROWS_UNTIL_SETTLED = 65;

    private static final int IDLE_LOOKS = 40;
    private static final CsvFormat NEW_YORK = format(true, 0, ZoneId.of("America/New_York"));

    private final LogCapture log = new LogCapture();

    @TempDir
    Path directory;

    private Path csv;
    private final List<String> certified = new ArrayList<>();
    private long nanos;
    private Optional<String> problem = Optional.empty();
    private Columns columns = Columns.USUAL;
    private CsvFormat format = CsvFormat.USUAL;
    private String heading = HEADING;
    private Windows windows = Windows.byCount(10, 0);
    private IntFunction<String> sensors = row -> "1";
    private IntFunction<String> times = row -> Integer.toString(1_000 + row);
    private OutputStream writer = OutputStream.nullOutputStream();
    private int rows;
    private final StringBuilder written = new StringBuilder();
    private String unwritten = "";
    private final Map<Object, Integer> rotations = new HashMap<>();
    private static final long FIRST_MODIFIED_MILLIS = 1_700_000_000_000L;
    /** The number of rotations within one tick of the file system's clock. */
    private int rotationsPerTick = 1;

    /** A step of the writer or of the rotation. */
    private interface Step {
        void run() throws IOException;
    }

    private static CsvFormat format(boolean hasHeader, int skippedLines, ZoneId zone) {
        return new CsvFormat(
                hasHeader,
                skippedLines,
                Optional.empty(),
                Optional.empty(),
                Set.of(),
                Optional.empty(),
                Optional.of(zone),
                false);
    }

    @BeforeEach
    void prepare() throws Exception {
        useDirectory(directory);
    }

    private void useDirectory(Path used) throws Exception {
        csv = used.resolve("rows.csv");
        certified.clear();
        rows = 0;
        rotations.clear();
        written.setLength(0);
        unwritten = "";
        open(true);
    }

    @AfterEach
    void close() throws Exception {
        writer.close();
        log.close();
    }

    private void open(boolean withHeading) throws IOException {
        writer.close();
        writer = Files.newOutputStream(csv, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        if (withHeading) {
            write(heading);
        }
    }

    private void write(String text) throws IOException {
        writer.write(text.getBytes(StandardCharsets.UTF_8));
    }

    private void append(int count) throws IOException {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            rows++;
            String values =
                    (rows * 7 % 11) + "," + (rows * rows % 13) + "." + (rows % 10) + "," + sensors.apply(rows) + "\n";
            String row = times.apply(rows) + "," + values;
            text.append(row);
            written.append(row.matches("(?s)2026-11-01.01:.*") ? "" : row); // this hour occurs twice
        }
        write(unwritten + text);
        unwritten = "";
    }

    /** Writes a row, but a part of its last line only with the next row. */
    private void appendSplit(int keptBack) throws IOException {
        OutputStream file = writer;
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        writer = text;
        append(1);
        writer = file;
        String line = text.toString(StandardCharsets.UTF_8);
        int cut = Math.max(1, line.length() - keptBack);
        write(line.substring(0, cut));
        unwritten = line.substring(cut);
    }

    private void flush() throws IOException {
        write(unwritten);
        unwritten = "";
    }

    private Path rotated(int number) {
        return csv.resolveSibling("rows.csv." + number);
    }

    private void makeRoom() throws IOException {
        int last = 0;
        while (Files.exists(rotated(last + 1))) {
            last++;
        }
        for (int i = last; i > 0; i--) {
            Files.move(rotated(i), rotated(i + 1));
        }
    }

    private void rename() throws IOException {
        makeRoom();
        Files.move(csv, rotated(1));
        rotations.put(key(rotated(1)), rotations.size());
    }

    private static Object key(Path file) throws IOException {
        return Files.getAttribute(file, "unix:ino");
    }

    /** Makes the files of each tick a second newer than those before, as if the steps took seconds. */
    private void ageFiles() throws IOException {
        try (Stream<Path> files = Files.list(directory(csv))) {
            for (Path file : files.filter(each -> each.getFileName().toString().matches("rows\\.csv(\\.\\d+)?"))
                    .toList()) {
                int age = file.equals(csv) ? rotations.size() : rotations.getOrDefault(key(file), 0);
                Files.setLastModifiedTime(
                        file, FileTime.fromMillis(FIRST_MODIFIED_MILLIS + age / rotationsPerTick * 1_000L));
            }
        }
    }

    private static Path directory(Path file) {
        return Objects.requireNonNull(file.getParent());
    }

    private void renameAndOpen() throws IOException {
        rename();
        open(true);
    }

    private void copyAndTruncate() throws IOException {
        makeRoom();
        Files.copy(csv, rotated(1));
        rotations.put(key(rotated(1)), rotations.size());
        truncate();
    }

    private void truncate() throws IOException {
        Files.newOutputStream(csv, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)
                .close();
    }

    /** Follows while these steps happen, one at each look, and stops when all rows have been read. */
    private long follow(Step... steps) throws IOException {
        Deque<Step> waiting = new ArrayDeque<>(List.of(steps));
        int[] idle = {0};
        return follow(() -> {
            Step next = waiting.poll();
            if (next == null) {
                return ++idle[0] > IDLE_LOOKS;
            }
            nanos += 10_000_000_000L;
            run(next);
            return false;
        });
    }

    private void run(Step step) {
        try {
            step.run();
            ageFiles();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private long follow(BooleanSupplier looks) throws IOException {
        ageFiles();
        try (Sources sources = Sources.open(directory(csv).resolve("sources"), Instant::now, () -> nanos, each -> {})) {
            sources.use(List.of(source()));
            boolean hasMore = true;
            while (hasMore || !looks.getAsBoolean()) {
                nanos += 1_000_000_000L;
                hasMore = sources.round(all -> all.forEach(each -> certified.add(shown(each))));
            }
            SourceState state = sources.states().get(0);
            problem = Optional.ofNullable(state.problem());
            return state.windows();
        }
    }

    private Path bad() {
        return directory(csv).resolve("sources/s.bad");
    }

    private Source source() {
        return new Source(
                "s",
                Globs.literal(csv.toString()),
                columns,
                format,
                windows,
                hasShards()
                        ? new Source.Shard.Column()
                        : new Source.Shard.Ids(certifier().shardIds()),
                false,
                false);
    }

    private Certifier certifier() {
        return new Certifier(hasShards() ? List.of() : List.of("s-1", "s-2", "s-3"));
    }

    /** Returns the id, shard and epoch of a certificate. The id depends on all rows of the window. */
    private static String shown(byte[] certificate) {
        return new String(certificate, StandardCharsets.UTF_8)
                .replaceAll("\\{\"pcs_id\":\"(.*?)\".*\"shard_id\":\"(.*?)\",\"epoch\":(\\d+).*", "$3 $2 $1");
    }

    /** Requires the certificates of the complete windows of all rows, each once and in order. */
    private void assertAllCertified() throws IOException, MalformedCsv {
        assertOtherRowsCertified();
        assertThat(log.lines("ERROR")).isEmpty();
    }

    /** Requires the same, although an error names rows or a file that were left out. */
    private void assertOtherRowsCertified() throws IOException, MalformedCsv {
        flush();
        assertThat(certified).isEqualTo(expected());
    }

    private List<String> expected() throws IOException, MalformedCsv {
        List<String> expected = new ArrayList<>();
        Map<String, List<String>> shards = written.toString()
                .lines()
                .collect(Collectors.groupingBy(line -> hasShards() ? line.substring(line.lastIndexOf(',')) : ""));
        for (List<String> lines : shards.values()) {
            int rest = windows instanceof Windows.ByCount count ? lines.size() % count.rowsPerWindow() : 0;
            String complete = lines.subList(0, lines.size() - rest).stream()
                    .map(line -> line + "\n")
                    .collect(Collectors.joining());
            if (!complete.isEmpty()) {
                byte[] all = (heading + complete).getBytes(StandardCharsets.UTF_8);
                certifier().certify(new CsvRows(new ByteArrayInputStream(all), columns, format), windows).stream()
                        .map(CsvRotationTest::shown)
                        .forEach(expected::add);
                if (windows instanceof Windows.ByTime) {
                    expected.remove(expected.size() - 1); // it may not be complete
                }
            }
        }
        return expected;
    }

    private void useSensors() throws Exception {
        heading = SENSORS;
        useDirectory(Files.createDirectory(directory.resolve("sensors")));
        columns = new Columns(Optional.empty(), List.of(), Optional.of("sensor"));
        times = row -> Integer.toString(1_000 + row / 2);
        sensors = row -> row % 23 == 1 ? "slow" : "s" + row % 3;
    }

    private boolean hasShards() {
        return columns.shard().isPresent();
    }

    @Test
    void follow_fileOfBadLinesIsALink_isNotFollowed() throws Exception {
        Path other = Files.writeString(directory.resolve("other"), "not ours");
        Files.createDirectories(directory(bad()));
        Files.createSymbolicLink(bad(), other);
        append(12);
        write("1,wrong,2,3\n");
        follow();

        assertThat(problem).hasValueSatisfying(why -> assertThat(why).contains(bad() + " is a link, not a regular"));
        assertThat(other).hasContent("not ours");
    }

    @Test
    void follow_clockSetBackAtARotation_leavesTheRowsOutAndContinues_alsoAfterARestart() throws Exception {
        append(12);
        follow(
                () -> {
                    renameAndOpen();
                    write("900,1,2,3\n901,1,2,3\n");
                    append(1);
                },
                () -> append(20));
        follow(() -> append(20));

        assertOtherRowsCertified();
        assertThat(log.lines("ERROR"))
                .anySatisfy(line ->
                        assertThat(line).contains("line 2: column timestamp: \"900\" is earlier than the last row"));
    }

    @Test
    void restart_decimalSeparatorThatTheFirstRowShowed_appliesToTheNextFile() throws Exception {
        heading = "timestamp;x\n";
        useDirectory(Files.createDirectory(directory.resolve("marks")));
        windows = Windows.byCount(1, 0);
        write("1001;970,5\n");
        follow();
        renameAndOpen();
        write("1002;999\n1003;1.002\n");

        follow();

        assertThat(certified).hasSize(2);
        assertThat(log.lines("ERROR")).singleElement(as(STRING)).contains("\"1.002\" is not a decimal number with");
    }

    @Test
    void follow_linesThatAreNoMeasurements_areKeptInAFile_upToItsBound() throws Exception {
        Path bad = bad();
        append(12);
        write("a note\n" + HEADING + "\0".repeat(100_000) + "\n");
        append(8);
        follow();

        String named = "# " + csv + ": line ";
        assertThat(bad)
                .hasContent(named + "14: has 1 cells, but the first line has 4; put double quotes"
                        + " around a cell that contains a comma\na note\n" + named
                        + "16: has 1 cells, but the first line has 4; put double quotes"
                        + " around a cell that contains a comma\n\0\n");
        append(10);
        write(("a".repeat(60_000) + "\n").repeat(20));

        follow();

        assertThat(problem)
                .hasValueSatisfying(why -> assertThat(why)
                        .startsWith("stopped: " + csv + ": line ")
                        .contains("; it can't be kept, because " + bad + " has "));
        assertOtherRowsCertified();
        assertThat(Files.size(bad)).isBetween(1_000_000L, 1L << 20);
    }

    /** A writer that does not append writes at its old position after a truncation, which leaves a block of NUL. */
    @ParameterizedTest
    @ValueSource(ints = {1, 70_000})
    void follow_nulBeforeTheFirstRowAfterATruncation_isLeftOut(int length) throws Exception {
        append(12);
        follow(() -> {
            copyAndTruncate();
            write("\0".repeat(length) + "1013,1,2,3\n");
            append(18);
        });
        follow(() -> append(10));

        assertOtherRowsCertified();
        assertThat(log.lines("ERROR")).singleElement(as(STRING)).contains("line 2: column timestamp: \"?1013\" is not");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void follow_newFileIsRotatedBeforeItIsOpened_isNotMistakenForTheEmptyOneAfterIt(boolean isCopied) throws Exception {
        append(12);
        follow(
                this::renameAndOpen,
                () -> { // the follower has just seen the heading of the new file
                    if (isCopied) {
                        copyAndTruncate();
                    } else {
                        rename();
                        Files.createFile(csv);
                    }
                },
                () -> append(9), // if the file was renamed, the writer still writes to it
                () -> {
                    open(false);
                    append(9);
                });

        assertAllCertified();
    }

    @Test
    void restart_fileIsGoneAndTheNewOneIsEmpty_waitsForItsFirstLine() throws Exception {
        append(25);
        follow();
        rename();
        Files.delete(rotated(1));
        Files.createFile(csv);

        follow(() -> {
            open(false);
            append(14);
        });

        assertThat(certified).hasSize(3);
        assertThat(log.lines("ERROR"))
                .singleElement(as(STRING))
                .contains("after row 20 (1970-01-01T00:17:00Z) and before row 1 (1970-01-01T00:17:06Z)");
    }

    @Test
    void restart_fileWasRenamed_isFoundByItsInode() throws Exception {
        append(25);
        follow();
        append(8);
        Files.move(csv, csv.resolveSibling("any other name"));
        open(true);
        append(8);

        follow();

        assertAllCertified();
    }

    @Test
    void restart_renamedFileIsCompressed_namesTheRowsThatAreMissing() throws Exception {
        append(25);
        follow();
        append(8);
        rename();
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(csv.resolveSibling("rows.csv.1.gz")))) {
            Files.copy(rotated(1), out);
        }
        Files.delete(rotated(1));
        open(true);
        append(14);

        assertThat(follow()).isEqualTo(3);

        assertThat(log.lines("ERROR"))
                .singleElement()
                .asString()
                .contains(csv
                        + ": rows after row 20 (1970-01-01T00:17:00Z) and before row 1 (1970-01-01T00:17:14Z) of the");
    }

    @Test
    void restart_fileWithTheOpenWindowOfOneSensorIsGone_namesTheLoss_andCertifiesTheOthersOnce() throws Exception {
        useSensors();
        windows = Windows.byCount(3, 0);
        append(20);
        follow();
        renameAndOpen();
        append(20);
        follow();
        Files.delete(rotated(1));
        append(20);

        follow();

        assertThat(certified)
                .containsExactlyInAnyOrderElementsOf(expected().stream()
                        .filter(window -> !window.contains("slow"))
                        .toList());
        assertThat(log.lines("ERROR")).singleElement(as(STRING)).contains("are not certified, if there were any");
    }

    @Test
    void follow_rowSplitOverTwoFiles_isNotCertified_andBothPartsAreKept() throws Exception {
        append(12);
        follow(() -> {
            write("1013,5,7");
            rename();
            open(false);
            write(".3,1\n");
            rows++;
            append(12);
        });

        assertThat(bad())
                .content()
                .endsWith("line 14: has no line end, so its rest may be the first line of the next file; neither is"
                        + " certified\n1013,5,7\n.3,1\n");
        assertOtherRowsCertified();
    }

    @Test
    void follow_truncatedWithoutACopy_namesTheRowsThatMayBeMissing() throws Exception {
        append(25);
        follow(
                () -> {
                    append(3);
                    truncate();
                    rows += 2;
                    append(14);
                },
                () -> append(1));

        assertThat(log.lines("ERROR"))
                .singleElement()
                .asString()
                .contains("after row 25 (1970-01-01T00:17:05Z) and before row 1 (1970-01-01T00:17:11Z) of the next")
                .contains("no copy");
    }

    @Test
    void follow_fileAfterALossHasNoRow_lossIsNamedBeforeTheNextRow() throws Exception {
        append(12);
        follow(
                () -> {
                    append(3);
                    truncate();
                    write(heading);
                },
                () -> {},
                () -> {
                    renameAndOpen();
                    append(14);
                });

        assertThat(log.lines("ERROR"))
                .singleElement(as(STRING))
                .contains("rows after row 12 (1970-01-01T00:16:52Z) and before row 1", "no copy");
    }

    @Test
    void follow_firstFileHasOnlyAHeading_filesFromBeforeTheStartAreNotRead() throws Exception {
        Path older = csv.resolveSibling("rows.csv.0");
        Files.writeString(older, heading + "900,1,2,3\n901,1,2,3\n");
        Files.setLastModifiedTime(older, FileTime.fromMillis(FIRST_MODIFIED_MILLIS - 1_000));
        follow(() -> {
            renameAndOpen();
            append(12);
        });

        assertAllCertified();
    }

    @Test
    void follow_mistakeInARenamedFile_namesIt() throws Exception {
        append(12);
        follow(() -> {
            write("1013,a,b,c\n");
            renameAndOpen();
            append(12);
        });

        assertOtherRowsCertified();
        assertThat(log.lines("ERROR"))
                .singleElement(as(STRING))
                .contains(rotated(1) + ": line 14: column x: a is not a decimal number");
    }

    @Test
    void follow_otherFilesInTheDirectory_areNotRead() throws Exception {
        append(12);
        follow(
                () -> {
                    append(5);
                    Files.copy(csv, csv.resolveSibling("rows.csv.bak"));
                    Files.writeString(csv.resolveSibling("rows.csv.txt"), "notes about the rows\n1,2\n");
                    Files.writeString(csv.resolveSibling("rows.csv.1.md5"), "0a1b  rows.csv.1\n");
                    Files.writeString(csv.resolveSibling("rows2.csv"), HEADING + "1020,1,1,1\n");
                    renameAndOpen();
                    append(15);
                    Files.copy(csv, csv.resolveSibling("rows.csv~"));
                },
                () -> {
                    append(15);
                    renameAndOpen();
                    append(1);
                });

        assertOtherRowsCertified();
    }

    @Test
    void follow_columnWithoutTimes_isOneCurveOverAllFiles() throws Exception {
        heading = "temperature\n";
        columns = new Columns(Optional.empty(), List.of("temperature"));
        rotationsPerTick = 3;
        useDirectory(Files.createDirectory(directory.resolve("untimed")));
        Step some = () -> {
            for (int i = 0; i < 17; i++) {
                String row = (rows++ * 7 % 23) + ".5\n";
                written.append(row);
                write(row);
            }
        };
        some.run();
        follow(() -> {
            some.run();
            renameAndOpen();
            some.run();
        });
        follow(some, () -> {
            copyAndTruncate();
            some.run();
        });

        assertAllCertified();
    }

    static List<Arguments> histories() {
        return List.of(
                Arguments.of(HEADING, CsvFormat.USUAL, Windows.byCount(7, 3)),
                Arguments.of(HEADING, CsvFormat.USUAL, Windows.byTime(Duration.ofSeconds(9))),
                Arguments.of(
                        "Logger,1.2\n\"x,\n\n" + HEADING + ",,,\n",
                        format(true, 2, ZoneOffset.UTC),
                        Windows.byCount(5, 0)),
                Arguments.of("", format(false, 0, ZoneOffset.UTC), Windows.byCount(6, 0)),
                Arguments.of(SENSORS, CsvFormat.USUAL, Windows.byCount(3, 0)),
                Arguments.of(SENSORS, CsvFormat.USUAL, Windows.byTime(Duration.ofSeconds(4))),
                Arguments.of(HEADING, NEW_YORK, Windows.byCount(4, 0)),
                Arguments.of(HEADING, NEW_YORK, Windows.byTime(Duration.ofMinutes(15))));
    }

    /**
     * Any interleaving of writing, rotating, looking, stopping and killing. {@code -Dflk.seeds=N} runs N of each; {@code
     * -Dflk.seed=S} runs a failing one again.
     */
    @ParameterizedTest
    @MethodSource("histories")
    void follow_anyInterleaving_certifiesEveryRowOnceInTheSameWindows(String lines, CsvFormat read, Windows divided)
            throws Exception {
        heading = lines;
        format = read;
        windows = divided;
        if (lines.equals(SENSORS)) {
            useSensors();
        }
        Integer only = Integer.getInteger("flk.seed");
        int firstSeed = only == null ? 0 : only;
        for (int seed = firstSeed; seed < firstSeed + (only == null ? Integer.getInteger("flk.seeds", 5) : 1); seed++) {
            useDirectory(Files.createDirectory(directory.resolve("history" + seed)));
            rotationsPerTick = 1 + seed % 3;
            if (read.equals(NEW_YORK)) { // the first row is before the hour that occurs twice
                Instant first = MIDNIGHT.plus(Duration.ofMinutes(seed * 7L % 50));
                times = row -> LocalDateTime.ofInstant(
                                first.plus(Duration.ofMinutes(3L * row)),
                                NEW_YORK.zone().orElseThrow())
                        .toString();
            }
            try {
                boolean mayRepeat = randomHistory(new Random(seed));
                List<String> all = certified;
                List<String> unrepeated = mayRepeat ? all.stream().distinct().toList() : all;
                if (hasShards()) {
                    assertThat(unrepeated).containsExactlyInAnyOrderElementsOf(expected());
                } else {
                    assertThat(unrepeated).isEqualTo(expected());
                }
                assertThat(log.lines("if there were any")).isEmpty();
            } catch (AssertionError | IOException | MalformedCsv | RuntimeException e) {
                throw new AssertionError("seed " + seed, e);
            }
        }
    }

    private boolean randomHistory(Random random) throws IOException {
        append(1 + random.nextInt(9));
        Path position = directory(csv).resolve("sources/positions");
        boolean isAnyLost = false;
        for (int run = 0; run < 4; run++) {
            int[] looks = {random.nextInt(12)};
            int saved = random.nextInt(12);
            boolean isLost = random.nextInt(3) == 0;
            byte[][] older = {null};
            follow(() -> {
                if (looks[0] == saved && Files.exists(position)) {
                    run(() -> older[0] = Files.readAllBytes(position));
                }
                if (looks[0]-- <= 0) {
                    return true;
                }
                steps(random, random.nextInt(4));
                return false;
            });
            if (isLost && older[0] != null) { // as if the process was killed before it stored the next position
                Files.write(position, older[0]);
                isAnyLost = true;
            }
            steps(random, random.nextInt(6));
        }
        flush();
        if (!Files.exists(csv)) { // a search finds no other name
            open(true);
        }
        append(format.equals(NEW_YORK) ? Math.max(1, ROWS_UNTIL_SETTLED - rows) : 1);
        follow();
        return isAnyLost;
    }

    private void steps(Random random, int count) {
        for (int i = 0; i < count; i++) {
            run(() -> step(random));
        }
    }

    private void step(Random random) throws IOException {
        switch (random.nextInt(10)) {
            case 0, 1, 2 -> append(1 + random.nextInt(8));
            case 3 -> appendSplit(1 + random.nextInt(9));
            case 4 -> { // the writer opens the new file at once
                if (!Files.exists(csv)) {
                    return;
                }
                flush();
                rename();
                open(random.nextBoolean());
                append(random.nextInt(3));
            }
            case 5 -> { // the writer opens the new file later
                if (Files.exists(csv) && Files.size(csv) > 0) {
                    flush();
                    rename();
                    if (random.nextBoolean()) {
                        Files.createFile(csv);
                    }
                }
            }
            case 6 -> {
                flush();
                open(random.nextBoolean() && (!Files.exists(csv) || Files.size(csv) == 0));
            }
            case 7 -> {
                if (Files.exists(csv)
                        && Files.readString(csv).replace(heading, "").contains("\n")) {
                    flush();
                    copyAndTruncate();
                }
            }
            case 8 -> {
                if (Files.exists(csv)
                        && Files.readString(csv).replace(heading, "").contains("\n")) {
                    flush();
                    write(List.of(
                                    heading.isEmpty() ? HEADING : heading,
                                    "\0".repeat(1 + random.nextInt(9_000)) + "\n",
                                    "1,\"2\n")
                            .get(random.nextInt(3)));
                }
            }
            default -> append(random.nextInt(2));
        }
    }
}
