// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.logs.LogRegistry;
import dev.flk.backend.logs.redis.RedisRegistry;
import dev.flk.backend.outcomes.redis.RedisStore;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.backend.stores.redis.RedisProbe;
import dev.flk.program.config.Secret;
import dev.flk.testkit.RedisCluster;
import dev.flk.testkit.RedisServer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the store in a Redis Cluster. Each test uses a tag of its own, so three of them use each master. */
final class RedisClusterStoreTest extends SharedStoreContract {
    private static final AtomicInteger TESTS = new AtomicInteger();

    @TempDir
    private static Path directory;

    private static RedisCluster cluster;

    private final String tag = "test-" + TESTS.incrementAndGet();

    @BeforeAll
    static void start() {
        cluster = RedisCluster.start(directory, 3, false);
    }

    @AfterAll
    static void end() {
        cluster.close();
    }

    private static RedisConfig config(String tag) {
        return new RedisConfig(new Secret("redis://" + cluster.addresses()), Duration.ofSeconds(10), tag);
    }

    @Override
    DedupStore openFor(String logId) {
        return RedisStore.open(config(tag), logId, this::now);
    }

    private List<String> keys(RedisServer master) {
        return master.send("KEYS", "{" + tag + "}:*");
    }

    @Override
    void loseEverything() {
        RedisServer master = cluster.master(tag);
        keys(master).forEach(key -> master.send("DEL", key));
    }

    @Override
    Runnable snapshot() {
        RedisServer master = cluster.master(tag);
        keys(master).forEach(key -> master.send("COPY", key, "{" + tag + "}copy:" + key));
        return () -> {
            loseEverything();
            for (String copy : master.send("KEYS", "{" + tag + "}copy:*")) {
                master.send("RENAME", copy, copy.substring(copy.indexOf(':') + 1));
            }
        };
    }

    @Test
    void everyCall_worksOnEachMaster() throws Exception {
        for (String ofMaster : cluster.tagOfEachMaster()) {
            try (RedisProbe probe = RedisProbe.connect(config(ofMaster));
                    LogRegistry registry = new RedisRegistry(config(ofMaster));
                    DedupStore one = RedisStore.open(config(ofMaster), LOG_ID, this::now)) {
                probe.readAndWrite();
                assertThat(registry.update(List.of())).isEmpty();
                one.connect().toCompletableFuture().join();
                one.putIfAbsent(List.of(recorded(1, "first"), recorded(2, "two")), 7)
                        .toCompletableFuture()
                        .join();
                assertThat(one.adopt(recorded(1, "first")).toCompletableFuture().join())
                        .as("it has another log")
                        .isFalse();
                assertThat(one.get(List.of(id(1), id(2), id(3)))
                                .toCompletableFuture()
                                .join())
                        .containsExactly(
                                Optional.of(recorded(1, "first")), Optional.of(recorded(2, "two")), Optional.empty());
            }
            assertThat(cluster.master(ofMaster).send("KEYS", "{" + ofMaster + "}:*"))
                    .contains("{" + ofMaster + "}:outcome:" + id(1), "{" + ofMaster + "}:position:" + LOG_ID);
        }
    }

    @Test
    void twoTags_areTwoStores() {
        put(1, recorded(1, "first"));
        try (DedupStore other = RedisStore.open(config("other"), LOG_ID, this::now)) {
            assertThat(other.connect().toCompletableFuture().join()).isEmpty();
            assertThat(other.get(List.of(id(1))).toCompletableFuture().join()).containsExactly(Optional.empty());
        }
    }

    @Test
    void slotMoves_callsFailUntilItIsMoved_andTheStoreIsComplete() {
        put(41, recorded(1, "first"), recorded(2, "two"));
        RedisServer to = cluster.otherMaster(tag);
        cluster.move(tag, to, () -> {
            assertThatThrownBy(() -> put(42, recorded(3, "three")))
                    .hasCauseInstanceOf(StoreUnavailableException.class)
                    .hasMessageContaining("is moving the slot to another master");
            assertThatThrownBy(this::connect).hasMessageContaining("is moving the slot to another master");
        });

        assertThat(cluster.master(tag)).isSameAs(to);
        await().until(() -> {
            try {
                return connect().equals(OptionalLong.of(41));
            } catch (CompletionException stale) { // the third node may not know about the move yet
                return false;
            }
        });
        assertThat(put(42, recorded(1, "again"), recorded(3, "three")))
                .containsExactly(recorded(1, "first"), recorded(3, "three"));
    }

    @Test
    void connect_userWithTheDocumentedPermissions_works() {
        for (RedisServer each : cluster.nodes()) {
            each.send(("ACL SETUSER flk on >secret ~{" + tag + "}:* resetchannels -@all +get +set +mget +eval"
                            + " +cluster|slots +config|get +time +hello +auth +ping +select +client|setname")
                    .split(" "));
        }
        try (DedupStore limited = RedisStore.open(
                new RedisConfig(new Secret("redis://flk:secret@" + cluster.addresses()), Duration.ofSeconds(10), tag),
                OTHER_LOG_ID,
                this::now)) {
            assertThat(limited.connect().toCompletableFuture().join()).isEmpty();
        }
    }

    @Test
    void connect_serverIsNoCluster_saysSo(@TempDir Path single) {
        try (RedisServer server = RedisServer.start(single);
                DedupStore refused = RedisStore.open(
                        new RedisConfig(new Secret(server.uri()), Duration.ofSeconds(10), "flk"), LOG_ID, this::now)) {
            assertThatThrownBy(() -> refused.connect().toCompletableFuture().join())
                    .hasMessageContaining("is not a Redis Cluster; set REDIS_CLUSTER=off");
        }
    }
}
