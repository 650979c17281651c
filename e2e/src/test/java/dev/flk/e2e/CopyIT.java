// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.testkit.KafkaCluster;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of a log that is copied to Kafka: a machine burns down, and nothing that was answered is missing. */
final class CopyIT {
    private static final String REVIEWED = "/v1/reviews?state=reviewed";
    private static final KafkaCluster KAFKA = KafkaCluster.shared();

    @TempDir
    private Path directory;

    private static Map<String, String> settings(String logName) {
        Map<String, String> settings = new HashMap<>(KAFKA.configuration());
        settings.putAll(Map.of("LOG_COPY", "kafka", "LOG_NAME", logName, "WAL_MIN_FREE_BYTES", "1MiB"));
        return settings;
    }

    private BackendProcess start(String name, Map<String, String> settings) throws IOException {
        BackendProcess backend = BackendProcess.start(Files.createDirectories(directory.resolve(name)), settings);
        new Client(backend.url()).awaitReady();
        return backend;
    }

    private static Map<Pcs, String> submit(ServedBackend backend, int first, int last) throws Exception {
        Client client = new Client(backend.url());
        Map<Pcs, String> answers = new HashMap<>();
        for (int i = first; i <= last; i++) {
            Answer answer = client.submit(Pcs.number(i));
            assertThat(answer.status()).isEqualTo(200);
            answers.put(Pcs.number(i), answer.body());
        }
        return answers;
    }

    private static void assertAnswered(ServedBackend backend, Map<Pcs, String> answers) throws Exception {
        Client client = new Client(backend.url());
        for (Map.Entry<Pcs, String> answer : answers.entrySet()) {
            assertThat(client.get("/v1/pcs/" + answer.getKey().id()).body()).isEqualTo(answer.getValue());
        }
    }

    @Test
    void machineIsLost_anotherGoesOnWithTheLog_andTheOldOneIsRefusedAndSetAside() throws Exception {
        Map<String, String> settings = settings("moved");
        Map<Pcs, String> answers = new HashMap<>();
        String reviews;
        try (BackendProcess backend = start("a", settings)) {
            answers.putAll(submit(backend, 1, 99));
            reviews = reviewed(backend, answers);
            backend.program().kill();
        }
        try (BackendProcess elsewhere = BackendProcess.of(launch("b", settings, "serve", "--take-over"))) {
            new Client(elsewhere.url()).awaitReady();
            assertThat(elsewhere.allLines()).contains("it is restored from the copy");
            assertAnswered(elsewhere, answers);
            Client client = new Client(elsewhere.url());
            Client.awaitUntil(() -> client.get(REVIEWED).body().equals(reviews));
            answers.putAll(submit(elsewhere, 101, 120));
            assertAnswered(elsewhere, answers);
            assertThat(LogFiles.inbox(directory.resolve("b/data/wal")).entries().stream()
                            .filter(entry -> entry.kind() == 's')
                            .map(LogFiles.Entry::body))
                    .containsExactlyInAnyOrderElementsOf(
                            answers.keySet().stream().map(Pcs::json).toList());
            int unused = elsewhere.program().terminate();
            assertThat(elsewhere.allLines()).doesNotContain("could not be stored");
        }
        assertRepairedFromTheCopy(directory.resolve("b/data/wal"), settings);
        assertOlderDiskIsSetAside(settings, answers);
    }

    /** Reviews an escalated certificate, and then once more; returns the list of reviews. */
    private static String reviewed(BackendProcess backend, Map<Pcs, String> answers) throws Exception {
        Client client = new Client(backend.url());
        Pcs escalated = Pcs.number(100).with("regime", "\"sticky\"");
        answers.put(escalated, client.submit(escalated).body());
        for (String verdict : List.of("fault", "expected")) {
            String review = "{\"ids\":[\"" + escalated.id() + "\"],\"verdict\":\"" + verdict
                    + "\",\"note\":\"a note\",\"author\":\"anna\"}";
            Client.awaitUntil(() -> client.send(client.request("/v1/reviews")
                                    .header("Content-Type", "application/json")
                                    .PUT(BodyPublishers.ofString(review)))
                            .status()
                    == 200);
        }
        String reviews = client.get(REVIEWED).body();
        assertThat(reviews).contains("\"version\":2,\"verdict\":\"expected\",\"note\":\"a note\",\"author\":\"anna\"");
        return reviews;
    }

    private static void assertRepairedFromTheCopy(Path wal, Map<String, String> settings) throws IOException {
        LogFiles.Place place = LogFiles.inbox(wal).flip(Pcs.number(110));

        Command repaired = Command.ofBackend(settings, "wal", "repair", "--dir", wal.toString())
                .exits(0);

        assertThat(repaired.out())
                .contains(place.segment() + "\n    is taken from the copy in the topic flk.inbox.moved\n")
                .endsWith("\nrepaired: 0 records lost in " + wal + "\n");
        assertThat(Command.ofBackend(settings, "wal", "verify", "--dir", wal.toString())
                        .exits(0)
                        .out())
                .contains("whole: 122 records");
    }

