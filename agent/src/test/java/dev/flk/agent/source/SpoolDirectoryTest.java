// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.outbox.SettledAs;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.outbox.certificate.CertificateSink;
import dev.flk.agent.testing.TestSink;
import dev.flk.program.logging.LineLimit;
import dev.flk.program.logging.LogCapture;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;

class SpoolDirectoryTest {
    private static final String GOOD =
            "{\"pcs_id\":\"p\",\"shard_id\":\"s\",\"epoch\":1,\"merkle_root\":\"m\",\"D_hat\":1,"
                    + "\"coh_star\":1,\"r\":1,\"budget\":1}";

    @TempDir
    Path temporary;

    private Path spool;
    private Outbox outbox;

    @BeforeEach
    void open() throws IOException {
        spool = Files.createDirectory(temporary.resolve("spool"));
        outbox = outbox(64 << 20);
    }

    @AfterEach
    void close() throws IOException {
        outbox.close();
    }

    @Test
    void step_certificateOnSeveralLines_isAddedAndRemoved() throws Exception {
        write("a.json", GOOD.replace(",", ",\n"));

        step();

        assertThat(outbox.pendingEntries()).isEqualTo(1);
        assertThat(files()).isEmpty();
    }

    @Test
    void step_brokenLines_areSetAsideWithTheReason_othersAreAdded() throws Exception {
        write("a.ndjson", GOOD + "\nnonsense\n" + GOOD + "\n" + GOOD.replace("\"epoch\":1", "\"epoch\":\"1\"") + "\n");

        step();

        assertThat(outbox.pendingEntries()).isEqualTo(2);
        assertThat(files()).containsExactly("a.ndjson.error");
        List<String> errors = Files.readAllLines(spool.resolve("a.ndjson.error"));
        assertThat(errors).hasSize(2);
        assertThat(errors.get(0)).startsWith("line 2: ").endsWith("\tnonsense");
        assertThat(errors.get(1)).startsWith("line 4: ").contains("epoch");
    }

    /** Checks that the memory for refused lines is bounded, although each needs more memory than its text. */
    @Test
    void step_manyShortBadLines_areSetAsideInPortions() throws Exception {
        write("a.ndjson", "x\n".repeat(60_000));
        Path errors = spool.resolve("a.ndjson.error");
        SpoolDirectory directory = directory();

        long before = 0;
        for (boolean more = true; more; ) {
            more = directory.step();
            long now = Files.size(errors);
            assertThat(now - before).isLessThan((1 << 20) + 1_000);
            before = now;
        }

        assertThat(before).isGreaterThan(2 << 20);
        assertThat(Files.readAllLines(errors)).hasSize(60_000);
        assertThat(files()).containsExactly("a.ndjson.error");
    }

    @Test
    void step_otherFiles_areLeftAlone() throws Exception {
        write("a.json.tmp", GOOD);
        write("b.txt", GOOD);
        write(".d.json", GOOD);
        Files.createDirectory(spool.resolve("c.json"));

        step();

        assertThat(outbox.pendingEntries()).isZero();
        assertThat(files()).containsExactly(".d.json", "a.json.tmp", "b.txt", "c.json");
    }

    /**
     * Checks that links are not followed. Otherwise, any user who can write to the spool directory could read the
     * agent's files through the text of refused lines.
     */
    @Test
    void step_linkToAFileElsewhere_isNeitherReadNorShown() throws Exception {
        Path secret = Files.writeString(temporary.resolve("agent.properties"), "PCS_HMAC_KEY=secret\n");
        Files.createSymbolicLink(spool.resolve("a.ndjson"), secret);
        Path elsewhere = Files.writeString(temporary.resolve("b.json"), GOOD);
        Files.createSymbolicLink(spool.resolve("b.json"), elsewhere);
        write("c.json", GOOD);

        try (LogCapture log = new LogCapture()) {
            step();

            assertThat(log.lines("the file is a link")).hasSize(2);
        }

        assertThat(outbox.pendingEntries()).isEqualTo(1);
        assertThat(files()).containsExactly("a.ndjson", "b.json");
    }

    @Test
    void step_linkInThePlaceOfRefusals_isNotFollowed() throws Exception {
        Path elsewhere = Files.writeString(temporary.resolve("dlq.jsonl"), "whole\n");
        Files.createSymbolicLink(spool.resolve("a.ndjson.error"), elsewhere);
        write("a.ndjson", "nonsense\n");

        step();

        assertThat(elsewhere).hasContent("whole\n");
        assertThat(files()).containsExactly("a.ndjson", "a.ndjson.error");
    }

