// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static dev.flk.backend.outcomes.DedupStoreContract.id;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.redis.RedisStore;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Secret;
import dev.flk.program.logging.LogCapture;
import dev.flk.testkit.FreePort;
import dev.flk.testkit.RedisServer;
import dev.flk.testkit.ServerProcess;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of the store with faulty servers: it fails within bounded time, reports the reason, and works again after a
 * connect.
 */
final class RedisStoreOutageTest extends OutageContract {
    private static final String LOG_ID = "00112233445566778899aabbccddeeff";
    private static final String PASSWORD = "s3cr3t-pa55";
    /** The number of refused logins in a test. A refusal that is lost in a race is lost in one of some hundred logins. */
    private static final int LOGINS = 200;

    @TempDir
    private Path directory;

    @Override
    ServerProcess durableServer() {
        return server("--appendonly", "yes", "--appendfsync", "always");
    }

    @Override
    DedupStore open(ServerProcess server, Duration timeout) {
        return store("redis://127.0.0.1:" + server.port(), timeout);
    }

    @Override
    String refused() {
        return " refused the connection; start it, or correct REDIS_URI or REDIS_ADDR";
    }

    @Override
    String timedOut() {
        return "did not answer within 700ms";
    }

    /** Also checks that no cause contains the password. */
    @Override
    String failureOf(CompletionStage<?> stage) {
        Throwable failure = catchThrowable(() -> now(stage)).getCause();
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            assertThat(String.valueOf(cause.getMessage())).doesNotContain(PASSWORD);
        }
        return super.failureOf(stage);
    }

    private RedisServer server(String... arguments) {
        RedisServer server = RedisServer.start(directory.resolve("redis"), arguments);
        opened.add(server);
        return server;
    }

    private DedupStore store(String uri, Duration timeout) {
        DedupStore store = RedisStore.open(new RedisConfig(new Secret(uri), timeout), LOG_ID, InstantSource.system());
        opened.add(store);
        return store;
    }

    private DedupStore connected(RedisServer server) {
        DedupStore store = store(server.uri(), PATIENT);
        now(store.connect());
        return store;
    }

    @Test
    void hostWithAnUnderscore_isNotTakenTogetherWithThePort() {
        assertThat(store("redis://no_such_host:6380", PATIENT).connect())
                .failsWithin(Duration.ofSeconds(60))
                .withThrowableThat()
                .withMessageContaining("no_such_host:6380 ");
    }

    /** Checks that a cluster is refused, although it accepts commands whose keys are all in one slot. */
    @Test
    void connect_cluster_isRefusedBeforeAnyWrite() {
        RedisServer server = server("--cluster-enabled", "yes");
        List<String> all = new ArrayList<>(List.of("CLUSTER", "ADDSLOTS"));
        for (int slot = 0; slot < 16_384; slot++) {
            all.add(Integer.toString(slot));
        }
        assertThat(server.send(all.toArray(String[]::new))).containsExactly("+OK");
        DedupStore store = store(server.uri(), PATIENT);

        await().until(() -> failureOf(store.connect()).contains("CROSSSLOT"));

        assertThat(failureOf(store.connect())).contains("is a Redis Cluster; set REDIS_CLUSTER=on");
        assertThat(server.send("DBSIZE")).containsExactly(":0");
    }

    @Test
    void connect_unknownHost_saysSo() {
        assertThat(failureOf(store("redis://no-such-host.invalid:6379", PATIENT).connect()))
                .startsWith("no-such-host.invalid:6379 can't be found");
    }

    private RedisServer sentinelOf(RedisServer primary, String... more) {
        List<String> configuration = new ArrayList<>(List.of(more));
        configuration.add("sentinel monitor flk 127.0.0.1 " + primary.port() + " 1");
        RedisServer sentinel =
                RedisServer.startSentinel(directory.resolve("sentinel"), configuration.toArray(String[]::new));
        opened.add(sentinel);
        return sentinel;
    }

    private DedupStore storeOf(String sentinels) {
        return store("redis-sentinel://" + sentinels, PATIENT);
    }

    @Test
    void connect_oneOfTheSentinelsAnswers_works() {
        RedisServer sentinel = sentinelOf(server());
        assertThat(now(storeOf("127.0.0.1:" + FreePort.choose() + ",127.0.0.1:" + sentinel.port() + "/0#flk")
                        .connect()))
                .isEmpty();
    }

    @Test
    void connect_noSentinelAnswers_namesTheSentinels() {
        String sentinel = "127.0.0.1:" + FreePort.choose();
        assertThat(failureOf(storeOf(sentinel + "#flk").connect()))
                .isEqualTo("the primary flk of the Sentinels " + sentinel + " can't be looked up: the last Sentinel"
                        + " refused the connection at " + sentinel
                        + "; start it, or correct REDIS_URI or REDIS_ADDR");
    }

    @Test
    void connect_nameUnknownToTheSentinels_saysSo() {
        String sentinel = "127.0.0.1:" + sentinelOf(server()).port();
        assertThat(failureOf(storeOf(sentinel + "#other").connect()))
                .isEqualTo("the primary other of the Sentinels " + sentinel
                        + " is not known to them; correct the name after the # in REDIS_URI");
    }

    @Test
    void connect_primaryOfTheSentinelsIsDown_namesThePrimary() {
        RedisServer primary = server();
        RedisServer sentinel = sentinelOf(primary, "sentinel down-after-milliseconds flk 60000");
        primary.kill();
        assertThat(failureOf(storeOf("127.0.0.1:" + sentinel.port() + "#flk").connect()))
                .startsWith("the primary flk of the Sentinels 127.0.0.1:" + sentinel.port()
                        + " refused the connection at 127.0.0.1:" + primary.port() + ";");
    }

    @Test
    void connect_sentinelRequiresAPassword_saysItMustNot() {
        RedisServer sentinel = sentinelOf(server(), "requirepass another");
        DedupStore store = storeOf(":" + PASSWORD + "@127.0.0.1:" + sentinel.port() + "#flk");
        for (int i = 0; i < LOGINS; i++) {
            assertThat(failureOf(store.connect()))
                    .contains(
                            "the last Sentinel asks for a password", "Sentinels that ask for a password can't be used");
        }
    }

    @Test
    void connect_wrongPassword_saysSoWithoutShowingIt_andTheRightOneWorks() {
        RedisServer server = server("--requirepass", "another");
        DedupStore wrong = store("redis://:" + PASSWORD + "@127.0.0.1:" + server.port(), PATIENT);
        DedupStore without = store(server.uri(), PATIENT);
        for (int i = 0; i < LOGINS; i++) {
            assertThat(failureOf(wrong.connect())).contains("does not accept this user name and password");
            assertThat(failureOf(without.connect())).contains("asks for a password");
        }
        assertThat(now(store("redis://:another@127.0.0.1:" + server.port(), PATIENT)
                        .connect()))
                .isEmpty();
    }

    @Test
    void connect_userWithTheDocumentedPermissions_works() {
        RedisServer server = server();
        String permissions = "~flk:* resetchannels -@all +get +set +mget +eval +config|get +hello +auth +ping +select "
                + "+client|setname";
        server.send(("ACL SETUSER flk on >" + PASSWORD + " " + permissions).split(" "));
        DedupStore store = store("redis://flk:" + PASSWORD + "@127.0.0.1:" + server.port() + "/0", PATIENT);
        now(store.connect());
        StoredOutcome mine = recorded(1, "a");
        assertThat(put(store, 1, mine)).containsExactly(mine);
        assertThat(now(store.noteEvidence(id(1), mine.digest(), mine.expiresAtMillis())))
                .isTrue();
        assertThat(now(store.knowsEvidence(id(1), mine.digest()))).isTrue();

        server.send("ACL", "SETUSER", "flk", "-eval");
        assertThat(failureOf(store.putIfAbsent(List.of(), 2))).contains("docs/redis.md has the ACL");
    }

    @Test
    void connect_replica_saysItAcceptsNoWrites() {
        RedisServer server = server();
        server.send("REPLICAOF", "127.0.0.1", "1");
        assertThat(failureOf(store(server.uri(), PATIENT).connect())).contains("is a replica and accepts no writes");

        server.send("REPLICAOF", "NO", "ONE");
        assertThat(now(store(server.uri(), PATIENT).connect())).isEmpty();
    }

    @Test
    void put_tooFewReplicas_fails() {
        RedisServer server = server();
        DedupStore store = connected(server);
        server.send("CONFIG", "SET", "min-replicas-to-write", "1");
        assertThat(failureOf(store.putIfAbsent(List.of(recorded(1, "a")), 1))).contains("min-replicas-to-write");
    }

    @Test
    void put_noMemory_writesNothingAtAll() {
        RedisServer server = server();
        DedupStore store = connected(server);
        put(store, 41, recorded(1, "a"));
        server.send("CONFIG", "SET", "maxmemory", "1");
        String before = server.send("GET", "flk:position:" + LOG_ID).get(0);
        assertThat(failureOf(store.putIfAbsent(List.of(recorded(2, "b"), recorded(3, "c")), 42)))
                .contains("has no memory left (maxmemory)");
        assertThat(server.send("GET", "flk:position:" + LOG_ID)).containsExactly(before);
        assertThat(server.send("DBSIZE")).containsExactly(":2");
        assertThat(failureOf(store.connect())).contains("has no memory left");

        server.send("CONFIG", "SET", "maxmemory", "0");
        assertThat(now(store.connect())).hasValue(41);
    }

    @Test
    void put_snapshotFailed_saysWhy() throws Exception {
        RedisServer server = server();
        DedupStore store = connected(server);
        put(store, 1, recorded(1, "a"));
        Path gone = Files.createDirectory(directory.resolve("gone"));
        server.send("CONFIG", "SET", "save", "3600 1");
        server.send("CONFIG", "SET", "dir", gone.toString());
        Files.delete(gone);
        server.send("BGSAVE");
        await().until(() -> server.send("INFO", "persistence").get(0).contains("rdb_last_bgsave_status:err"));
        assertThat(failureOf(store.putIfAbsent(List.of(recorded(2, "b")), 2)))
                .contains("can't write to its disk and therefore accepts no writes; its own log says why (MISCONF ");

        server.send("CONFIG", "SET", "dir", directory.toString());
        server.send("BGSAVE");
        await().until(() -> server.send("INFO", "persistence").get(0).contains("rdb_last_bgsave_status:ok"));
        assertThat(now(store.connect())).hasValue(1);
    }

    @Test
    void connect_serverLoadsItsData_saysSo() {
        RedisServer server = server("--rdbcompression", "no");
        server.send("DEBUG", "POPULATE", "24", "large", "2100000");
        server.send("SAVE");
        server.kill();
        server.restartLoading("--key-load-delay", "500000");
        assertThat(failureOf(store(server.uri(), PATIENT).connect())).contains("is still loading its data");
    }

    @Test
    void connect_serverThatMayLoseOutcomes_warnsOnceOfEachSetting() {
        try (LogCapture log = new LogCapture("dev.flk.backend.dedup", Level.WARN)) {
            RedisServer server = server("--maxmemory-policy", "allkeys-lru", "--appendonly", "no");
            DedupStore store = connected(server);
            now(store.connect());
            await().until(() -> !log.lines("appendonly no").isEmpty());
            assertThat(log.lines("WARN"))
                    .satisfiesExactly(
                            line -> assertThat(line)
                                    .contains("maxmemory-policy allkeys-lru", "set maxmemory-policy noeviction"),
                            line -> assertThat(line).contains("set appendonly yes"));
        }
    }

    @Test
    void reconnect_outstandingCallsFail() {
        RedisServer server = server();
        DedupStore store = connected(server);
        server.pause();
        CompletionStage<List<StoredOutcome>> outstanding = store.putIfAbsent(List.of(recorded(1, "a")), 1);
        CompletionStage<OptionalLong> reconnected = store.connect();
        assertThat(failureOf(outstanding)).contains("is being connected again");
        server.resume();
        now(reconnected);
        assertThat(put(store, 2, recorded(2, "b"))).hasSize(1);
    }

    @Test
    void connect_serverWithoutTls_saysSo() {
        assertThat(failureOf(store("rediss://127.0.0.1:" + server().port(), IMPATIENT)
                        .connect()))
                .contains("TLS");
    }
}
