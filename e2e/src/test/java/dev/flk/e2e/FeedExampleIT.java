// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.sample.Pcs;
import dev.flk.testkit.PostgresServer;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@code examples/feed}, and of the program in {@code docs/feeds.md}, against Postgres. */
@Tag("thorough")
final class FeedExampleIT {
    private static final Path PROGRAM =
            Built.root().resolve("examples/feed/outcomes-to-postgres.py").normalize();
    private static final Pattern BLOCK = Pattern.compile("(?s)```(python|sql)\n(.*?)```");
    private static final int BATCH = 200;
    private static final int BATCHES = Integer.getInteger("flk.batches", 12);
    private static final int UNUSABLE_CURSOR = 2;

    /** A shard whose name is one line of JSON, although many programs would see four. */
    private static final String ODD_SHARD = "\"a\\u0000\\\\u0000\u2028\u0085\"";

    @TempDir
    private static Path installed;

    private static PostgresServer server;
    private static Path python;

    @TempDir
    private Path directory;

    private final Random random = new Random(75);
    private final Map<String, String> settings = new HashMap<>();
    private String database;
    private String url;
    private long next = 1;

    @BeforeAll
    static void install() throws Exception {
        python = HostProgram.orSkip("python3", "python3-venv", installed).path();
        if (run("-c", "import psycopg").exitCode() != 0) {
            run("-m", "venv", installed.resolve("venv").toString());
            python = installed.resolve("venv/bin/python");
            String printed =
                    run("-m", "pip", "install", "--quiet", "psycopg[binary]").output();
            assumeTrue(
                    run("-c", "import psycopg").exitCode() == 0,
                    "not tried out: python3 has no psycopg; on Debian and Ubuntu the package python3-psycopg has it. "
                            + printed);
        }
        server = PostgresServer.start();
    }

    @AfterAll
    static void stop() {
        if (server != null) {
            server.close();
        }
    }

    @BeforeEach
    void create() {
        database = server.newDatabase();
    }

    private static HostProgram.Ended run(String... arguments) throws IOException, InterruptedException {
        return new HostProgram(python, installed).run(arguments);
    }

    private BackendProcess start() throws IOException {
        BackendProcess backend = BackendProcess.start(directory, settings);
        settings.put("PORT", Integer.toString(backend.port())); // the same after a restart
        url = backend.url();
        new Client(url).awaitReady();
        return backend;
    }

    private Map<String, String> environment() {
        return Map.of(
                "FLK_URL",
                url,
                "PGHOST",
                "127.0.0.1",
                "PGPORT",
                Integer.toString(server.port()),
                "PGUSER",
                "postgres",
                "PGPASSWORD",
                PostgresServer.PASSWORD,
                "PGDATABASE",
                database);
    }

    private Program follow(String... options) throws IOException {
        return Program.host(python, directory, environment(), PROGRAM, options);
    }

    /** Copies all events up to now. */
    private Program copied() throws IOException {
        try (Program once = follow("--once")) {
            once.awaitExit();
            return once;
        }
    }

