// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.redis.RedisStore;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Secret;
import dev.flk.testkit.RedisServer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RedisStoreTest extends SharedStoreContract {
    private static final String POSITION_KEY = "flk:position:" + LOG_ID;

    @TempDir
    private static Path serverDirectory;

    private static RedisServer server;

    @BeforeAll
    static void startServer() {
        server = RedisServer.start(serverDirectory);
    }

    @AfterAll
    static void endServer() {
        server.close();
    }

    RedisStoreTest() {
        server.send("FLUSHALL");
    }

    @Override
    DedupStore openFor(String logId) {
        return RedisStore.open(new RedisConfig(new Secret(server.uri()), Duration.ofSeconds(10)), logId, this::now);
    }

    @Override
    void loseEverything() {
        server.send("FLUSHALL");
    }

    @Override
    Runnable snapshot() {
        for (String key : server.send("KEYS", "*")) {
            server.send("COPY", key, key, "DB", "1");
        }
        return () -> server.send("SWAPDB", "0", "1");
    }

    @Override
    Runnable failoverAndBack() {
        RedisServer standby = RedisServer.start(serverDirectory.resolve("standby"));
        follow(standby, server);
        standby.send("REPLICAOF", "NO", "ONE");
        return () -> {
            follow(server, standby);
            server.send("REPLICAOF", "NO", "ONE");
            standby.close();
        };
    }

    private static void follow(RedisServer replica, RedisServer primary) {
        primary.send("CONFIG", "SET", "repl-diskless-sync-delay", "0");
        replica.send("REPLICAOF", "127.0.0.1", Integer.toString(primary.port()));
        await().until(() -> replica.send("INFO", "replication").get(0).contains("master_link_status:up"));
    }

    @Test
    void connect_whileConnecting_leavesOneConnection() {
        for (int i = 0; i < 20; i++) {
            var unused = store.connect();
            store.connect().toCompletableFuture().join();
        }

        await().untilAsserted(() -> assertThat(server.send("CLIENT", "LIST").stream()
                        .flatMap(String::lines)
                        .filter(client -> client.contains("name=flk-backend")))
                .hasSize(1));
    }

    @Test
    void put_outcomesExpire_theirPositionStays() {
        put(41, recorded(1, "first", nowMillis + 100_000));
        assertThat(Long.parseLong(
                        server.send("PTTL", "flk:outcome:" + id(1)).get(0).substring(1)))
                .isBetween(1L, 100_000L);
        assertThat(server.send("PTTL", POSITION_KEY)).containsExactly(":-1");
        assertThat(server.send("GET", POSITION_KEY).get(0)).matches("41 [0-9a-f]{16} 1");
    }

    @Test
    void put_expired_isReturnedAndNotWritten() {
        StoredOutcome late = recorded(2, "late", nowMillis);
        assertThat(put(1, recorded(1, "a"), late, recorded(3, "c")))
                .containsExactly(recorded(1, "a"), late, recorded(3, "c"));
        assertThat(get(id(1), id(2), id(3)))
                .containsExactly(Optional.of(recorded(1, "a")), Optional.empty(), Optional.of(recorded(3, "c")));
        assertThat(server.send("EXISTS", "flk:outcome:" + id(2))).containsExactly(":0");
    }

    @Test
    void put_fromTheAnsweringThread_takesEffectInOrder() {
        List<CompletableFuture<List<StoredOutcome>>> puts = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            int number = i;
            puts.add(store.putIfAbsent(List.of(recorded(number, "outer")), number)
                    .thenCompose(done -> store.putIfAbsent(List.of(recorded(number + 1_000, "inner")), number))
                    .toCompletableFuture());
        }
        for (int i = 0; i < 300; i++) {
            assertThat(puts.get(i).join()).containsExactly(recorded(i + 1_000, "inner"));
        }
    }

    @Test
    void put_largeOutcomes_areStoredCompletely() {
        StoredOutcome[] large = new StoredOutcome[5];
        for (int i = 0; i < large.length; i++) {
            large[i] = recorded(i, i + "x".repeat(600_000));
        }
        assertThat(put(1, large)).containsExactly(large);
        assertThat(put(2, recorded(3, "second"))).containsExactly(large[3]);
    }

    @Test
    void get_valueThatIsNotAnOutcome_failsAloneAndNamesTheKey() {
        put(recorded(2, "good"));
        server.send("SET", "flk:outcome:" + id(1), "something else");
        assertThatThrownBy(() -> get(id(1)))
                .hasCauseInstanceOf(StoreUnavailableException.class)
                .hasMessageContaining("flk:outcome:" + id(1));
        assertThat(get(id(2))).containsExactly(Optional.of(recorded(2, "good")));
    }

    @Test
    void connect_unreadablePosition_saysWhatToDo() {
        server.send("SET", POSITION_KEY, "41");
        assertThatThrownBy(this::connect)
                .hasCauseInstanceOf(StoreUnavailableException.class)
                .hasMessageContaining("holds '41' under " + POSITION_KEY)
                .hasMessageContaining("DEL it");
    }

    @Test
    void scripts_flushedByTheServer_areLoadedAgain() {
        put(1, recorded(1, "first"));
        server.send("SCRIPT", "FLUSH");
        assertThat(put(2, recorded(1, "second"))).containsExactly(recorded(1, "first"));
    }

    @Test
    void put_positionChangedByAnother_isRefusedAndNamesBothPositions() {
        put(41, recorded(1, "first"));
        server.send("SET", POSITION_KEY, "7 0123456789abcdef 3");
        assertThatThrownBy(() -> put(42, recorded(2, "second")))
                .hasMessageContaining("127.0.0.1:" + server.port())
                .hasMessageContaining("'7 0123456789abcdef 3'")
                .hasMessageContaining("but this backend last wrote '41 ");
        assertThatThrownBy(() -> get(id(1)))
                .hasCauseInstanceOf(StoreUnavailableException.class)
                .hasMessageContaining("was emptied, restored from an older copy");
    }

    @Test
    void closed_leavesNoThreads() {
        store.close();
        await().untilAsserted(() -> assertThat(Thread.getAllStackTraces().keySet())
                .extracting(Thread::getName)
                .noneMatch(name -> name.startsWith("lettuce") || name.startsWith("redis-answers")));
    }
}
