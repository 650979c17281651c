// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.state.schema.JsonSchemas;
import dev.flk.client.Replay;
import dev.flk.client.StateCallException.HistoryChanged;
import dev.flk.client.StateClient;
import dev.flk.client.StateEvent;
import dev.flk.client.proto.Event;
import dev.flk.client.proto.ReplayRequest;
import dev.flk.client.proto.StateGrpc;
import dev.flk.state.Committed;
import dev.flk.state.History.At;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.StateKey;
import dev.flk.state.Storage;
import dev.flk.state.embedded.MemoryStorage;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests of followers while the history changes, is compacted or is unavailable. */
class ReplayStreamTest {
    private final AtomicInteger histories = new AtomicInteger();
    private volatile Storage storage = emptyStorage();
    private final AtomicReference<@Nullable Runnable> beforeReads = new AtomicReference<>();
    private final AtomicInteger headsUntilHook = new AtomicInteger(-1);
    private volatile Runnable beforeHead = () -> {};
    private StateEngine engine;
    private StatePort port;
    private StateClient client;

    private MemoryStorage emptyStorage() {
        return new MemoryStorage(() -> "history-" + histories.incrementAndGet(), 64 << 20);
    }

    @BeforeEach
    void open() throws IOException {
        Storage replaceable = (Storage) Proxy.newProxyInstance(
                Storage.class.getClassLoader(), new Class<?>[] {Storage.class}, (self, method, arguments) -> {
                    Runnable once = method.getName().equals("read") ? beforeReads.getAndSet(null) : null;
                    if (once != null) {
                        once.run();
                    }
                    if (method.getName().equals("head")
                            && Thread.currentThread().getName().startsWith("state-calls")
                            && headsUntilHook.getAndDecrement() == 0) {
                        beforeHead.run();
                    }
                    try {
                        return method.invoke(storage, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
        engine = new StateEngine(
                replaceable,
                Settings.defaults(),
                Instant::now,
                Instant::now,
                System::nanoTime,
                new Random(),
                () -> Long.MAX_VALUE,
                JsonSchemas::compile);
        engine.start().toCompletableFuture().join();
        port = MemoryEngine.port(engine, 0);
        client = StateClient.connect("localhost:" + port.port());
    }

    @AfterEach
    void close() {
        client.close();
        port.close();
        engine.close();
    }

    private Committed write(String agentId) {
        return engine.apply(
                        "me",
                        List.of(engine.write(new StateKey("default", agentId, "k"), "1", Operation.ANY_VERSION)),
                        "")
                .toCompletableFuture()
                .join();
    }

    /**
     * Commits before and after the end of a span, at each moment at which a follower looks at the head. The follower
     * must get the first commit.
     */
    @Test
    void follow_commitsAtTheEndOfTheSpan_missesNone() {
        int hooks = 0;
        for (int heads = 0; heads < 8; heads++) {
            String agent = "agent-" + heads;
            Instant end = Instant.now().plusMillis(300);
            CompletableFuture<Boolean> wroteInTime = new CompletableFuture<>();
            beforeHead = () -> {
                write(agent);
                boolean isInTime = Instant.now().isBefore(end);
                awaitTime(end);
                write("other");
                wroteInTime.complete(isInTime);
            };
            headsUntilHook.set(heads);
            CompletableFuture<List<StateEvent>> seen = CompletableFuture.supplyAsync(() -> {
                try (Stream<StateEvent> events =
                        client.replay(Replay.ofAgent(agent).to(end).follow())) {
                    return events.toList();
                }
            });
            awaitTime(end);
            boolean isHooked = headsUntilHook.getAndSet(-1) < 0; // the follower has looked at the head so often
            if (isHooked && wroteInTime.join()) {
                hooks++;
                assertThat(seen.join()).as("%d heads", heads).hasSize(1);
            }
            write("other");
            assertThat(seen).succeedsWithin(Duration.ofSeconds(20));
        }
        assertThat(hooks).isPositive();
    }

    private static void awaitTime(Instant time) {
        await().until(() -> !Instant.now().isBefore(time));
    }

    /** A follower that runs on its own thread. */
    private static final class Follower implements AutoCloseable {
        private final Queue<StateEvent> seen = new ConcurrentLinkedQueue<>();
        private final Stream<StateEvent> events;
        private final CompletableFuture<Void> ended;

        Follower(StateClient client, Replay replay) {
            events = client.replay(replay.follow());
            ended = CompletableFuture.runAsync(() -> events.forEach(seen::add));
        }

        void awaitEvents(int count) {
            await().until(() -> seen.size() >= count || ended.isDone());
            if (ended.isDone()) {
                ended.join();
            }
            assertThat(seen).hasSize(count);
        }

        @Override
        public void close() {
            events.close();
        }
    }

    @Test
    void followerOfAQuietAgent_compactionAndOutage_continues() throws IOException {
        write("quiet");
        try (Follower follower = new Follower(client, Replay.ofAgent("quiet"))) {
            follower.awaitEvents(1);
            for (int i = 0; i < 5; i++) {
                write("busy");
            }
            // after this, the follower's last token is no longer valid for a replay of all agents
            engine.history().compact(new At.Now());
            int number = port.port();
            port.close();
            port = MemoryEngine.port(engine, number);
            write("busy");
            write("quiet");

            follower.awaitEvents(2);
            assertThat(follower.seen).allMatch(event -> !event.changes().isEmpty());
        }
    }

    @Test
    void compactionOvertakesAStream_nothingOfItsAgentRemoved_continues() {
        long micros = write("quiet").committedAtMicros();
        write("busy");
        write("busy");
        beforeReads.set(() -> engine.history().compact(new At.Now()));

        try (Stream<StateEvent> events = client.replay(Replay.ofAgent("quiet").after("history-1-1." + micros))) {
            assertThat(events).isEmpty();
        }
        assertThat(engine.history().oldest("default")).isEqualTo(4);
    }

    /** Uses the protocol directly, because the Java client hides events without changes. */
    @Test
    void quietStream_progressRequested_getsTokens() {
        ManagedChannel channel = NettyChannelBuilder.forAddress("127.0.0.1", port.port())
                .usePlaintext()
                .build();
        try {
            Iterator<Event> events = StateGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(20, TimeUnit.SECONDS)
                    .replay(ReplayRequest.newBuilder()
                            .setNamespace("default")
                            .setAgentId("quiet")
                            .setFollow(true)
                            .setProgress(true)
                            .build());
            await().until(() -> engine.history().watches() == 1);
            for (int i = 0; i < 5; i++) {
                write("busy");
            }
            await().until(() -> engine.history().watches() == 1);
            port.sendProgress();

            Event progress = events.next();
            assertThat(progress.getChangesCount()).isZero();
            assertThat(progress.getRevision()).isBetween(1L, 5L);
            assertThat(progress.getResumeToken()).startsWith("history-1-" + progress.getRevision() + ".");
            try (Stream<StateEvent> rest = client.replay(Replay.ofAll().after(progress.getResumeToken()))) {
                assertThat(rest).hasSize((int) (5 - progress.getRevision()));
            }
        } finally {
            channel.shutdownNow();
        }
    }

    @Test
    void historyReplaced_endsFollowersAndRefusesTheirTokens() {
        write("a");
        try (Follower quiet = new Follower(client, Replay.ofAgent("other"));
                Follower busy = new Follower(client, Replay.ofAll())) {
            busy.awaitEvents(1);
            await().until(() -> engine.history().watches() == 2);

            storage = emptyStorage();

            for (Follower follower : List.of(quiet, busy)) {
                assertThatThrownBy(follower.ended::join)
                        .hasCauseInstanceOf(HistoryChanged.class)
                        .hasMessageContaining("history-2");
            }
            write("a");
            write("a");
            String token = busy.seen.element().resumeToken();
            try (Stream<StateEvent> events = client.replay(Replay.ofAll().after(token))) {
                assertThatThrownBy(events::toList).isInstanceOf(HistoryChanged.class);
            }
        }
    }
}