    /** Checks that a FIFO is not opened, because that would block until another process opens its other end. */
    @Test
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void step_fifo_isNamedOnceAndNotOpened_othersAreAdded() throws Exception {
        fifo("a.ndjson.error");
        fifo("b.ndjson");
        fifo(".taken-c.json");
        write("a.ndjson", GOOD + "\nnonsense\n");
        write("d.ndjson", GOOD + "\n");
        try (LogCapture log = new LogCapture()) {
            SpoolDirectory directory = directory();
            directory.step();
            directory.step();

            assertThat(log.lines("a.ndjson.error is a FIFO, not a regular file; "))
                    .hasSize(1);
            assertThat(log.lines("b.ndjson is a FIFO, not a regular file; ")).hasSize(1);
        }
        assertThat(outbox.pendingEntries()).isEqualTo(2);
        assertThat(files()).contains("a.ndjson", "a.ndjson.error", "b.ndjson").doesNotContain("d.ndjson");
    }

    /**
     * Checks that the lock file is not opened under another name. Closing it would release the lock and let a second
     * agent write to the outbox.
     */
    @Test
    void step_hardLinkToTheLockOfTheOutbox_isNotOpened() throws Exception {
        Files.createLink(spool.resolve("a.ndjson"), outbox.directory().resolve("lock"));
        write("b.json", GOOD);
        try (LogCapture log = new LogCapture()) {
            step();

            assertThat(log.lines("the file is a hard link to the lock of the outbox; remove the link"))
                    .hasSize(1);
        }
        assertThat(outbox.pendingEntries()).isEqualTo(1);
        assertThat(files()).containsExactly("a.ndjson");
    }

    private void fifo(String name) throws Exception {
        Process mkfifo = new ProcessBuilder("mkfifo", spool.resolve(name).toString()).start();
        assertThat(mkfifo.waitFor()).isZero();
    }

    @Test
    void step_anEarlierFileWasRejected_keepsBoth() throws Exception {
        String tooLong = " ".repeat(CertificateLimit.BYTES) + GOOD;
        for (String first : List.of("first", "second", "third")) {
            write("a.ndjson", tooLong + "\n" + GOOD.replace("\"p\"", "\"" + first + "\"") + "\n");
            step();
        }

        assertThat(files())
                .containsExactly("a.ndjson.error", "a.ndjson.rejected", "a.ndjson.rejected.2", "a.ndjson.rejected.3");
        assertThat(spool.resolve("a.ndjson.rejected")).content().contains("first");
        assertThat(spool.resolve("a.ndjson.rejected.2")).content().contains("second");
        assertThat(spool.resolve("a.ndjson.rejected.3")).content().contains("third");
    }

    @Test
    void step_certificateLargerThanTheOutbox_isSetAside() throws Exception {
        outbox.close();
        outbox = outbox(10);
        write("a.ndjson", GOOD + "\n");

        step();

        assertThat(files()).containsExactly("a.ndjson.error", "a.ndjson.rejected");
    }

    @Test
    void step_fileLargerThanTheOutbox_isAddedOnceAndCompletely() throws Exception {
        outbox.close();
        outbox = outbox(14_000);
        write("a.ndjson", (GOOD + "\n").repeat(40));
        SpoolDirectory directory = directory();
        int taken = 0;

        for (int i = 0; i < 100 && !files().isEmpty(); i++) {
            directory.step();
            taken += outbox.pendingEntries();
            outbox.settle(SettledAs.ACCEPTED, outbox.pendingAfter(0, Integer.MAX_VALUE));
        }

        assertThat(files()).isEmpty();
        assertThat(taken).isEqualTo(40);
    }

    @Test
    void step_refusalsCannotBeWritten_keepsTheFileAndAddsNothingTwice() throws Exception {
        Path errors = Files.createDirectory(spool.resolve("a.ndjson.error"));
        write("a.ndjson", GOOD + "\nnonsense\n");
        SpoolDirectory directory = directory();
        directory.step();
        directory.step();
        assertThat(files()).contains("a.ndjson");

        Files.delete(errors);
        directory.step();

        assertThat(outbox.pendingEntries()).isEqualTo(1);
        assertThat(files()).containsExactly("a.ndjson.error");
        assertThat(Files.readAllLines(errors)).hasSize(1);
    }

    @Test
    void step_fileStillBeingWritten_waitsUntilItIsComplete() throws Exception {
        write("a.json", GOOD.substring(0, 50));
        write("b.ndjson", GOOD + "\n" + GOOD.substring(0, 50));
        SpoolDirectory directory = directory();
        directory.step();
        assertThat(files()).containsExactly("a.json", "b.ndjson");

        Files.writeString(spool.resolve("a.json"), GOOD.substring(50), StandardOpenOption.APPEND);
        Files.writeString(spool.resolve("b.ndjson"), GOOD.substring(50), StandardOpenOption.APPEND);
        directory.step();

        assertThat(files()).isEmpty();
        assertThat(outbox.pendingEntries()).isEqualTo(3);
    }