    /** Submits new certificates; every third one is not accepted. */
    private void submit(int certificates) throws IOException, InterruptedException {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < certificates; i++, next++) {
            Pcs pcs = Pcs.number(next).with("D_hat", next % 3 == 0 ? "1.9" : "1.0");
            lines.append((next % 50 == 0 ? pcs.with("shard_id", ODD_SHARD) : pcs).json())
                    .append('\n');
        }
        Client client = new Client(url);
        assertThat(client.batch(lines.toString()).status()).isEqualTo(200);
        client.awaitNothingPending();
        Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
    }

    private long rows(String condition) {
        return server.number(database, "SELECT count(*) FROM flk_events WHERE " + condition);
    }

    private void review() {
        String id = Pcs.number(3).with("D_hat", "1.9").id().toString();
        String body = "{\"ids\":[\"" + id + "\"],\"verdict\":\"expected\",\"note\":\"\u2028\",\"author\":\"anna\"}";
        Client client = new Client(url);
        Client.awaitUntil(() -> client.send(client.request("/v1/reviews")
                                .header("Content-Type", "application/json")
                                .PUT(HttpRequest.BodyPublishers.ofString(body)))
                        .status()
                == 200); // a backend that has just started may not have opened its record yet
    }

    @Test
    void programInTheDocs_copiesOnePartAfterTheOther() throws Exception {
        Map<String, List<String>> blocks = new HashMap<>();
        BLOCK.matcher(Files.readString(Built.root().resolve("docs/feeds.md")))
                .results()
                .forEach((MatchResult block) -> blocks.computeIfAbsent(block.group(1), language -> new ArrayList<>())
                        .add(block.group(2)));
        server.execute(database, blocks.get("sql").get(0));
        try (BackendProcess backend = start()) {
            Path program = Files.writeString(
                    directory.resolve("one-part.py"),
                    blocks.get("python").get(0).replace("http://localhost:8080", backend.url()));
            submit(40);
            runsOnce(program);
            assertThat(rows("kind = 'outcome'")).isEqualTo(40);

            submit(5);
            review();
            runsOnce(program);
            assertThat(rows("kind = 'outcome'")).isEqualTo(45);
            assertThat(rows("kind = 'review' AND event->'review'->>'author' = 'anna'"))
                    .isEqualTo(1);
            assertThat(rows("event->>'verdict' <> 'accepted'")).isEqualTo(15);
        }
    }

    private void runsOnce(Path program) throws IOException {
        try (Program copy = Program.host(python, directory, environment(), program)) {
            assertThat(copy.awaitExit()).as(copy.allLines()).isZero();
        }
    }

    @Test
    void example_killsAndOutages_hasEachOutcomeAndReview() throws Exception {
        BackendProcess backend = start();
        Program follower = follow();
        try {
            for (int batch = 1; batch <= BATCHES; batch++) {
                submit(BATCH);
                switch (random.nextInt(4)) {
                    case 0 -> {
                        follower.kill();
                        follower = follow();
                    }
                    case 1 -> {
                        backend.program().kill();
                        backend = start();
                    }
                    case 2 -> {
                        server.kill();
                        server.restart();
                    }
                    default ->
                        assertThat(follower.isAlive()).as(follower.allLines()).isTrue();
                }
            }
            review();
            Client.awaitUntil(() -> rows("kind = 'review'") == 1);
            assertThat(follower.isAlive()).as(follower.allLines()).isTrue();
            assertThat(follower.terminate()).isZero();
            assertThat(rows("kind = 'outcome'")).isEqualTo(next - 1);
            assertThat(rows("event->>'verdict' <> 'accepted'")).isEqualTo((next - 1) / 3);
            assertThat(rows("event->>'shard_id' = E'a\uFFFD\\\\u0000\u2028\u0085'"))
                    .isEqualTo((next - 1) / 50);
        } finally {
            follower.close();
            backend.close();
        }
    }

    @Test
    void example_olderCopyOfTheBackend_beginsAgain() throws Exception {
        Path data = directory.resolve("data");
        Path copy = directory.resolve("copy");
        try (BackendProcess backend = start()) {
            submit(30);
            assertThat(backend.program().terminate()).isEqualTo(143);
        }
        copyTree(data, copy);
        try (BackendProcess backend = start()) {
            submit(30);
            assertThat(copied().allLines()).isEmpty();
            backend.program().kill();
        }
        copyTree(data, directory.resolve("newer"));
        remove(data);
        copyTree(copy, data);
        try (BackendProcess backend = start()) {
            next += 1_000;
            submit(40);
            assertThat(copied().allLines()).contains("beginning again, 410: ");
            assertThat(rows("kind = 'outcome'")).isEqualTo(100);
            assertThat(backend.program().isAlive()).isTrue();
        }
    }

    @Test
    void example_anotherLog_endsWithCode2() throws Exception {
        try (BackendProcess backend = start()) {
            submit(30);
            assertThat(copied().allLines()).isEmpty();
            backend.program().kill();
        }
        remove(directory.resolve("data"));
        try (BackendProcess backend = start()) {
            submit(30);
            Program once = copied();
            assertThat(once.awaitExit()).isEqualTo(UNUSABLE_CURSOR);
            assertThat(once.allLines())
                    .contains("the cursor can't be used, 400: ")
                    .contains("the cursor belongs to another backend");
            assertThat(rows("kind = 'outcome'")).isEqualTo(30);
            assertThat(backend.program().isAlive()).isTrue();
        }
    }

    private static void copyTree(Path from, Path to) throws IOException, InterruptedException {
        assertThat(new ProcessBuilder("cp", "-a", from.toString(), to.toString())
                        .start()
                        .waitFor())
                .isZero();
    }

    private static void remove(Path tree) throws IOException, InterruptedException {
        assertThat(new ProcessBuilder("rm", "-r", tree.toString()).start().waitFor())
                .isZero();
    }
}
