// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.operate.cli.CommandLineProgram;
import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.backend.outcomes.embedded.OutcomesBackup;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import dev.flk.program.json.Json;
import dev.flk.program.logging.Audit;
import dev.flk.program.logging.Audit.AuditMetrics;
import dev.flk.view.RocksCopy;
import dev.flk.view.RocksView;
import dev.flk.wal.Log;
import dev.flk.wal.files.DiskFiles;
import java.io.Closeable;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of backups of the outcomes, over HTTP and by the command {@code outcomes}. */
final class BackupHandlerTest {
    private static final byte[] KEY = {7};

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @TempDir
    private Path parent;

    private Path dedupDir;
    private RocksView view;
    private Audit audit;
    private volatile Optional<Instant> incompleteBefore = Optional.empty();
    private volatile boolean isAsked;
    private volatile CountDownLatch mayContinue = new CountDownLatch(0);

    @BeforeEach
    void start() throws Exception {
        dedupDir = parent.resolve("dedup");
        view = EmbeddedStore.openView(dedupDir, 0, System::nanoTime, () -> {});
        view.use(open -> {
            open.rocks().put(KEY, new byte[] {1});
            return open;
        });
        audit = Audit.open(
                parent.resolve("audit"), InstantSource.system(), System::nanoTime, new AuditMetrics(server.metrics));
        server.backup = new OutcomesBackup(
                view,
                RocksCopy.Others.none(),
                "the-log",
                () -> 7,
                this::incompleteBefore,
                () -> ServerFixture.NOW,
                audit);
    }

    private Optional<Instant> incompleteBefore() {
        isAsked = true;
        try {
            mayContinue.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        return incompleteBefore;
    }

    @AfterEach
    void close() {
        view.close();
        audit.close();
    }

    private Reply post(String body) throws IOException {
        return ask(body).read();
    }

    private RawClient ask(String body) throws IOException {
        return server.connect()
                .send("POST /v1/outcomes/backup HTTP/1.1\nHost: h\nContent-Length: "
                        + body.getBytes(StandardCharsets.UTF_8).length + "\n\n" + body);
    }

    private static String body(Path directory) {
        return "{\"directory\":\"" + directory + "\"}";
    }

    private String audited() throws IOException {
        return Files.readString(parent.resolve("audit/audit.jsonl"));
    }

    private String run(int exitCode, String... command) {
        StringWriter printed = new StringWriter();
        PrintWriter out = new PrintWriter(printed);
        Map<String, String> environment = Map.of(
                "PCS_SIGN_ALG", "none",
                "WAL_DIR", parent.resolve("wal").toString(),
                "DEDUP_DIR", parent.resolve("again").toString());
        int ended = new CommandLineProgram(environment, (config, again) -> {}, out, out).run(command);
        assertThat(ended).as(printed.toString()).isEqualTo(exitCode);
        return printed.toString().replaceAll("\\s+", " ").strip();
    }

    @Test
    void post_newDirectory_saysWhatWasCopiedAndIsAudited() throws Exception {
        Path copy = parent.resolve("a copy");
        Reply reply = post(body(copy));

        assertThat(reply.status()).as(reply.body()).isEqualTo(200);
        assertThat(reply.body())
                .startsWith("{\"directory\":\"" + copy
                        + "\",\"complete_up_to\":7,\"log_id\":\"the-log\",\"made_at\":\"2026-01-09T10:30:45Z\","
                        + "\"bytes\":");
        assertThat(audited())
                .contains("\"event\":\"outcomes_backup\"", "\"user\":\"local\"", "\"complete_up_to\":\"7\"");
        OutcomesBackup.restore(copy, parent.resolve("again"));
        try (RocksView restored = EmbeddedStore.openView(parent.resolve("again"), 0, System::nanoTime, () -> {})) {
            assertThat(restored.<byte[]>use(open -> open.rocks().get(KEY))).containsExactly(1);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "x|the body is not JSON",
                "{}|the body is not an object with the member directory only",
                "{\"directory\":7}|the body is not an object with the member directory only",
                "{\"directory\":\"/x\",\"other\":1}|the body is not an object with the member directory only",
                "{\"directory\":\"x\"}|directory is not an absolute path",
                "{\"directory\":\"/\"}|directory is not an absolute path",
                "{\"directory\":\"PARENT/dedup\"}|already exists; choose another directory",
                "{\"directory\":\"PARENT/none/x\"}|none is not a directory on the backend's machine; create it first",
                "{\"directory\":\"PARENT/dedup/x\"}|is inside DEDUP_DIR, and would be lost with it"
            })
    void post_mistake_isRefused(String body, String message) throws IOException {
        Reply reply = post(body.replace("PARENT", parent.toString()));
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.body()).contains(message);
    }