    @Test
    void step_incompleteEndOfAnOldFile_isSetAside() throws Exception {
        write("a.json", GOOD.substring(0, 50));
        Files.setLastModifiedTime(
                spool.resolve("a.json"), FileTime.from(Instant.now().minusSeconds(60)));

        step();

        assertThat(files()).containsExactly("a.json.error");
    }

    @Test
    void step_fileReplacedDuringIntake_bothAreAdded() throws Exception {
        write("a.json", GOOD);
        Path aside = Files.writeString(temporary.resolve("aside"), GOOD.replace("\"p\"", "\"q\""));
        CertificateSink replacing = new TestSink(certificates -> {
            outbox.append(certificates);
            if (Files.exists(aside)) {
                Files.move(aside, spool.resolve("a.json"), StandardCopyOption.REPLACE_EXISTING);
            }
        });
        SpoolDirectory directory =
                new SpoolDirectory(spool, new Intake(replacing), InstantSource.system(), LineLimit.ofOutages(() -> 0));

        for (int i = 0; i < 3; i++) {
            var unused = directory.step();
        }

        assertThat(bodies()).containsExactly(GOOD, GOOD.replace("\"p\"", "\"q\""));
        assertThat(files()).isEmpty();
    }

    @Test
    void step_fileRewrittenInPlaceAfterAPortion_isReadFromTheBeginning() throws Exception {
        write("a.ndjson", GOOD + "\n{\"pcs_id\"");
        SpoolDirectory directory = directory();
        var unused = directory.step(); // the last line may still be incomplete
        assertThat(outbox.pendingEntries()).isEqualTo(1);

        String other = GOOD.replace("\"p\"", "\"q\"");
        write("a.ndjson", other + "\n" + other + "\n" + other + "\n");
        while (directory.step()) {
            // reads the file to its end
        }

        assertThat(bodies()).containsExactly(GOOD, other, other, other);
        assertThat(files()).isEmpty();
    }

    @Test
    void step_claimedFileWithALongName_isAdded() throws Exception {
        write(".taken-" + "x".repeat(214) + ".ndjson", GOOD + "\n");
        write(".taken-" + "\ud83d\ude00".repeat(60) + ".json", GOOD);
        write("b.json", GOOD);
        SpoolDirectory directory = directory();

        directory.step();
        directory.step();

        assertThat(outbox.pendingEntries()).isEqualTo(3);
        assertThat(files()).isEmpty();
    }

    @Test
    void step_namesOutsideTheLocale_areReportedOnceAndLeftAlone() throws Exception {
        assumeTrue("UTF-8".equals(System.getProperty("sun.jnu.encoding")), "this locale can express the names");
        write("a.ndjson", GOOD + "\n");
        write("b-gr\u00f6\u00dfe.ndjson", GOOD + "\n");
        write(".taken-gr\u00f6\u00dfe.json", GOOD);
        write("z.json", GOOD);

        List<String> lines = stepInTheCLocale();

        assertThat(lines).filteredOn(line -> line.contains("appended")).hasSize(2);
        assertThat(lines)
                .filteredOn(line -> line.matches(".*/b-gr.+e\\.ndjson: the file.s name has .*"))
                .hasSize(1);
        assertThat(lines)
                .filteredOn(line -> line.matches(".*/\\.taken-gr.+e\\.json: the file.s name has .*"))
                .hasSize(1);
        assertThat(lines).as("nothing else").hasSize(6);
        assertThat(files()).containsExactly(".taken-gr\u00f6\u00dfe.json", "b-gr\u00f6\u00dfe.ndjson");
    }

    private List<String> bodies() throws IOException {
        return outbox.bodies(outbox.pendingAfter(-1, 100)).entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .map(entry -> new String(entry.getValue(), StandardCharsets.UTF_8))
                .toList();
    }

    @Test
    @Timeout(60)
    void step_sparseFile_isAbandonedAtItsEndlessLine_othersAreAdded() throws Exception {
        write("a.ndjson", GOOD + "\n");
        try (RandomAccessFile sparse =
                new RandomAccessFile(spool.resolve("a.ndjson").toFile(), "rw")) {
            sparse.setLength(1L << 40);
        }
        write("b.ndjson", GOOD + "\n");
        try (LogCapture log = new LogCapture()) {
            SpoolDirectory directory = directory();
            while (directory.step()) {
                // one portion after the other
            }

            assertThat(outbox.pendingEntries()).isEqualTo(2);
            assertThat(files()).containsExactly("a.ndjson.error", "a.ndjson.rejected");
            assertThat(log.lines(
                            "ERROR line 2 of a.ndjson is longer than 8388608 bytes: the rest of the file is not read"))
                    .hasSize(1);
        }
    }

