// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Traffic.Sent;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of {@code flk-backend} as a process: exit codes, error messages and SIGTERM. */
final class CommandLineIT {
    private static final String STACK_TRACE = "(?m)^\\s+at |Exception|Caused by";

    @TempDir
    private Path directory;

    /** The exit code and the output of a run. */
    private record Ended(int exitCode, String out, String all) {}

    @Test
    void configurationErrors_exit2AndAreListed() throws IOException {
        Files.writeString(directory.resolve("flk.properties"), "TOKEN_RAT=5\nMAX_BODY_BYTES=1MB\n");
        Ended run = run(
                Map.of("PORT", "eighty", "WAL_RETENTION", "1d", "PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY_FILE", "/no/key"),
                "--config",
                "flk.properties");
        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.all().lines().toList())
                .containsExactlyInAnyOrder(
                        "flk-backend: the configuration has 5 problems:",
                        "  TOKEN_RAT: is in flk.properties, but is not a setting; did you mean TOKEN_RATE?",
                        "  PCS_HMAC_KEY_FILE: /no/key can't be read: there is no such file",
                        "  PORT: 'eighty' is not a whole number (environment)",
                        "  MAX_BODY_BYTES: '1MB' is not a size; write it like 4096, 64KiB, 256MiB or 1GiB (file)",
                        "  WAL_RETENTION: shorter than DEDUP_TTL, so the log could not rebuild the store; set"
                                + " WAL_RETENTION to at least DEDUP_TTL");
    }

    @ParameterizedTest
    @CsvSource({
        "bakend,         flk backend",
        "Agents,         flk agent",
        "helth,          flk health",
        "diagnostics,    flk diagnose",
        "benchmark,      flk bench",
        "xyz,            ''",
        "'a b\u001b[2J', ''"
    })
    void unknownCommandOfFlk_isNamedWithASimilarOne(String command, String similar) throws Exception {
        HostProgram.Ended run = new HostProgram(Built.root().resolve("flk"), directory).run(command, "--stay");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.output())
                .isEqualTo("flk: unknown command: " + command.replace('\u001b', '?') + "\n"
                        + (similar.isEmpty() ? "" : "Did you mean: " + similar + "?\n") + "Try: flk --help\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"-h", "health -h", "diagnose -h"})
    void helpOfFlk_fitsATerminal(String command) throws Exception {
        String help = new HostProgram(Built.root().resolve("flk"), directory).succeed(command.split(" ", -1));

        assertThat(help).startsWith("Usage: flk ");
        assertThat(help.lines()).allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
    }

    @Test
    void secretOutsideTheLocale_exits2() throws IOException {
        Map<String, String> environment = ServedBackend.environment();
        environment.put("LC_ALL", "C");
        environment.put("PCS_HMAC_KEY", "schlüssel");
        Ended run = run(environment);
        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.all()).contains("PCS_HMAC_KEY: contains characters that this locale can't represent");
    }

    @Test
    void configCheck_exits0PrintsEffectiveSettingsWithoutSecrets() throws IOException {
        Ended run = run(ServedBackend.environment(), "config", "check");
        assertThat(run.exitCode()).isZero();
        assertThat(run.out())
                .containsPattern("(?m)^WAL_RETENTION +14d +default$")
                .containsPattern("(?m)^PCS_HMAC_KEY +\\(set, not shown\\) +environment$")
                .doesNotContain(Pcs.KEY);
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void backendsJar_hasNothingOfTheState() throws IOException {
        try (JarFile jar = new JarFile(Built.jar("flk-backend").toFile())) {
            assertThat(jar.stream().map(JarEntry::getName))
                    .contains("dev/flk/backend/Main.class")
                    .noneMatch(name -> name.matches("(dev/flk/state|io/grpc|com/google/protobuf)/.*"));
        }
    }

    @Test
    void version_exits0() throws IOException {
        Ended run = run(Map.of(), "--version");
        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).matches("flk-backend [0-9]+\\.[0-9]+\\.[0-9]+.*\n");
    }

    @ParameterizedTest
    @CsvSource({"PORT, choose another BIND_ADDR or PORT", "OPS_PORT, choose another OPS_BIND_ADDR or OPS_PORT"})
    void portInUse_failsTheStartAndNamesThePort(String setting, String remedy) throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Map<String, String> more = Map.of(setting, Integer.toString(taken.getLocalPort()));

            assertThat(BackendInJvm.refused(directory, more).exits(1).err())
                    .contains("flk-backend: can't listen on 127.0.0.1 port " + taken.getLocalPort(), remedy);
        }
    }

    @Test
    void logDirectoryIsAFile_exits1AndSaysSo() throws IOException {
        Path file = Files.createFile(directory.resolve("file"));
        Map<String, String> environment = ServedBackend.environment();
        environment.put("WAL_DIR", file.toString());
        Ended run = run(environment);
        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.all()).endsWith("flk-backend: can't use " + file + ": it is a file, but must be a directory");
    }

    @Test
    void secondBackendOnTheSameLog_exits1AndNamesTheHolder() throws Exception {
        try (ServedBackend first = BackendInJvm.start(directory)) {
            Ended run = run(ServedBackend.environment());
            assertThat(run.exitCode()).isEqualTo(1);
            assertThat(run.all())
                    .endsWith("flk-backend: data/wal is in use by process "
                            + ProcessHandle.current().pid() + "; stop it, or use another directory");
            assertThat(new Client(first.url()).submit(Pcs.number(1)).status()).isEqualTo(200);
        }
    }

    @Test
    void restoreWithoutItsStore_printsOnlyItsResult() throws Exception {
        try (ServedBackend lost = BackendInJvm.start(directory)) {
            assertThat(new Client(lost.url()).submit(Pcs.number(1)).status()).isEqualTo(200);
        }
        Map<String, String> environment = ServedBackend.environment();
        environment.putAll(Map.of("WAL_DIR", "restored", "DEDUP_BACKEND", "redis", "REDIS_ADDR", "127.0.0.1:1"));
        Ended run = run(environment, "wal", "restore", "--from", "data/wal");
        assertThat(run.exitCode()).as(run.all()).isZero();
        assertThat(run.out()).startsWith("ignored, ").contains("\nrestored: 2 segments, 1 record (1 to 1)");
        assertThat(run.all()).contains("WARNING the store can't be asked");
    }

    @Test
    void secondBackendOnTheSameStore_exits1AndSaysWhatToDo() throws Exception {
        try (ServedBackend first = BackendInJvm.start(directory)) {
            Map<String, String> environment = ServedBackend.environment();
            environment.put("WAL_DIR", "data/other");
            Ended run = run(environment);
            assertThat(run.exitCode()).isEqualTo(1);
            assertThat(run.all())
                    .endsWith("flk-backend: can't open the embedded store in data/dedup: another process uses it;"
                            + " stop that, or choose another DEDUP_DIR");
            assertThat(new Client(first.url()).submit(Pcs.number(1)).status()).isEqualTo(200);
        }
    }

    @Test
    void sigterm_exits143ClosesConnectionsAndKeepsTheOutcomes() throws Exception {
        try (BackendProcess backend = BackendProcess.start(directory);
                RawConnection connection = new RawConnection(backend.port())) {
            assertThat(connection.submit(Pcs.number(1).bytes()).status()).isEqualTo(200);
            assertThat(backend.program().terminate()).isEqualTo(143);
            assertThat(connection.isEnded()).isTrue();
            assertThat(backend.program().allLines())
                    .contains("stopping", "stopped")
                    .doesNotContainPattern(STACK_TRACE);
        }
        assertAreThere(List.of(Pcs.number(1)));
    }

    @Test
    @Tag("thorough")
    void sigterm_jarOverwritten_exits143AndLosesNothing() throws Exception {
        Path jar = Files.copy(Built.jar("flk-backend"), directory.resolve("flk-backend.jar"));
        List<Sent> answered;
        try (BackendProcess backend = BackendProcess.of(Program.java(jar, directory, ServedBackend.environment()));
                Traffic traffic = new Traffic(backend.url(), 1, 500)) {
            Client.awaitUntil(() -> Traffic.count(traffic.answered(), 200) >= 500);
            Files.write(jar, new byte[(int) Files.size(jar)]);
            assertThat(backend.program().terminate())
                    .as(backend.program().allLines())
                    .isEqualTo(143);
            traffic.end();
            answered = traffic.answered();
        }
        assertAreThere(answered.stream()
                .filter(one -> one.status() == 200)
                .map(Sent::pcs)
                .toList());
    }

    private void assertAreThere(List<Pcs> all) throws Exception {
        try (ServedBackend again = BackendInJvm.start(directory)) {
            Client client = new Client(again.url());
            for (Pcs pcs : all) {
                assertThat(client.get("/v1/pcs/" + pcs.id()).status()).isEqualTo(200);
            }
        }
    }

    @Test
    void configurationFile_isReadAndTheEnvironmentTakesPrecedence() throws Exception {
        Files.writeString(directory.resolve("key"), "from a file\n");
        Files.writeString(
                directory.resolve("flk.properties"),
                "PORT=1\nBIND_ADDR=127.0.0.1\nPCS_SIGN_ALG=hmac\nPCS_HMAC_KEY_FILE=key\nLOG_FORMAT=json\n");
        Map<String, String> environment = new HashMap<>(Map.of("PORT", "0", "DEDUP_BACKEND", "memory"));
        try (Program program =
                Program.java("flk-backend", directory, environment, List.of(), "serve", "--config", "flk.properties")) {
            String line = program.awaitLine(text -> text.contains("listening on"));
            String message = StrictJson.read(line).get("message").textValue();
            Client client = new Client("http://127.0.0.1:" + message.substring(message.lastIndexOf(' ') + 1));
            program.awaitLine(text -> text.contains("ready"));
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(401);
            assertThat(client.submit(Pcs.number(1).signedBy("from a file")).status())
                    .isEqualTo(200);
            String accepted = program.awaitLine(text -> text.contains(" accepted "));
            assertThat(StrictJson.read(accepted).get("message").textValue()).contains("(D̂=1.00, coh★=0.50)");
        }
    }

    private Ended run(Map<String, String> environment, String... args) throws IOException {
        try (Program program = Program.java("flk-backend", directory, environment, Program.QUICK_START, args)) {
            int exitCode = program.awaitExit();
            assertThat(program.allLines()).doesNotContainPattern(STACK_TRACE);
            return new Ended(exitCode, program.out(), program.allLines());
        }
    }
}
