// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.run;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.control.RunningAgent;
import dev.flk.agent.send.Certificates;
import dev.flk.agent.send.Sender.Surroundings;
import dev.flk.agent.testing.TestKeys;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code flk_agent_tls_not_after_seconds}. */
@Timeout(60)
class CertificateEndsTest {
    private static final String METRIC = "flk_agent_tls_not_after_seconds{certificate=\"%s\",} %s";

    @TempDir
    Path directory;

    private TestKeys ofServer;
    private HttpsServer server;

    @BeforeEach
    void start() throws Exception {
        ofServer = TestKeys.make(directory, "server", "dns:localhost", 7);
        server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(ofServer.server(null)));
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(503, -1);
            exchange.close();
        });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    @Test
    void metrics_showTheEndsOfBoth_alsoOfOneThatWasReplaced() throws Exception {
        TestKeys before = TestKeys.make(directory, "before", "dns:agent", 3);
        TestKeys after = TestKeys.make(directory, "after", "dns:agent", 300);
        try (Agent agent = Agent.open(config(before), Surroundings.real())) {
            assertThat(metrics(agent).lines())
                    .contains(METRIC.formatted("client", seconds(before)), METRIC.formatted("endpoint", "0.0"));

            Thread sending = new Thread(() -> {
                try {
                    agent.run();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            });
            sending.start();
            submit(Certificates.certificate(1));
            awaitLine(agent, METRIC.formatted("endpoint", seconds(ofServer)));

            agent.reload(config(after));
            awaitLine(agent, METRIC.formatted("client", seconds(after)));
            agent.stop();
            sending.join();
        }
    }

    private static double seconds(TestKeys keys) throws Exception {
        return keys.notAfter().getEpochSecond();
    }

    private static void awaitLine(Agent agent, String line) {
        Awaitility.await().until(() -> metrics(agent).lines().anyMatch(line::equals));
    }

    private static String metrics(Agent agent) throws Exception {
        URI url = URI.create("http://127.0.0.1:" + agent.metricsPort().orElseThrow() + "/metrics");
        return HttpClient.newHttpClient()
                .send(HttpRequest.newBuilder(url).build(), BodyHandlers.ofString())
                .body();
    }

    private AgentConfig config(TestKeys client) throws Exception {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("ENDPOINT", "https://localhost:" + server.getAddress().getPort());
        environment.put("TLS_CA", ofServer.certificatePem());
        environment.put("TLS_CERT", client.certificatePem());
        environment.put("TLS_KEY", client.keyPem());
        environment.put("PCS_SIGN_ALG", "none");
        environment.put("OUTBOX_PATH", directory.resolve("outbox").toString());
        environment.put("OUTBOX_MIN_FREE_BYTES", "0");
        environment.put("DLQ_PATH", directory.resolve("dlq.jsonl").toString());
        environment.put("METRICS_PORT", "0");
        return AgentConfig.load(environment, null, Set.of(Need.ENDPOINT, Need.SIGNING));
    }

    /** As a program of this machine does. */
    private void submit(byte[]... certificates) throws Exception {
        Path outbox = directory.resolve("outbox");
        try (RunningAgent agent = RunningAgent.at(outbox.resolve("control.sock"), outbox)) {
            agent.append(List.of(certificates));
        }
    }
}