    /** Checks that a long file, perhaps an endless one, does not delay other files. */
    @Test
    void step_fileOfManyPortions_doesNotDelayOthers() throws Exception {
        write("a.ndjson", (GOOD + "\n").repeat(300_000));
        write("b.ndjson", "\n".repeat(17 << 20));
        write("c.json", GOOD);
        SpoolDirectory directory = directory();

        assertThat(directory.step()).isTrue();

        assertThat(files()).contains("a.ndjson", "b.ndjson").doesNotContain("c.json");
    }

    @Test
    void step_roundOfSeveralSteps_rememberedThatAFileHasMore() throws Exception {
        write("a.ndjson", "\n".repeat(2 << 20) + GOOD);
        for (int i = 0; i < 20; i++) {
            write("b" + i + ".json", GOOD);
        }
        SpoolDirectory directory = directory();

        for (int steps = 0; directory.step(); steps++) {
            assertThat(steps).isLessThan(20);
        }

        assertThat(files()).isEmpty();
        assertThat(outbox.pendingEntries()).isEqualTo(21);
    }

    @Test
    void step_fileThatCannotBeRemoved_isRenamedBackAndNotAddedAgain() throws Exception {
        String tooLong = " ".repeat(CertificateLimit.BYTES) + GOOD;
        String name = "a".repeat(240) + ".ndjson"; // with ".rejected", the name would be too long
        write(name, GOOD + "\n" + tooLong + "\n");
        SpoolDirectory directory =
                new SpoolDirectory(spool, new Intake(outbox), InstantSource.system(), LineLimit.ofOutages(() -> 0));

        for (int i = 0; i < 20; i++) {
            var unused = directory.step();
        }

        assertThat(files()).containsExactly(name, name + ".error");
        assertThat(outbox.pendingEntries()).isEqualTo(1);
    }

    @Test
    void step_manyBadFilesAndLines_areLoggedSparingly() throws Exception {
        write("a.ndjson", "nonsense\n".repeat(5_000));
        for (int i = 0; i < 50; i++) {
            write("bad\n" + i + ".ndjson", "nonsense\n");
            write("stuck" + i + ".ndjson", "nonsense\n");
            Files.createDirectory(spool.resolve("stuck" + i + ".ndjson.error"));
        }
        try (LogCapture log = new LogCapture()) {
            SpoolDirectory directory = directory();
            while (directory.step()) {
                // one portion after the other
            }

            assertThat(log.lines("WARN certificates of ")).hasSize(5);
            assertThat(log.lines("ERROR spool: cannot read or remove ")).hasSize(5);
            assertThat(log.lines("INFO added 0 certificates from ")).hasSize(51);
            assertThat(log.lines("\n")).isEmpty();
        }
        assertThat(Files.readAllLines(spool.resolve("a.ndjson.error"))).hasSize(5_000);
    }

    /** Returns the output of {@link InTheCLocale}. */
    private List<String> stepInTheCLocale() throws Exception {
        Path out = temporary.resolve("out");
        ProcessBuilder command = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        InTheCLocale.class.getName(),
                        spool.toString())
                .redirectErrorStream(true)
                .redirectOutput(out.toFile());
        command.environment().put("LC_ALL", "C");
        Process process = command.start();
        try {
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        List<String> lines = Files.readAllLines(out, StandardCharsets.ISO_8859_1);
        assertThat(process.exitValue()).as(String.join("\n", lines)).isZero();
        return lines;
    }

    /** A process that takes three steps and prints what it appends and logs. */
    static final class InTheCLocale {
        private InTheCLocale() {}

        public static void main(String[] args) {
            CertificateSink printing =
                    new TestSink(certificates -> certificates.forEach(any -> System.out.println("appended")));
            SpoolDirectory directory = new SpoolDirectory(
                    Path.of(args[0]), new Intake(printing), InstantSource.system(), LineLimit.ofOutages(() -> 0));
            try (LogCapture log = new LogCapture()) {
                for (int i = 0; i < 3; i++) {
                    var unused = directory.step();
                }
                log.lines("").forEach(System.out::println);
            }
        }
    }

    private boolean step() {
        return directory().step();
    }

    private SpoolDirectory directory() {
        return new SpoolDirectory(spool, new Intake(outbox), InstantSource.system(), LineLimit.ofOutages(() -> 0));
    }

    private Outbox outbox(long maxBytes) throws IOException {
        return Outbox.open(new OutboxOptions(temporary.resolve("outbox"), maxBytes, 0), InstantSource.system());
    }

    private void write(String name, String text) throws IOException {
        Files.write(spool.resolve(name), text.getBytes(StandardCharsets.UTF_8));
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(spool)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
