// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.SessionStorageContract;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Secret;
import dev.flk.state.StateException;
import dev.flk.testkit.RedisCluster;
import dev.flk.testkit.RedisServer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of sessions in a Redis Cluster. Each test uses a tag of its own. */
final class RedisClusterSessionsTest extends SessionStorageContract {
    private static final AtomicInteger TESTS = new AtomicInteger();

    @TempDir
    private static Path directory;

    private static RedisCluster cluster;

    private final String tag = "test-" + TESTS.incrementAndGet();
    private final Map<String, RedisFixture> opened = new ConcurrentHashMap<>();

    @BeforeAll
    static void start() {
        cluster = RedisCluster.start(directory, 3, false);
    }

    @AfterAll
    static void end() {
        cluster.close();
    }

    @AfterEach
    void close() {
        opened.values().forEach(RedisFixture::close);
    }

    private SessionStorage opened(String name, String ofTag, Duration ttl) {
        return opened.computeIfAbsent(
                        name,
                        none -> RedisFixture.open(
                                new RedisConfig(
                                        new Secret("redis://" + cluster.addresses()), Duration.ofSeconds(10), ofTag),
                                ttl))
                .storage;
    }

    @Override
    protected SessionStorage storage() {
        return opened("one", tag, Duration.ofHours(1));
    }

    @Override
    protected SessionStorage other() {
        return opened("other", tag, Duration.ofHours(1));
    }

    @Override
    protected SessionStorage shortLived() {
        return opened("short", tag, Duration.ofSeconds(1));
    }

    /** A cluster sees only that a declared key is missing while a slot moves, so each operation must declare all. */
    @Test
    void everyOperation_onEachMaster_declaresItsKeys() {
        cluster.tagOfEachMaster().forEach(this::assertEveryOperationDeclaresItsKeys);
    }

    private void assertEveryOperationDeclaresItsKeys(String ofMaster) {
        String guarded = """
                local declared, server = {['session-updates' .. string.sub(KEYS[1], #'session-epoch' + 1)] = true}, redis
                for _, key in ipairs(KEYS) do declared[key] = true end
                local function checked(...)
                  for _, each in ipairs({...}) do
                    if string.find(each, '^session') and not declared[each] then error('undeclared ' .. each) end
                  end
                end
                local redis = setmetatable({
                  call = function(...) checked(...) return server.call(...) end,
                  pcall = function(...) checked(...) return server.pcall(...) end
                }, {__index = server})
                """ + new String(SessionScript.BYTES, StandardCharsets.US_ASCII);
        RedisServer master = cluster.master(ofMaster);
        String runId = master.send("INFO", "server")
                .get(0)
                .lines()
                .filter(line -> line.startsWith("run_id:"))
                .findFirst()
                .orElseThrow()
                .substring("run_id:".length());
        SessionKeys keys = new SessionKeys(ofMaster);
        BiFunction<String, String[], List<String>> call = (operation, arguments) -> {
            boolean isOfRestore = List.of("begin", "restore", "finish").contains(operation);
            String[] used = keys.of(operation, arguments);
            List<String> command = new ArrayList<>(List.of("EVAL", guarded, Integer.toString(used.length)));
            Collections.addAll(command, used);
            Collections.addAll(command, operation, isOfRestore ? runId : "", "1000");
            Collections.addAll(command, arguments);
            List<String> reply = master.send(command.toArray(String[]::new));
            assertThat(reply.get(0)).as("%s: %s", operation, reply).isEqualTo("OK");
            return reply;
        };
        String mark = call.apply("begin", new String[] {"12ab"}).get(1);
        String[][] operations = {
            {"restore", mark, "a/1", "1", "live", "1", "99999999999999", "{}"},
            {"finish", "34cd", SessionScript.GROUP, mark, "1"},
            {"put", "a/2", "-1", "key nonce", "1", "{}"},
            {"take", "consumer", "10", ""},
            {"over", "10"},
            {"expire", "a/1", "a/2"},
            {"delete", "a/1", "-1", ""},
            {"load", "a/1", "a/2", "a/3"},
            {"read", "0-0", "10"},
            {"take", "consumer", "10", "0"},
            {"head"},
            {"sweep", "0"},
            {"dead", "1-1", "refused", "1"},
            {"requeue", "1-1"},
            {"stale", "1"},
        };
        for (String[] each : operations) {
            List<String> unused = call.apply(each[0], Arrays.copyOfRange(each, 1, each.length));
        }
    }

    @Test
    void twoTags_areTwoStores() {
        SessionStorage another = opened("another", tag + "-b", Duration.ofHours(1));
        storage()
                .put("agent/1", "{\"a\":1}", SessionStorage.ANY_VERSION, "")
                .toCompletableFuture()
                .join();
        another.put("agent/2", "{\"a\":2}", SessionStorage.ANY_VERSION, "")
                .toCompletableFuture()
                .join();
        assertThat(another.count(Duration.ofMinutes(5)).sessions()).isEqualTo(1);
        assertThat(storage().count(Duration.ofMinutes(5)).sessions()).isEqualTo(1);
    }

    @Test
    void slotMoves_sessionsAreServedByTheNewMaster() {
        storage()
                .put("agent/1", "{\"a\":1}", SessionStorage.ANY_VERSION, "")
                .toCompletableFuture()
                .join();
        RedisServer to = cluster.otherMaster(tag);
        cluster.move(
                tag,
                to,
                () -> await().untilAsserted(
                                () -> assertThatThrownBy(() -> storage().count(Duration.ofMinutes(5)))
                                        .isInstanceOf(StateException.class)
                                        .hasMessageContaining("the slot")));
        opened.get("one").serving();
        assertThat(storage().get("agent/1")).isInstanceOf(SessionStorage.Found.Present.class);
        assertThat(to.send("EXISTS", "session:{" + tag + "}:agent/1")).containsExactly(":1");
    }
}
