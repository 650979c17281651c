// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.agent.send.Certificates;
import dev.flk.agent.send.ScriptedBackend;
import dev.flk.agent.send.ScriptedBackend.Said;
import dev.flk.agent.send.Sender.Surroundings;
import dev.flk.agent.send.Settlement;
import dev.flk.testkit.Starts;
import dev.flk.testkit.Starts.Started;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the agent inside an application. */
@Timeout(60)
class EmbeddedAgentTest {
    @TempDir
    Path directory;

    private ScriptedBackend backend;

    @BeforeEach
    void start() throws Exception {
        backend = new ScriptedBackend();
    }

    @AfterEach
    void stop() {
        backend.close();
    }

    @Test
    void submit_eachAnswer_isReportedToTheCaller() throws Exception {
        String tooFar = "D_hat out of tolerance";
        backend.submit = line -> {
            String id = ScriptedBackend.id(line);
            if (id.equals(Certificates.id(1))) {
                return Said.recorded(line);
            } else if (id.equals(Certificates.id(2))) {
                return Said.of(202, outcome(id, true, "degraded: short_window"));
            } else if (id.equals(Certificates.id(3))) {
                return Said.of(202, outcome(id, false, tooFar));
            }
            return Said.error(400, "epoch: must be at least 0");
        };
        try (Agent agent = Agent.open(config())) {
            CompletionStage<Settlement> accepted = agent.submit(Certificates.certificate(1));
            CompletionStage<Settlement> escalated = agent.submit(Certificates.certificate(2));
            CompletionStage<Settlement> rejected = agent.submit(Certificates.certificate(3));
            CompletionStage<Settlement> dead = agent.submit(Certificates.certificate(4));

            assertThat(settled(accepted)).isEqualTo(new Settlement(Settlement.Kind.ACCEPTED, Certificates.id(1), ""));
            assertThat(settled(escalated))
                    .isEqualTo(new Settlement(Settlement.Kind.ESCALATED, Certificates.id(2), "degraded: short_window"));
            assertThat(settled(rejected))
                    .isEqualTo(new Settlement(Settlement.Kind.REJECTED, Certificates.id(3), tooFar));
            assertThat(settled(dead))
                    .isEqualTo(new Settlement(
                            Settlement.Kind.DEAD_LETTERED, Certificates.id(4), "epoch: must be at least 0"));
        }
    }

    private static String outcome(String id, boolean accepted, String reason) {
        return "{\"pcs_id\":\"" + id + "\",\"accepted\":" + accepted + ",\"escalated\":true,\"reason\":\"" + reason
                + "\"}";
    }

    @Test
    void submit_notACertificate_isRefusedAndLeavesNoThread() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> {
                    try (Agent agent = Agent.open(config())) {
                        agent.submit("{\"pcs_id\":7}".getBytes(StandardCharsets.UTF_8));
                    }
                })
                .withMessageStartingWith("not a certificate: ");

        assertThat(Thread.getAllStackTraces().keySet())
                .noneMatch(thread -> thread.isAlive() && thread.getName().startsWith("flk-agent"));
    }

    /** A program that submits one certificate and never closes its agent. */
    static final class Forgetful {
        private Forgetful() {}

        public static void main(String[] outbox) throws IOException {
            AgentConfig config = AgentConfig.of(Map.of(
                    "ENDPOINT", "http://127.0.0.1:1",
                    "PCS_SIGN_ALG", "hmac",
                    "PCS_HMAC_KEY", "a secret of a test",
                    "OUTBOX_PATH", outbox[0],
                    "DLQ_PATH", outbox[0] + ".dlq",
                    "OUTBOX_MIN_FREE_BYTES", "0"));
            Agent.open(config).submit(Certificates.certificate(1));
        }
    }

    @Test
    void close_notCalled_programEndsAndTheOutboxKeepsTheCertificate() throws Exception {
        Path outbox = directory.resolve("forgotten");
        Starts.count(Started.JVM);
        Process program = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Forgetful.class.getName(),
                        outbox.toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            assertThat(program.waitFor(50, TimeUnit.SECONDS)).isTrue();
            assertThat(program.exitValue()).isZero();
        } finally {
            program.destroyForcibly();
        }

        assertThat(new OutboxInspector(outbox).summary().pendingEntries()).isEqualTo(1);
    }

    @Test
    void close_beforeAnAnswer_reportsItAndTheNextAgentSends() throws Exception {
        backend.submit = line -> Said.error(503, "overloaded");
        CompletionStage<Settlement> waiting;
        Agent agent = Agent.open(config());
        try (agent) {
            waiting = agent.submit(Certificates.certificate(1));
        }

        assertThatExceptionOfType(CompletionException.class)
                .isThrownBy(() -> settled(waiting))
                .withCauseInstanceOf(IOException.class)
                .withMessageContaining(
                        "the agent was closed before an answer arrived; the certificate waits in the outbox");
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> agent.submit(Certificates.certificate(2)));
        assertThat(agent.problem()).contains("the agent is closed");
        assertThat(new OutboxInspector(directory.resolve("outbox")).summary().pendingEntries())
                .isEqualTo(1);

        backend.submit = Said::recorded;
        try (Agent next = Agent.open(config())) {
            Awaitility.await().until(() -> next.pendingEntries() == 0);
        }
    }

    @Test
    void close_agentRunsOnAnotherThread_endsIt() throws Exception {
        Agent agent = Agent.open(config(), Surroundings.real());
        FutureTask<Boolean> running = new FutureTask<>(() -> {
            agent.run();
            return true;
        });
        new Thread(running).start();
        settled(agent.submit(Certificates.certificate(1)));

        agent.close();

        assertThat(running.get()).isTrue();
    }

    @Test
    void problem_isReportedAsLongAsItLasts() throws Exception {
        try (Agent agent = Agent.open(config())) {
            assertThat(agent.problem()).isEmpty();

            backend.submit = line -> Said.error(401, "Signature verification failed");
            CompletionStage<Settlement> held = agent.submit(Certificates.certificate(1));
            Awaitility.await()
                    .untilAsserted(() -> assertThat(agent.problem())
                            .contains("the backend refuses the signatures of 1 shard: it does not know this key,"
                                    + " or does not accept it for that shard; check PCS_SIGN_ALG and the key"));

            backend.submit = Said::recorded;
            assertThat(settled(held).kind()).isEqualTo(Settlement.Kind.ACCEPTED);
            assertThat(agent.problem()).isEmpty();
        }
    }

    @Test
    void problem_noBackendAnswers_namesTheEndpoint() throws Exception {
        backend.close();
        try (Agent agent = Agent.open(config())) {
            agent.submit(Certificates.certificate(1));

            Awaitility.await()
                    .untilAsserted(() -> assertThat(agent.problem()).contains(backend.endpoint() + ": no connection"));
        }
    }

    private static Settlement settled(CompletionStage<Settlement> stage) {
        return stage.toCompletableFuture().join();
    }

    private AgentConfig config() {
        return AgentConfig.of(backend.settings(directory));
    }
}
