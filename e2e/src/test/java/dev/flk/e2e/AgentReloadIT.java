// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that a running agent reloads its configuration on {@code kill -HUP}. Pending certificates are sent with the new
 * configuration; an invalid configuration changes nothing.
 */
final class AgentReloadIT {
    private static final String READ_AGAIN = "configuration was read again";

    @TempDir
    private Path directory;

    @Test
    void reload_keyEndpointAndLogFormat_takeEffect_errorsDoNot() throws Exception {
        Path other = Files.createDirectory(directory.resolve("other"));
        try (ServedBackend first = BackendInJvm.start(directory);
                ServedBackend second = BackendInJvm.start(other)) {
            configure(first.url(), "not the key", "");
            submit(1);
            try (Program agent = Program.java(
                    "flk-agent", directory, Map.of(), Program.QUICK_START, "run", "--config", "agent.properties")) {
                agent.awaitLine(line -> line.contains(" ERROR Signature verification failed for " + id(1) + ": "));

                // the key is corrected
                configure(first.url(), Pcs.KEY, "");
                onReloadSignal(agent, 1);
                agent.awaitLine(line -> line.endsWith(" INFO  PCS " + id(1) + " submitted successfully (status=200)"));
                assertThat(new Client(first.url()).metric("flk_accepted")).isEqualTo(1);

                // the endpoint changes, and so does a setting that takes effect only after a restart
                configure(second.url(), Pcs.KEY, "METRICS_PORT=0\n");
                onReloadSignal(agent, 2);
                agent.awaitLine(
                        line -> line.endsWith(" WARN  METRICS_PORT was changed; restart the agent to apply it"));
                submit(2);
                agent.awaitLine(line -> line.endsWith(" INFO  PCS " + id(2) + " submitted successfully (status=200)"));
                assertThat(new Client(second.url()).metric("flk_accepted")).isEqualTo(1);

                // each invalid setting is reported, and no setting is applied
                configure("nonsense", "not the key", "MAX_AGE=soon\n");
                agent.onReloadSignal();
                agent.awaitLine(line -> line.contains(
                                " ERROR SIGHUP: ENDPOINT: the value is 'nonsense', which is not a base URL; write it")
                        && line.endsWith("; the agent keeps its configuration"));
                agent.awaitLine(line -> line.contains(" ERROR SIGHUP: MAX_AGE: 'soon' is not a duration; write it")
                        && line.endsWith("; the agent keeps its configuration"));
                // the submit command reads the same file, so the file must be valid again
                configure(second.url(), Pcs.KEY, "");
                submit(3);
                agent.awaitLine(line -> line.endsWith(" INFO  PCS " + id(3) + " submitted successfully (status=200)"));
                assertThat(new Client(second.url()).metric("flk_accepted")).isEqualTo(2);

                // after this reload, log lines are JSON
                configure(second.url(), Pcs.KEY, "LOG_FORMAT=json\n");
                onReloadSignal(agent, 3);
                submit(4);
                String line = agent.awaitLine(text -> text.contains("PCS " + id(4)));
                assertThat(StrictJson.read(line).get("message").textValue())
                        .isEqualTo("PCS " + id(4) + " submitted successfully (status=200)");
                assertThat(StrictJson.read(line).get("level").textValue()).isEqualTo("INFO");

                assertThat(agent.terminate()).isEqualTo(143);
                assertThat(agent.allLines())
                        .doesNotContain(Pcs.KEY, "not the key")
                        .doesNotContainPattern("(?m)^\\s+at ");
            }
        }
    }

    private static String id(long epoch) {
        return Pcs.number(epoch).id().toString();
    }

    private void configure(String endpoint, String key, String more) throws IOException {
        Files.writeString(directory.resolve("key"), key + "\n");
        Files.writeString(
                directory.resolve("agent.properties"),
                "ENDPOINT=" + endpoint + "\nPCS_SIGN_ALG=hmac\nPCS_HMAC_KEY_FILE=" + directory.resolve("key")
                        + "\nOUTBOX_PATH=" + directory.resolve("outbox") + "\nDLQ_PATH="
                        + directory.resolve("dlq.jsonl") + "\nBASE_DELAY=20ms\nMAX_DELAY=100ms\n" + more);
    }

    private void submit(long epoch) throws IOException {
        Path certificate = Files.writeString(
                directory.resolve(epoch + ".json"),
                Pcs.number(epoch).without("sig").json());
        String settings = directory.resolve("agent.properties").toString();
        AgentHome.succeed(Map.of(), "submit", "--config", settings, certificate.toString());
    }

    /** Sends SIGHUP and blocks until the agent has reloaded its configuration {@code times} times in total. */
    private static void onReloadSignal(Program agent, int times) throws Exception {
        agent.onReloadSignal();
        Client.awaitUntil(() ->
                Pattern.compile(READ_AGAIN).matcher(agent.allLines()).results().count() == times);
    }
}
