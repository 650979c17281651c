// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SettingsTest {
    private static final Key<Integer> PORT =
            Key.of("PORT", Quantities::port, "").or("80");
    private static final Key<Duration> AGE =
            Key.of("AGE", Quantities::positive, "").or("75s");
    private static final Key<Integer> BURST =
            Key.of("BURST", Quantities::port, "").derived("2 x PORT");
    private static final Key<String> URL = Key.of("URL", Quantities::text, "").mayHoldPassword();
    private static final Key<String> PASS = Key.of("PASS", Quantities::text, "").secret();
    private static final Key<Path> CERT = Key.of("CERT", Quantities::path, "").fileName();
    private static final List<Key<?>> KEYS = List.of(PORT, AGE, BURST, URL, PASS, CERT);

    @TempDir
    Path directory;

    private Path write(String text) throws IOException {
        return Files.writeString(directory.resolve("file"), text);
    }

    private static Settings read(Map<String, String> environment, @Nullable Path file) {
        Settings settings = new Settings(KEYS, environment, file);
        KEYS.forEach(settings::find);
        return settings;
    }

    @Test
    void get_setTwice_nonEmptyEnvironmentTakesPrecedence() throws IOException {
        Path file = write("PORT=1111\nAGE=3s\n");

        Settings settings = read(Map.of("PORT", "2222", "AGE", ""), file);

        assertThat(settings.get(PORT)).isEqualTo(2222);
        assertThat(settings.get(AGE)).isEqualTo(Duration.ofSeconds(3));
    }

    @ParameterizedTest
    @CsvSource({
        "por=5, PORT?",
        "STATEHOUSE_PORT=1, STATEHOUSE_PORT: is in ",
        "STATEHOUSE_PORT=1, is not a setting; use the settings that begin with STATE_",
        "'PORT=1\nPORT=2', PORT: is set twice",
        "#\u00e4, not UTF-8",
        ", none.properties: can't be read: there is no such file"
    })
    void errorInTheConfigurationFile_isTheOnlyProblem(@Nullable String text, String problem) throws IOException {
        Path file = text == null
                ? directory.resolve("none.properties")
                : Files.writeString(directory.resolve("file"), text, StandardCharsets.ISO_8859_1);

        assertThat(read(Map.of(), file).problems()).singleElement().asString().contains(problem);
    }

    @ParameterizedTest
    @CsvSource({"'\u00e4 key \n\n','\u00e4 key \n'", "'key\r\n',key"})
    void find_valueInAFile_removesOneFinalNewline(String text, String value) throws IOException {
        assertThat(read(Map.of("PASS_FILE", write(text).toString()), null).find(PASS))
                .contains(value);
    }

    @Test
    @Timeout(20)
    void fileOfAValue_emptyOrFifoOrTooLong_isAProblem() throws Exception {
        Path empty = write("\n");
        Path pipe = directory.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        Path sparse = directory.resolve("sparse");
        try (RandomAccessFile file = new RandomAccessFile(sparse.toFile(), "rw")) {
            file.setLength(1L << 40);
        }

        assertThat(read(Map.of(), pipe).problems())
                .containsExactly("--config " + pipe + ": is a FIFO, but must be a regular file");
        assertThat(List.of(empty, pipe, sparse))
                .flatExtracting(
                        file -> read(Map.of("PASS_FILE", file.toString()), null).problems())
                .containsExactly(
                        "PASS_FILE: " + empty + " is empty",
                        "PASS_FILE: " + pipe + " is not a regular file",
                        "PASS_FILE: " + sparse + " is longer than 1048576 bytes");
    }

    @Test
    void problems_areAllReported_withoutSecrets() {
        String key = "-----BEGIN PRIVATE KEY-----\nfirst-line\n-----END PRIVATE KEY-----\n";
        Settings settings =
                read(Map.of("PORT", "x", "PORT_FILE", "port", "AGE", "0", "PASS", "secret\uFFFD", "CERT", key), null);

        assertThat(settings.problems())
                .containsExactly(
                        "PORT: PORT_FILE is set too; remove one of the two",
                        "PORT: 'x' is not a whole number (environment)",
                        "AGE: '0' is not a duration above 0 (environment)",
                        "PASS: contains characters that this locale can't represent; start with LC_ALL=C.UTF-8, or write"
                                + " the value to a file and set PASS_FILE",
                        "CERT: is PEM text, but must name a file; write the text to a file, and set CERT to its name");
        assertThat(settings.report()).contains("\nPROBLEM AGE: '0' is ").doesNotContain("first-line", "secret");
    }

    @Test
    void secretOnSeveralLines_isNotShown() throws IOException {
        String first = "c2VjcmV0IHRoYXQgaXMgbG9uZ2VyIHRoYW4gb25lIGxpbmU";
        String second = "U29tZXRoaW5nIGVsc2U=";
        Path file = write("PASS=\n" + first + "\n" + second + "\n-----END PRIVATE KEY-----\n");

        Settings settings = read(Map.of(), file);

        assertThat(settings.problems())
                .containsExactly("--config " + file + ": a line does not begin with the name of a setting; it is not"
                        + " shown, because it may be a part of a secret; write each value on one line, or name its file"
                        + " in NAME_FILE");
    }

    @Test
    void secrets_areKnownInEveryForm_andNotInTheReport() {
        Settings settings = read(
                Map.of(
                        "PASS", "key-1,key-2",
                        "URL", "postgresql://bob:pw%2D3@h/d?sslpassword=pw-4"),
                null);

        assertThat(settings.secrets())
                .containsExactlyInAnyOrder("key-1,key-2", "key-1", "key-2", "pw%2D3", "pw-3", "pw-4");
        assertThat(settings.report())
                .contains(
                        "PASS                 set (environment)\n",
                        "URL                  postgresql://bob:***@h/d?sslpassword=*** (environment)\n",
                        "CERT                 not set\n")
                .doesNotContain(settings.secrets());
        assertThat(read(Map.of("PASS", "-----BEGIN KEY-----\nfirst-line\n==\n-----END KEY-----\n"), null)
                        .secrets())
                .containsExactly("first-line");
    }

    @Test
    void table_everyKey_hasItsValueAndOrigin_within80Columns() throws IOException {
        String path = "/a-rather-long-directory-name".repeat(9);

        String table = read(Map.of("PORT", "2222", "PASS", "secret", "CERT", path), write("BURST=3\n"))
                .table(Map.of());

        assertThat(table)
                .containsPattern("(?m)^PORT +2222 +environment$")
                .containsPattern("(?m)^BURST +3 +file$")
                .containsPattern("(?m)^AGE +75s +default$")
                .containsPattern("(?m)^PASS +\\(set, not shown\\) +environment$")
                .containsPattern("(?m)^URL +- +not set$");
        assertThat(table.lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
        assertThat(table.replaceAll("\\R +", "")).contains(path);
        assertThat(read(Map.of(), null).table(Map.of("BURST", "160"))).containsPattern("(?m)^BURST +160 +2 x PORT$");
    }
}
