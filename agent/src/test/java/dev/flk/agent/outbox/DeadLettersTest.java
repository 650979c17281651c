// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.agent.outbox.DeadLetter.Checksum;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.program.config.InvalidConfig;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DeadLettersTest {
    private static final Instant NOW = Instant.parse("2026-11-20T08:00:00Z");

    @TempDir
    Path directory;

    private Path file;
    private Outbox outbox;

    @BeforeEach
    void open() throws IOException {
        file = directory.resolve("sub").resolve("dlq.jsonl");
        outbox = open("outbox", NOW);
        outbox.append(List.of(utf8("{\"a\":\n1}"), utf8("{\"b\":2}")));
    }

    @AfterEach
    void close() throws IOException {
        outbox.close();
    }

    @Test
    void add_letter_isOneLineOfJson() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "it said \"no\""));
        }

        JsonNode line = new JsonMapper().readTree(Files.readAllLines(file).get(0));
        assertThat(line.path("when").asText()).isEqualTo("2026-11-20T08:00:00Z");
        assertThat(line.path("outbox_seq").asLong()).isEqualTo(1);
        assertThat(line.path("status").asInt()).isEqualTo(400);
        assertThat(line.path("reason").asText()).isEqualTo("it said \"no\"");
        assertThat(line.path("attempts").asInt()).isEqualTo(3);
        assertThat(line.path("certificate").path("a").asInt()).isEqualTo(1);
    }

    @Test
    void open_crashBetweenWriteAndSettling_settlesWithoutADuplicate() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
        }

        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            assertThat(letters.count()).isEqualTo(1);
        }

        assertThat(all(outbox)).extracting(OutboxEntry::sequence).containsExactly(2L);
    }

    @Test
    void open_outboxRecreated_itsEntriesAreNotConfusedWithOldOnes() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
        }

        try (Outbox other = open("other", NOW.plusSeconds(1))) {
            other.append(List.of(utf8("{}")));
            DeadLetters.open(file, other).close();

            assertThat(other.pendingEntries()).isEqualTo(1);
        }
    }

    @Test
    void open_completeLetterWithoutALineFeed_isKept() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
        }
        byte[] complete = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(complete, complete.length - 1));

        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            assertThat(letters.count()).isEqualTo(1);
        }

        assertThat(Files.readAllBytes(file)).isEqualTo(complete);
    }

    @Test
    void open_crashWithinALongLine_truncatesIt() throws Exception {
        Files.createDirectories(file.getParent());
        Files.write(
                file,
                utf8("\n{\"when\":\"2026-11-20T08:00:00Z\",\"outbox_seq\":7,\"reason\":\"" + "x".repeat(200_000)));

        DeadLetters.open(file, outbox).close();

        assertThat(Files.readAllBytes(file)).isEqualTo(utf8("\n"));
    }

    @Test
    void add_fileTruncatedByAnOperator_continuesWithoutAHole() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "first"));
            Files.write(file, new byte[0]);
            letters.add(letter(1, "second"));
        }

        assertThat(Files.readAllLines(file))
                .singleElement()
                .asString()
                .startsWith("{")
                .contains("second");
    }

    @Test
    void countInFile_editedByHand_countsTheFile() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            giveUp(letters, letter(0, "no"), letter(0, "no"));
            List<String> lines = Files.readAllLines(file);
            Files.writeString(file, lines.get(1) + "\n");
            assertThat(letters.countInFile()).isEqualTo(1);

            Files.move(file, file.resolveSibling("dlq.jsonl.1"));
            assertThat(letters.countInFile()).isZero();
        }
    }

    @Test
    void requeue_crashBeforeTheFileIsRewritten_sendsOnce() throws Exception {
        byte[] before;
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            giveUp(letters, letter(0, "no"), letter(1, "no"));
            before = Files.readAllBytes(file);
            assertThat(letters.requeue(any -> true)).isEqualTo(2);
        }
        Files.write(file, before); // as if the process had crashed before it replaced the file
        outbox.close();

        outbox = open("outbox", NOW);
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            assertThat(letters.count()).isZero();
            assertThat(letters.requeue(any -> true)).isZero();
        }
        assertThat(outbox.pendingEntries()).isEqualTo(2);
    }

    @Test
    void requeue_certificateLongerThanTheHeapAllows_staysAndIsNamed() throws Exception {
        outbox.append(List.of(utf8("{\"" + "x".repeat(CertificateLimit.BYTES) + "\":0}")));
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            giveUp(letters, letter(2, "too long"));
            giveUp(letters, letter(0, "no"));

            assertThatIOException()
                    .isThrownBy(() -> letters.requeue(any -> true))
                    .withMessageStartingWith("1 dead letter requeued, but the certificate of the dead letter 3 has "
                            + (CertificateLimit.BYTES + 6) + " bytes");
        }
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            assertThat(letters.count()).isEqualTo(1);
            assertThat(letters.purge(letter -> letter.sequence() == 3)).isEqualTo(1);
        }
        assertThat(outbox.pendingEntries()).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"}", "\"certificate\""})
    void open_longLetterIsDamaged_isNotALetter(String lost) throws Exception {
        outbox.append(List.of(utf8("{\"a\":\"" + "x".repeat(100_000) + "\"}")));
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
            letters.add(letter(2, "long"));
        }
        String all = Files.readString(file);
        int at = all.lastIndexOf(lost);
        Files.writeString(file, all.substring(0, at) + "00" + all.substring(at + 2));

        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            assertThat(letters.count()).isEqualTo(1);
        }
    }

    @Test
    void requeue_failedAgain_isANewLetter() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            giveUp(letters, letter(0, "no"));
            assertThat(letters.requeue(any -> true)).isEqualTo(1);
            giveUp(letters, letter(1, "no again"));
        }
        outbox.close();

        outbox = open("outbox", NOW);
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            assertThat(letters.count()).isEqualTo(1);
            assertThat(outbox.pendingEntries()).isEqualTo(1);
            assertThat(letters.requeue(any -> true)).isEqualTo(1);
        }
    }

    @Test
    void add_fileMovedByLogrotate_continuesInANewFile() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "first"));
            Files.move(file, file.resolveSibling("dlq.jsonl.1"));
            letters.add(letter(1, "second"));
            assertThat(letters.count()).isEqualTo(1);
        }

        assertThat(Files.readAllLines(file)).singleElement().asString().contains("second");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "PCS_HMAC_KEY=secret",
                "a line\nPCS_HMAC_KEY=secret",
                "{\"log\": {\"level\":",
                "x",
                "hello\n",
                "\n{}\n",
                "{\"when\":\"2026\",\"event\":1}\n",
                "{\"when\":\"2026-11-01T09:00\",\"event\":\"dinner\",\"who\":\"Ann\"}",
                "{\"when\":\"my own remark",
                "\0\0\0\0\0\0\0\0\0\0\1\2"
            })
    void open_fileOfAnotherKind_isAConfigurationErrorAndLeftAlone(String text) throws Exception {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);

        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(() -> DeadLetters.open(file, outbox))
                .withMessage("DLQ_PATH: the first line of " + file
                        + " is not a dead letter; name another file, or move this one away");

        assertThat(Files.readString(file)).isEqualTo(text);
    }

    /** In UTF-8, ą ends with the byte 0x85, which is a line end in ISO 8859-1. */
    @Test
    void open_tornLineBeyondAscii_isRemoved() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
        }
        byte[] complete = Files.readAllBytes(file);
        Files.writeString(
                file,
                "{\"when\":\"2026-11-27T14:00:00Z\",\"outbox_seq\":7,\"pcs_id\":\"Elbląg",
                StandardOpenOption.APPEND);

        DeadLetters.open(file, outbox).close();

        assertThat(Files.readAllBytes(file)).isEqualTo(complete);
    }

    @Test
    void open_lastLineOfAnotherKind_isAConfigurationErrorAndLeftAlone() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
        }
        Files.writeString(file, "PCS_HMAC_KEY=secret", StandardOpenOption.APPEND);
        byte[] before = Files.readAllBytes(file);

        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(() -> DeadLetters.open(file, outbox))
                .withMessageStartingWith("DLQ_PATH: the last line of " + file + " is not a dead letter;");

        assertThat(Files.readAllBytes(file)).isEqualTo(before);
    }

    @Test
    void open_lineTooLongForALetter_isAConfigurationErrorAndLeftAlone() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
        }
        long begin = Files.size(file);
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(8L << 30);
        }

        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(() -> DeadLetters.open(file, outbox))
                .withMessage("DLQ_PATH: the line at byte " + begin + " of " + file
                        + " is not a dead letter; name another file, or move this one away");

        assertThat(file).hasSize(8L << 30);
    }

    @ParameterizedTest
    @ValueSource(strings = {"{", "{\"when\":\"20", "\0\0\0", "{\"when\":\"2026\0\0"})
    void open_crashWithinTheFirstLine_truncatesIt(String text) throws Exception {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
        assertThat(DeadLetterFile.count(file)).isZero();

        DeadLetters.open(file, outbox).close();

        assertThat(file).isEmptyFile();
    }

    @Test
    void open_manyZerosOrALineTooLongForALetter_isAConfigurationErrorAndLeftAlone() throws Exception {
        Files.createDirectories(file.getParent());
        for (long length : new long[] {1_000_000, 20L << 20}) {
            try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
                sparse.setLength(length);
            }
            assertThatExceptionOfType(InvalidConfig.class).isThrownBy(() -> DeadLetters.open(file, outbox));
            assertThat(file).hasSize(length);
        }
    }

    @Test
    void purge_pathIsALink_rewritesItsFile() throws Exception {
        Path elsewhere = Files.createDirectories(file.resolveSibling("elsewhere"));
        Path real = Files.createFile(elsewhere.resolve("real.jsonl"));
        Files.createSymbolicLink(file, real);
        Files.createDirectory(file.resolveSibling("real.jsonl.next")); // a copy next to the link would fail
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
            letters.purge(any -> true);
        }
        assertThat(file).isSymbolicLink();
        assertThat(real).isEmptyFile();
    }

    @Test
    void open_firstLineDamagedByACrash_isKept() throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
        }
        byte[] damaged = Files.readAllBytes(file);
        Arrays.fill(damaged, 0, 100, (byte) 0);
        Files.write(file, damaged);

        DeadLetters.open(file, outbox).close();

        assertThat(Files.readAllBytes(file)).isEqualTo(damaged);
    }

    @ParameterizedTest
    @ValueSource(strings = {"moved", "overwritten"})
    void change_fileReplacedByAnotherKind_failsAndLeavesItAlone(String how) throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
            if (how.equals("moved")) {
                Files.move(file, file.resolveSibling("dlq.jsonl.1"));
            }
            Files.writeString(file, "hello\n");

            assertThatIOException().isThrownBy(() -> letters.add(letter(1, "no")));
            assertThatIOException()
                    .isThrownBy(() -> letters.purge(any -> true))
                    .withMessage("the first line of " + file
                            + " is not a dead letter; name another file, or move this one away");
        }

        assertThat(file).hasContent("hello\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ".next"})
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void change_fileOrItsReplacementIsAFifo_failsAndLeavesItAlone(String suffix) throws Exception {
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(letter(0, "no"));
            Path fifo = file.resolveSibling(file.getFileName() + suffix);
            Files.deleteIfExists(fifo);
            assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                    .isZero();

            assertThatIOException()
                    .isThrownBy(() -> {
                        letters.add(letter(1, "no"));
                        letters.purge(letter -> true);
                    })
                    .withMessage(fifo + " is a FIFO, not a regular file; move it away");

            assertThat(Files.readAttributes(fifo, BasicFileAttributes.class).isOther())
                    .isTrue();
        }
    }

    @Test
    void open_letterWithAHugeNumber_isRead() throws Exception {
        OutboxEntry entry = all(outbox).get(0);
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            letters.add(DeadLetter.of(NOW, entry, "", 400, "no", 1, utf8("{\"n\":1" + "0".repeat(100_000) + "}")));
        }

        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            assertThat(letters.count()).isEqualTo(1);
        }
    }

    @Test
    void anyFlippedBit_lineIsNotAnIntactLetterAndStays() throws Exception {
        byte[] line = letter(0, "no").line();
        for (int bit = 0; bit < 8 * line.length; bit++) {
            byte[] damaged = line.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(DeadLetterFile.letterIn(damaged).filter(letter -> !letter.isDamaged()))
                    .as("bit %s of %s", bit, new String(damaged, StandardCharsets.UTF_8))
                    .isEmpty();
        }
    }

    @Test
    void longLine_isCheckedWithoutParsingItsCertificate() throws Exception {
        byte[] certificate = utf8("{\"a\":\"" + "x".repeat(100_000) + "\"}");
        DeadLetter letter = DeadLetter.of(NOW, all(outbox).get(0), "", 400, "no", 1, certificate);
        byte[] line = letter.line();

        DeadLetter read = DeadLetter.decode(line);

        assertThat(read.certificate()).isEqualTo(certificate);
        assertThat(read.checksum()).isEqualTo(Checksum.MATCHES);
        for (int bit = 0; bit < 8 * line.length; bit += bit < 8 * (line.length - 100) ? 1_009 : 1) {
            byte[] damaged = line.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(DeadLetterFile.letterIn(damaged).filter(each -> !each.isDamaged()))
                    .as("bit %s", bit)
                    .isEmpty();
        }
    }

    /** The damaged line has the name of a dead letter that is requeued, and belongs to a certificate that waits. */
    @Test
    void damagedLine_settlesNothingAndSurvivesTheRequeueOfItsName() throws Exception {
        String first = new String(letter(0, "no").line(), StandardCharsets.UTF_8);
        String damaged = new String(letter(1, "no").line(), StandardCharsets.UTF_8)
                .replace("\"outbox_seq\":2", "\"outbox_seq\":1");
        Files.createDirectories(file.getParent());
        Files.writeString(file, damaged + "\n");
        try (DeadLetters letters = DeadLetters.open(file, outbox)) {
            assertThat(outbox.pendingEntries()).isEqualTo(2);
            Files.writeString(file, damaged + "\n" + first + "\n");

            assertThat(letters.requeue(any -> true)).isEqualTo(1);
            assertThat(letters.purge(any -> true)).isZero();
        }
        assertThat(file).hasContent(damaged);
    }

    /** Version 0.1 reads the members by name, so it also reads lines with a checksum. */
    @Test
    void decode_lineOfVersion01_isReadWithoutAChecksum() throws Exception {
        DeadLetter letter = DeadLetter.decode(utf8("{\"when\":\"2026-11-20T08:00:00Z\",\"outbox_seq\":7,"
                + "\"added\":1795161600000,\"pcs_id\":\"\",\"reason\":\"no\",\"attempts\":1,\"certificate\":{}}"));

        assertThat(letter.checksum()).isEqualTo(Checksum.MISSING);
        assertThat(letter.sequence()).isEqualTo(7);
    }

    private void giveUp(DeadLetters letters, DeadLetter... dead) throws IOException {
        for (DeadLetter letter : dead) {
            letters.add(letter);
            outbox.settleIfPending(letter.name());
        }
    }

    private static List<OutboxEntry> all(Outbox outbox) {
        return outbox.pendingAfter(0, Integer.MAX_VALUE);
    }

    private DeadLetter letter(int index, String reason) throws IOException {
        OutboxEntry entry = all(outbox).get(index);
        return DeadLetter.of(
                NOW,
                entry,
                "0".repeat(64),
                400,
                reason,
                3,
                outbox.bodies(List.of(entry)).get(entry.sequence()));
    }

    private Outbox open(String name, Instant now) throws IOException {
        return Outbox.open(new OutboxOptions(directory.resolve(name), 64 << 20, 0), InstantSource.fixed(now));
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