    private void assertOlderDiskIsSetAside(Map<String, String> settings, Map<Pcs, String> answers) throws Exception {
        Path wal = directory.resolve("a/data/wal");
        try (Program older = launch("a", settings, "serve", "--take-over")) {
            older.awaitLine(line -> line.contains("the copy continues after the end of this machine's log"));
            assertThat(older.awaitExit()).isEqualTo(4);
        }

        Command aside = Command.ofBackend(settings, "wal", "set-aside", "--dir", wal.toString())
                .exits(0);

        assertThat(aside.out()).contains("the copy in the topic flk.inbox.moved has all records of this disk");
        assertThat(wal).doesNotExist();
        try (Stream<Path> beside = Files.list(wal.getParent())) {
            assertThat(beside).anyMatch(path -> path.getFileName().toString().startsWith("wal.aside-"));
        }
        try (ServedBackend backend = takeOver("a", settings)) {
            assertAnswered(backend, answers);
            assertAnswered(backend, submit(backend, 121, 130));
            Client client = new Client(backend.url());
            Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
            assertThat(backend.allLines()).doesNotContain("has a gap");
        }
    }

    private ServedBackend takeOver(String name, Map<String, String> settings) throws Exception {
        ServedBackend backend =
                BackendInJvm.start(Files.createDirectories(directory.resolve(name)), settings, "serve", "--take-over");
        new Client(backend.url()).awaitReady();
        return backend;
    }

    private Program launch(String name, Map<String, String> settings, String... args) throws IOException {
        Path home = Files.createDirectories(directory.resolve(name));
        return Program.java("flk-backend", home, ServedBackend.environment(home, settings), Program.QUICK_START, args);
    }

    @Test
    void takeOver_theOldBackendAnswersNothingMore_andEndsWithACodeOfItsOwn() throws Exception {
        Map<String, String> settings = settings("taken-over");
        try (BackendProcess old = start("old", settings)) {
            Map<Pcs, String> answers = new HashMap<>(submit(old, 1, 20));
            try (Program waiting = launch("new", settings)) {
                waiting.awaitLine(
                        line -> line.contains("ERROR") && line.contains("the log belongs to another backend"));
                answers.putAll(submit(old, 21, 40));
            }
            try (ServedBackend taking = takeOver("new", settings)) {
                assertAnswered(taking, answers);

                old.program().awaitLine(line -> line.contains("ERROR") && line.contains(" has claimed it"));
                Client toOld = new Client(old.url());
                assertThat(toOld.submit(Pcs.number(99)).status()).isEqualTo(500);
                Answer ready = toOld.get("/readyz");
                assertThat(ready.status()).isEqualTo(503);
                assertThat(ready.body()).contains("\"copy\"", "another backend owns the log: instance ");
                assertThat(old.program().awaitExit()).isEqualTo(4);

                answers.putAll(submit(taking, 41, 60));
                assertAnswered(taking, answers);
                assertThat(new Client(taking.url()).get("/metrics").body())
                        .containsPattern("(?m)^flk_copy_up 1\\.0$")
                        .containsPattern("(?m)^flk_copy_behind_records 0\\.0$");
            }
        }
    }

    @Test
    void brokersDown_certificatesAreLoggedAndAnswered503_andRecordedOnceTheBrokersAreBack() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, settings("outage"))) {
            Map<Pcs, String> answers = submit(backend, 1, 5);
            Client client = new Client(backend.url());
            KAFKA.stop(1);
            KAFKA.stop(2);

            Answer refused = client.submit(Pcs.number(6));

            assertThat(refused.status()).isEqualTo(503);
            assertThat(refused.body()).contains("dedup store unavailable");
            Answer ready = client.get("/readyz");
            assertThat(ready.status()).isEqualTo(503);
            assertThat(ready.body()).contains("\"copy\"", "Kafka at ", "topic flk.inbox.outage");
            assertThat(client.metric("flk_copy_up")).isZero();
            assertThat(client.metric("flk_copy_behind_records")).isEqualTo(1);

            KAFKA.restart();
            client.awaitReady();
            client.awaitNothingPending();
            answers.putAll(submit(backend, 6, 10));
            assertAnswered(backend, answers);
            assertThat(client.metric("flk_copy_behind_records")).isZero();
            assertThat(client.metric("flk_copy_lost_total")).isZero();
        } finally {
            KAFKA.restart();
        }
    }
}
