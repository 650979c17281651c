// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;

/** The agent of the ordeal: killed and restarted on the same directory; its key is in a file. */
final class OrdealAgent implements AutoCloseable {
    private static final String INTAKE_PORT = "certificates are taken on loopback port ";
    private static final String OUTBOX_IS_TAKEN = "is in use by";

    private final AgentHome home;
    private final Map<String, String> environment;
    private Program program;
    private volatile int port;

    OrdealAgent(AgentHome home, String endpoint, String key) throws IOException {
        this.home = home;
        environment = home.sendingTo(endpoint);
        environment.remove("PCS_HMAC_KEY");
        environment.putAll(Map.of(
                "PCS_HMAC_KEY_FILE", "key",
                "BATCH_SIZE", "8",
                "MAX_IN_FLIGHT", "64",
                "MAX_DELAY", "500ms",
                "REQUEST_TIMEOUT", "6s",
                "INTAKE_PORT", "0"));
        writeKey(key);
    }

    AgentHome home() {
        return home;
    }

    /** The intake port; another one after each start. */
    int port() {
        return port;
    }

    /** Returns when it takes and sends; waits while a {@code submit} has the outbox. */
    void start() throws IOException {
        String line = OUTBOX_IS_TAKEN;
        while (line.contains(OUTBOX_IS_TAKEN)) {
            program = command("run");
            line = program.awaitLine(text -> text.contains(INTAKE_PORT) || text.contains(OUTBOX_IS_TAKEN));
        }
        port = Integer.parseInt(line.substring(line.indexOf(INTAKE_PORT) + INTAKE_PORT.length()));
    }

    void kill() {
        assertThat(program.isAlive()).as(program.allLines()).isTrue();
        program.kill();
    }

    void changeKey(String key) throws IOException, InterruptedException {
        writeKey(key);
        program.onReloadSignal();
    }

    private void writeKey(String key) throws IOException {
        Path written = home.directory().resolve("key.next");
        Files.writeString(written, key);
        Files.move(written, home.directory().resolve("key"), StandardCopyOption.ATOMIC_MOVE);
    }

    /** Another program on the same configuration. */
    Program command(String... args) throws IOException {
        return home.start(environment, args);
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