    @Test
    void post_recordIsIncomplete_isRefused() throws IOException {
        incompleteBefore = Optional.of(Instant.EPOCH);
        Reply reply = post(body(parent.resolve("copy")));
        assertThat(reply.status()).isEqualTo(409);
        assertThat(reply.body()).contains("outcomes from before 1970-01-01T00:00:00Z may be missing; try again when ");
        assertThat(parent.resolve("copy")).doesNotExist();
    }

    @Test
    void post_anotherBackupIsBeingMade_isRefusedUntilThatHasEnded() throws IOException {
        mayContinue = new CountDownLatch(1);
        RawClient first = ask(body(parent.resolve("first")));
        await().until(() -> isAsked);
        Reply other = post(body(parent.resolve("second")));
        assertThat(other.status()).isEqualTo(409);
        assertThat(other.body()).contains("another backup is being made");
        mayContinue.countDown();
        assertThat(first.read().status()).isEqualTo(200);
        await().untilAsserted(() ->
                assertThat(post(body(parent.resolve("third"))).status()).isNotEqualTo(409));
        assertThat(parent.resolve("second")).doesNotExist();
        assertThat(parent.resolve("third")).exists();
    }

    @Test
    void post_interruptedBackupIsInTheWay_namesItAndIsAudited() throws IOException {
        Files.createDirectory(parent.resolve("copy.part"));
        Reply reply = post(body(parent.resolve("copy")));
        assertThat(reply.status()).isEqualTo(500);
        assertThat(reply.body()).contains("the backup failed: ", "copy.part exists: a copy is being made, or was");
        assertThat(audited()).contains("\"event\":\"outcomes_backup_failed\"", "\"problem\":");
    }

    @Test
    void post_noOutcomesInDedupDir_saysWhatToUse() throws IOException {
        server.backup = null;
        Reply reply = post(body(parent.resolve("copy")));
        assertThat(reply.status()).isEqualTo(404);
        assertThat(reply.body()).contains("has no outcomes in DEDUP_DIR; copy outcomes in Postgres with pg_dump");
    }

    @Test
    void commands_backUpAndRestore() throws Exception {
        String url = "--url=http://127.0.0.1:" + server.port();
        String copy = parent.resolve("copy").toString();
        assertThat(run(0, "outcomes", "backup", copy, url))
                .matches(copy + ": complete up to record 7 of the log, [0-9.]+ KiB");
        assertThat(run(1, "outcomes", "backup", copy, url)).contains("400: " + copy + " already exists");
        String json = run(0, "outcomes", "backup", copy + "-2", "--json", url);
        assertThat(Json.parse(json).path("complete_up_to").asLong()).isEqualTo(7);

        assertThat(run(0, "outcomes", "restore", copy))
                .startsWith("restored to " + parent.resolve("again")
                        + ": complete up to record 7 of the log, made at 2026-01-09T10:30:45Z. The next start reads")
                .contains("X-Flk-Gap");
        assertThat(run(1, "outcomes", "restore", copy)).contains(parent.resolve("again") + " is not empty");
        Files.move(parent.resolve("again"), parent.resolve("first"));
        String restored = run(0, "outcomes", "restore", copy, "--json");
        assertThat(Json.parse(restored).path("complete_up_to").asLong()).isEqualTo(7);
        assertThat(Json.parse(restored).path("directory").asText())
                .isEqualTo(parent.resolve("again").toString());
    }

    @Test
    void restore_backendRuns_isRefused() throws IOException {
        assertThat(post(body(parent.resolve("copy"))).status()).isEqualTo(200);
        Path wal = Files.createDirectory(parent.resolve("wal"));
        Closeable lock = new DiskFiles().lock(wal.resolve(Log.LOCK_FILE), "the test");
        try {
            assertThat(run(1, "outcomes", "restore", parent.resolve("copy").toString()))
                    .contains(wal + " is in use by the test; stop the backend first");
        } finally {
            lock.close();
        }
        assertThat(parent.resolve("again")).doesNotExist();
    }

    @Test
    void restore_noBackup_isRefusedAndCreatesNothing() {
        assertThat(run(1, "outcomes", "restore", parent.toString())).contains("is not a backup: it has no copy.txt");
        assertThat(parent.resolve("again")).doesNotExist();
    }
}
