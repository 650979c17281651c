// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.client.Commit;
import dev.flk.client.Replay;
import dev.flk.client.StateCallException;
import dev.flk.client.StateCallException.HistoryChanged;
import dev.flk.client.StateCallException.Invalid;
import dev.flk.client.StateCallException.VersionConflict;
import dev.flk.client.StateClient;
import dev.flk.client.StateEvent;
import dev.flk.client.Transaction;
import dev.flk.client.Versioned;
import dev.flk.state.StateEngine;
import java.io.IOException;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The Java client on a real port. */
class StateClientTest {
    private StateEngine engine;
    private StatePort port;
    private StateClient client;

    @BeforeEach
    void open() throws IOException {
        engine = MemoryEngine.started();
        port = port(0);
        client = StateClient.connect("localhost:" + port.port());
    }

    private StatePort port(int number) throws IOException {
        return MemoryEngine.port(engine, number);
    }

    @AfterEach
    void close() {
        client.close();
        port.close();
        engine.close();
    }

    private Commit write(String agentId, String key, String json) {
        try (Transaction tx = client.begin()) {
            return tx.write(agentId, key, json).commit();
        }
    }

    @Test
    void committed_isRead_andWhatWasNotIsForgotten() {
        Commit commit = write("agent-1", "memory", "{\"fact\":\"Paris is in France\"}");
        try (Transaction tx = client.begin()) {
            tx.write("agent-1", "memory", "{}");
        }

        Versioned memory = client.get("agent-1", "memory").orElseThrow();
        assertThat(memory.json()).isEqualTo("{\"fact\":\"Paris is in France\"}");
        assertThat(memory.version()).isEqualTo(1);
        assertThat(memory.committedAt()).isEqualTo(commit.committedAt());
        assertThat(client.get("agent-1", "other")).isEmpty();
        assertThat(client.namespace("elsewhere").get("agent-1", "memory")).isEmpty();
    }

    @Test
    void refusals_areTypes() {
        write("a", "k", "1");

        assertThatThrownBy(() -> client.begin().writeIf("a", "k", "2", 7).commit())
                .isInstanceOfSatisfying(VersionConflict.class, e -> {
                    assertThat(e.expected()).isEqualTo(7);
                    assertThat(e.actual()).isEqualTo(1);
                });
        assertThatThrownBy(() -> write("a", "k", "{"))
                .isInstanceOf(Invalid.class)
                .hasMessageContaining("no JSON");
        assertThatThrownBy(() -> client.getAt("a", "k", 9)).isInstanceOf(HistoryChanged.class);
        assertThatThrownBy(() -> client.namespace("flk.record")
                        .begin()
                        .write("a", "k", "1")
                        .commit())
                .isInstanceOf(StateCallException.class)
                .hasMessageContaining("PERMISSION_DENIED");
        assertThat(client.begin().check("a", "k", 1).delete("a", "k").commit().versions())
                .containsExactly(1L, 2L);
    }

    @Test
    void historyAndLists_areWhole() {
        for (int i = 0; i < 2_500; i++) {
            write("a", "counted", Integer.toString(i));
        }
        write("a", "other", "1");
        write("b", "k", "1");

        assertThat(client.history("a", "counted"))
                .hasSize(2_500)
                .extracting(Versioned::version)
                .startsWith(2_500L);
        assertThat(client.keys("a", "")).containsExactly("counted", "other");
        assertThat(client.agents("")).containsExactly("a", "b");
        assertThat(client.getAt("a", "counted", 3)).map(Versioned::json).hasValue("2");
    }

    @Test
    void replay_ofAnAgent() {
        write("agent-1", "k", "1");
        write("agent-2", "k", "1");
        write("agent-1", "k", "2");

        try (Stream<StateEvent> events = client.replay(Replay.ofAgent("agent-1"))) {
            assertThat(events.map(event -> event.changes().get(0).json())).containsExactly("1", "2");
        }
    }

    @Test
    void portThatIsOpenedAgain_losesNoCommit_andAFollowerNoEvent() throws IOException {
        Queue<Long> seen = new ConcurrentLinkedQueue<>();
        Stream<StateEvent> events = client.replay(Replay.ofAll().follow());
        CompletableFuture<Void> follower =
                CompletableFuture.runAsync(() -> events.forEach(event -> seen.add(event.revision())));
        write("a", "k", "1");
        await().until(() -> seen.size() == 1);
        int number = port.port();

        port.close();
        CompletableFuture<Commit> commit = CompletableFuture.supplyAsync(() -> write("a", "k", "2"));
        port = port(number);

        assertThat(commit.join().revision()).isEqualTo(2);
        write("a", "k", "3");
        await().until(() -> seen.size() >= 3 || follower.isDone());
        events.close();
        follower.join();
        assertThat(seen).containsExactly(1L, 2L, 3L);
    }
}
