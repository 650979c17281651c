// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.run.Agent;
import dev.flk.e2e.Client.Answer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests that data of each released version is read: of a backend that was killed, and of an agent with certificates
 * that wait. {@code e2e/older-data.sh} writes such data, and what commands of that version print of it. A newer version
 * may print members that are not compared here.
 */
final class OlderDataIT {
    @TempDir
    private Path directory;

    static List<Path> releases() throws IOException {
        try (Stream<Path> files = Files.list(Built.root().resolve("e2e/src/test/resources/older"))) {
            return files.toList();
        }
    }

    private Path unpack(Path release) throws IOException, InterruptedException {
        Process tar = new ProcessBuilder("tar", "-xzf", release.toString(), "-C", directory.toString())
                .inheritIO()
                .start();
        assertThat(tar.waitFor()).isZero();
        return directory.resolve("flk.properties");
    }

    private Map<String, String> environment() {
        return Map.of(
                "WAL_DIR", directory.resolve("data/wal").toString(),
                "DEDUP_DIR", directory.resolve("data/dedup").toString(),
                "OUTBOX_PATH", directory.resolve("outbox").toString(),
                "DLQ_PATH", directory.resolve("dlq.jsonl").toString(),
                "WARM_UP", "off");
    }

    private List<String> printed(String file) throws IOException {
        return Files.readAllLines(directory.resolve("printed").resolve(file));
    }

    /** Compares JSON lines with those that the older version printed. */
    private void assertPrinted(String file, String now) throws IOException {
        List<String> before = printed(file);
        assertThat(before).isNotEmpty();
        List<String> lines = now.lines().toList();
        assertThat(lines).as(file).hasSameSizeAs(before);
        for (int i = 0; i < lines.size(); i++) {
            assertContains(file, StrictJson.read(lines.get(i)), StrictJson.read(before.get(i)));
        }
    }

    private static void assertContains(String file, JsonNode now, JsonNode before) {
        if (before.isObject()) {
            before.properties().forEach(member -> assertContains(file, now.path(member.getKey()), member.getValue()));
        } else {
            assertThat(now).as(file).isEqualTo(before);
        }
    }

    @ParameterizedTest
    @MethodSource("releases")
    void dataOfARelease_answersAndRecordsAsItDid_andContinues(Path release) throws Exception {
        String config = unpack(release).toString();
        String agentConfig = directory.resolve("agent.properties").toString();
        Map<String, String> environment = environment();
        assertPrinted("outbox", agent("outbox", "cat", "--json", "--config", agentConfig));
        assertPrinted("letters", agent("dlq", "list", "--json", "--config", agentConfig));

        Map<Long, String> bodies = backend("wal", "cat", "--kind", "submission", "--json", "--body", "--config", config)
                .lines()
                .map(StrictJson::read)
                .collect(Collectors.toMap(
                        entry -> entry.path("sequence").asLong(),
                        entry -> entry.path("body").asText()));
        try (BackendInJvm backend = BackendInJvm.serve(environment, "--config", config)) {
            Client client = new Client(backend.url());
            client.awaitReady();
            Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
            assertPrinted("record", backend("record", "--all", "--json", "--url", backend.url()));
            assertPrinted("reviews", client.get("/v1/reviews?state=reviewed").body());
            stateIsWhatItWas();
            sentAgain_hasItsAnswer(client, bodies);
            long accepted = accepted(backend);
            long waiting = waiting();
            assertThat(waiting).isPositive();

            try (Agent agent = send(backend, agentConfig)) {
                Client.awaitUntil(() -> accepted(backend) == accepted + waiting);
                assertThat(agent).isNotNull();
            }
        }

        backend("wal", "verify", "--config", config);
        String outcomes = backend("wal", "replay", "--outcomes", "--config", config);
        int before = printed("outcomes").size();
        assertPrinted("outcomes", outcomes.lines().limit(before).collect(Collectors.joining("\n")));
    }

    private void stateIsWhatItWas() throws Exception {
        try (ServedBackend state = StateInJvm.start(directory, Map.of())) {
            new Client(state.url()).awaitReady();
            Path dump = directory.resolve("dump");
            Command.ofState(Map.of(), "dump", "-o", dump.toString(), "--url", state.stateUrl())
                    .exits(0);
            // the first line has the id of the history, and a copied directory gets another
            assertPrinted("state", Files.readString(dump).replaceFirst(".*\n", ""));
        }
    }

    private String agent(String... args) {
        return Command.ofAgent(environment(), args).exits(0).out();
    }

    private String backend(String... args) {
        return Command.ofBackend(environment(), args).exits(0).out();
    }

    private long accepted(BackendInJvm backend) {
        return backend("record", "--all", "--json", "--verdict", "accepted", "--url", backend.url())
                .lines()
                .count();
    }

    private long waiting() throws IOException {
        return printed("outbox").stream()
                .filter(line -> StrictJson.read(line).path("fate").asText().equals("waits"))
                .count();
    }

    private Agent send(BackendInJvm backend, String config) throws IOException {
        Map<String, String> environment = new HashMap<>(environment());
        environment.put("ENDPOINT", backend.url());
        return Agent.open(AgentConfig.load(environment, Path.of(config), Set.of(Need.ENDPOINT, Need.SIGNING)));
    }

    /** Sends each certificate in the log again. */
    private void sentAgain_hasItsAnswer(Client client, Map<Long, String> bodies) throws Exception {
        for (String line : printed("outcomes")) {
            JsonNode outcome = StrictJson.read(line);
            String body = bodies.get(outcome.path("seq").asLong());
            Answer answer = client.submit(Objects.requireNonNull(body, line).getBytes(UTF_8));
            assertThat(answer.status()).isEqualTo(outcome.path("status").asInt());
            assertThat(StrictJson.read(answer.body())).isEqualTo(outcome.path("body"));
        }
    }
}
