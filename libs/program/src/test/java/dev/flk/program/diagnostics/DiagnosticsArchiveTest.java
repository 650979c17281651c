// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DiagnosticsArchiveTest {
    private static final Instant NOW = Instant.parse("2026-11-20T08:30:00Z");
    private static final String SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    private static final String SEED_HEX = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    private static final String QUOTED = "pa\"ss\\w\u00f6rt";
    private static final Scrubber SCRUBBER = new Scrubber(List.of("key", "key-2", SEED, QUOTED, "", " "));

    @TempDir
    Path directory;

    @Test
    void entries_areReadableByTheJdkWithoutSecrets() throws Exception {
        Path file = directory.resolve("a.zip");
        String summary = DiagnosticsArchive.write(file, NOW, SCRUBBER, archive -> {
            archive.add("plain.txt", () -> "key key-2 " + SEED + " " + SEED_HEX + " " + QUOTED);
            archive.add(
                    "forms.txt",
                    () -> "pa\\\"ss\\\\w\u00f6rt pa%22ss%5Cw%C3%B6rt " + "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
            archive.add("bad.txt", () -> {
                throw new IOException("the disk says key");
            });
            archive.add("block.txt", () -> "x".repeat(512));
            archive.addMachine("build-1", List.of(directory, directory.resolve("missing")));
        });

        assertThat(summary).startsWith(file + ", ").contains("         512  block.txt\n", "     missing  bad.txt\n");
        assertThat(entries(file).keySet())
                .containsExactly("plain.txt", "forms.txt", "bad.txt", "block.txt", "versions.txt", "disks.txt");
        assertThat(content(file, "plain.txt")).isEqualTo("*** *** *** *** ***");
        assertThat(content(file, "forms.txt")).isEqualTo("*** *** ***");
        assertThat(content(file, "bad.txt"))
                .isEqualTo("could not be obtained: java.io.IOException: the disk says ***\n");
        assertThat(content(file, "versions.txt"))
                .contains("build            build-1\n", "java.version", "Max open files");
        assertThat(content(file, "disks.txt"))
                .contains(directory.toString(), "missing  " + directory.resolve("missing"));
    }

    @Test
    void addArchive_entries_areBelowItsNameWithoutSecrets() throws Exception {
        Path other = directory.resolve("agent.zip");
        DiagnosticsArchive.write(other, NOW, new Scrubber(List.of()), archive -> archive.add("logs/a", () -> "a key"));
        Path file = directory.resolve("a.zip");

        DiagnosticsArchive.write(file, NOW, SCRUBBER, archive -> {
            archive.add("config.txt", () -> "");
            archive.addArchive(other);
        });

        assertThat(entries(file).keySet()).containsExactly("config.txt", "agent/logs/a");
        assertThat(content(file, "agent/logs/a")).isEqualTo("a ***");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "a b/\u00df\ud83d\ude00",
                "a+b/\u00df\ud83d\ude00",
                "a%20b%2F%C3%9F%F0%9F%98%80",
                "a%20b/%c3%9f%f0%9f%98%80",
                "a b\\/\\u00df\\ud83d\\ude00",
                "\\u0061 b\\u002F\\u00DF\\uD83D\\uDE00",
                "a%20b\\/\u00df\\ud83d\\ude00"
            })
    void secret_anyEscaping_isRemoved(String spelling) throws Exception {
        Path file = directory.resolve("a.zip");
        Scrubber scrubber = new Scrubber(List.of("a b/\u00df\ud83d\ude00"));

        DiagnosticsArchive.write(file, NOW, scrubber, archive -> archive.add("a.txt", () -> "<" + spelling + ">"));

        assertThat(content(file, "a.txt")).isEqualTo("<***>");
    }

    @Test
    void longSecret_isRemovedInEveryForm() {
        byte[] key = new byte[8_192];
        new Random(1).nextBytes(key);
        String secret = Base64.getEncoder().encodeToString(key);
        Scrubber scrubber = new Scrubber(List.of(secret));
        for (String form : List.of(secret, HexFormat.of().formatHex(key), secret.replace("+", "%2B"))) {
            byte[] scrubbed = scrubber.scrubbed(("a " + form + " z").getBytes(StandardCharsets.US_ASCII));

            assertThat(new String(scrubbed, StandardCharsets.US_ASCII)).isEqualTo("a *** z");
        }
    }

    @Test
    void file_isPrivateAndNeverOverwritten() throws IOException {
        Path file = directory.resolve("a.zip");
        DiagnosticsArchive.write(file, NOW, SCRUBBER, archive -> {});
        byte[] before = Files.readAllBytes(file);

        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> DiagnosticsArchive.write(file, NOW, SCRUBBER, archive -> archive.add("a", () -> "a")))
                .withMessage(file + " exists already and was left unchanged; name another file with --output");
        assertThat(file).hasBinaryContent(before);
    }

    @Test
    void archiveWriteFails_leavesNoPartialFile() {
        Path file = directory.resolve("a.zip");

        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> DiagnosticsArchive.write(file, NOW, SCRUBBER, archive -> {
                    archive.add("a", () -> "a");
                    throw new IOException("disk full");
                }))
                .withMessage("disk full");
        assertThat(file).doesNotExist();
        assertThatExceptionOfType(OutOfMemoryError.class)
                .isThrownBy(() -> DiagnosticsArchive.write(file, NOW, SCRUBBER, archive -> {
                    throw new OutOfMemoryError("a test");
                }));
        assertThat(file).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a log line\n"})
    void addArchive_ofAnotherFile_isRefused(String content) throws IOException {
        Path other = Files.writeString(directory.resolve("agent.log"), content);

        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> DiagnosticsArchive.write(
                        directory.resolve("a.zip"), NOW, SCRUBBER, archive -> archive.addArchive(other)))
                .withMessage(other + " is not an archive of diagnostics; add a log file with --log");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ' ',
            value = {
                "redis://:p@ss@h:6379 redis://:***@h:6379",
                "rediss://ann:p%40ss@h rediss://ann:***@h",
                "redis-sentinel://pw@h1,h2#primary redis-sentinel://***@h1,h2#primary",
                "redis://h:6379 redis://h:6379",
                "postgresql://ann:p%3Aw@h:5432/d?sslmode=require postgresql://ann:***@h:5432/d?sslmode=require",
                "jdbc:postgresql://h/d?user=ann&password=pw&sslpassword=qw jdbc:postgresql://h/d?user=ann&password=***&sslpassword=***",
                "postgresql://ann@h/d postgresql://ann@h/d",
                "redis://:p?w@h redis://:***@h"
            })
    void passwordsOfAddresses_areRedacted(String uri, String redacted) {
        assertThat(UriSecrets.redacted(uri)).isEqualTo(redacted);
    }

    @Test
    void passwordsOfAddresses_areFoundDecoded() {
        assertThat(UriSecrets.of("rediss://ann:p%40ss@h")).containsExactly("p%40ss", "p@ss");
    }

    @Test
    void archiveName_containsTheTime() {
        assertThat(DiagnosticsArchive.nameFor("flk-agent", NOW))
                .hasToString("flk-agent-diagnostics-20261120-083000.zip");
    }

    @Test
    void log_isTruncatedAtALineBeginning() throws IOException {
        Path log = Files.writeString(directory.resolve("a.log"), "first line with key-2\nsecond key\nthird\n");

        assertThat(tail(log, 1_000)).isEqualTo("first line with ***\nsecond ***\nthird\n");
        // the file is cut inside a secret in the first line
        assertThat(tail(log, 20)).isEqualTo("(the earlier part is omitted)\nsecond ***\nthird\n");
    }

    @Test
    void logOfOneLine_truncationLeavesNoPartOfASecret() throws IOException {
        Path log = Files.writeString(directory.resolve("a.log"), "x".repeat(10) + SEED + "y".repeat(1_000));

        for (int most = 1_001; most < 1_000 + SEED.length(); most++) {
            assertThat(tail(log, most)).doesNotContain("A=").endsWith("yyy");
        }
    }

    @Test
    void compressedLog_isRefused() throws IOException {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (OutputStream gzip = new GZIPOutputStream(packed)) {
            gzip.write("key".getBytes(StandardCharsets.UTF_8));
        }
        Path log = Files.write(directory.resolve("a.log.gz"), packed.toByteArray());

        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> DiagnosticsArchive.tail(log, 1_000, SCRUBBER))
                .withMessageContaining("unpack it first");
    }

    private static String tail(Path log, int most) throws IOException {
        return new String(DiagnosticsArchive.tail(log, most, SCRUBBER), StandardCharsets.UTF_8);
    }

    private static String content(Path file, String name) throws Exception {
        return String.valueOf(entries(file).get(name));
    }

    private static Map<String, String> entries(Path file) throws IOException {
        Map<String, String> entries = new LinkedHashMap<>();
        try (ZipInputStream zip = new ZipInputStream(Files.newInputStream(file))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                entries.put(entry.getName(), new String(zip.readAllBytes(), StandardCharsets.UTF_8));
            }
        }
        return entries;
    }
}
