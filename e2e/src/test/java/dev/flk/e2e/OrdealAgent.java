// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The agent of the ordeal: one that is killed and started again on the same directory, and keeps its key in a file. */
final class OrdealAgent implements AutoCloseable {
    private static final List<String> QUICK_START = List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");
    private static final String TAKEN_IN_ON_PORT = "certificates are taken on loopback port ";
    private static final String OUTBOX_IS_TAKEN = "is in use by";
    private static final JsonMapper JSON = new JsonMapper();

    private final Path directory;
    private final Map<String, String> environment = new LinkedHashMap<>();
    private Program program;
    private volatile int port;

    /** Not started yet. */
    OrdealAgent(Path directory, String endpoint, String key) throws IOException {
        this.directory = directory;
        environment.put("ENDPOINT", endpoint);
        environment.put("PCS_SIGN_ALG", "hmac");
        environment.put("PCS_HMAC_KEY_FILE", "key");
        environment.put("BATCH_SIZE", "8");
        environment.put("MAX_IN_FLIGHT", "64");
        environment.put("BASE_DELAY", "20ms");
        environment.put("MAX_DELAY", "500ms");
        environment.put("REQUEST_TIMEOUT", "6s");
        environment.put("SPOOL_DIR", "spool");
        environment.put("INTAKE_PORT", "0");
        Files.createDirectory(spool());
        writeKey(key);
    }

    Path spool() {
        return directory.resolve("spool");
    }

    Path control() {
        return directory.resolve("data/outbox.wal/control.sock");
    }

    Path deadLetters() {
        return directory.resolve("data/dlq.jsonl");
    }

    LogFiles outbox() {
        return new LogFiles(directory.resolve("data/outbox.wal"), "outbox");
    }

    /** Where it takes certificates; another after each start. */
    int port() {
        return port;
    }

    /** Returns when it takes and sends. A {@code submit} that has the outbox for itself just now keeps it from starting. */
    void start() throws IOException {
        String line = OUTBOX_IS_TAKEN;
        while (line.contains(OUTBOX_IS_TAKEN)) {
            program = command("run");
            line = program.awaitLine(text -> text.contains(TAKEN_IN_ON_PORT) || text.contains(OUTBOX_IS_TAKEN));
        }
        port = Integer.parseInt(line.substring(line.indexOf(TAKEN_IN_ON_PORT) + TAKEN_IN_ON_PORT.length()));
    }

    void kill() {
        assertThat(program.isAlive()).as(program.allLines()).isTrue();
        program.kill();
    }

    /** Gives it another key while it runs. */
    void changeKey(String key) throws IOException, InterruptedException {
        writeKey(key);
        program.hangUp();
    }

    private void writeKey(String key) throws IOException {
        Path written = directory.resolve("key.next");
        Files.writeString(written, key);
        Files.move(written, directory.resolve("key"), StandardCopyOption.ATOMIC_MOVE);
    }

    /** What it says of itself while it runs. */
    JsonNode status() throws IOException {
        LocalPost.Answer answer = LocalPost.get(control(), "/v1/status");
        assertThat(answer.status()).as(answer.body()).isEqualTo(200);
        return JSON.readTree(answer.body());
    }

    /** Another program on the same configuration. */
    Program command(String... args) throws IOException {
        return Program.java("flk-agent", directory, environment, QUICK_START, args);
    }

    void stop() {
        assertThat(program.terminate()).isEqualTo(143);
    }

    @Override
    public void close() {
        if (program != null) {
            program.close();
        }
    }
}
