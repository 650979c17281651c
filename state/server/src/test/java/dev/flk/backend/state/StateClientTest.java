// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.client.Commit;
import dev.flk.client.Replay;
import dev.flk.client.StateCallException.Forbidden;
import dev.flk.client.StateCallException.HistoryChanged;
import dev.flk.client.StateCallException.Invalid;
import dev.flk.client.StateCallException.Unreachable;
import dev.flk.client.StateCallException.VersionConflict;
import dev.flk.client.StateClient;
import dev.flk.client.StateEvent;
import dev.flk.client.Transaction;
import dev.flk.client.Versioned;
import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.Change;
import dev.flk.client.proto.CommitResponse;
import dev.flk.client.proto.Event;
import dev.flk.client.proto.ReplayRequest;
import dev.flk.client.proto.StateGrpc;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Tests of the Java client with a real port. */
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
    void committed_isReadable_uncommittedIsNot() {
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
    void refusals_haveTheirOwnTypes() {
        write("a", "k", "1");

        assertThatThrownBy(() -> client.begin().writeIf("a", "k", "2", 7).commit())
                .isInstanceOfSatisfying(VersionConflict.class, e -> {
                    assertThat(e.expected()).isEqualTo(7);
                    assertThat(e.actual()).isEqualTo(1);
                });
        assertThatThrownBy(() -> write("a", "k", "{"))
                .isInstanceOf(Invalid.class)
                .hasMessageContaining("not valid JSON");
        assertThatThrownBy(() -> client.getAt("a", "k", 9)).isInstanceOf(HistoryChanged.class);
        assertThatThrownBy(() -> client.namespace("flk.review")
                        .begin()
                        .write("a", "k", "1")
                        .commit())
                .isInstanceOf(Forbidden.class)
                .hasMessageContaining("PERMISSION_DENIED");
        assertThat(client.begin().check("a", "k", 1).delete("a", "k").commit().versions())
                .containsExactly(1L, 2L);
    }

    /** gRPC reports UNKNOWN for a call on a connection that was closed a moment before. */
    @Test
    void connectionClosedBeforeTheCallIsSent_isUnreachable_andAFollowingReplayContinues() {
        write("a", "k", "1");
        AtomicInteger left = new AtomicInteger(1);
        try (StateClient cut = StateClient.over(NettyChannelBuilder.forAddress("localhost", port.port())
                        .usePlaintext()
                        .intercept(closedFor(left))
                        .build());
                Stream<StateEvent> events = cut.replay(Replay.ofAll().from(1).follow())) {
            assertThatThrownBy(() -> cut.get("a", "k"))
                    .isInstanceOf(Unreachable.class)
                    .hasMessageContaining("channel closed");
            assertThat(cut.get("a", "k")).isPresent();
            left.set(1);

            assertThat(events.iterator().next().revision()).isEqualTo(1);
            assertThat(left).hasNonPositiveValue();
        }
    }

    /** Returns an interceptor that ends calls as gRPC does if the connection was closed, as long as some are left. */
    private static ClientInterceptor closedFor(AtomicInteger left) {
        return new ClientInterceptor() {
            @Override
            public <Q, R> ClientCall<Q, R> interceptCall(
                    MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
                return left.getAndDecrement() > 0 ? new ClosedCall<>() : next.newCall(method, options);
            }
        };
    }

    private static final class ClosedCall<Q, R> extends ClientCall<Q, R> {
        @Override
        public void start(Listener<R> answer, Metadata headers) {
            answer.onClose(
                    Status.UNKNOWN.withDescription("channel closed").withCause(new ClosedChannelException()),
                    new Metadata());
        }

        @Override
        public void request(int messages) {}

        @Override
        public void cancel(@Nullable String message, @Nullable Throwable cause) {}

        @Override
        public void halfClose() {}

        @Override
        public void sendMessage(Q message) {}
    }

    @Test
    void historyAndLists_areComplete() {
        StateKey counted = new StateKey("default", "a", "counted");
        for (int i = 0; i < 2_500; i++) {
            var unused = engine.apply(
                            "me", List.of(engine.write(counted, Integer.toString(i), Operation.ANY_VERSION)), "")
                    .toCompletableFuture()
                    .join();
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
    @Timeout(60)
    void replay_iteratorAskedAfterTheEnd_doesNotWait() {
        write("a", "k", "1");
        try (Stream<StateEvent> events = client.replay(Replay.ofAll())) {
            Iterator<StateEvent> each = events.iterator();
            each.forEachRemaining(event -> {});

            assertThat(each.hasNext()).isFalse();
        }
    }

    @Test
    void transaction_canSpanNamespaces() {
        try (Transaction tx = client.begin()) {
            Transaction elsewhere = tx.namespace("elsewhere");
            tx.write("a", "k", "1");
            elsewhere.write("a", "k", "2");

            assertThat(tx.commit().versions()).containsExactly(1L, 1L);
            assertThatThrownBy(elsewhere::commit).hasMessage("the transaction is over");
        }

        assertThat(client.get("a", "k").map(Versioned::json)).contains("1");
        assertThat(client.namespace("elsewhere").get("a", "k").map(Versioned::json))
                .contains("2");
    }

    @Test
    void invalidUnicode_isRefusedAndNotReplaced() {
        assertThatThrownBy(() -> client.begin().write("a", "half \uD83D", "1"))
                .isInstanceOf(Invalid.class)
                .hasMessage("key can't be written as UTF-8: it has half of a surrogate pair");
        assertThatThrownBy(() -> client.begin().write("a", "k", "\"\uD83D\"")).isInstanceOf(Invalid.class);
        assertThatThrownBy(() -> client.get("\uDE00", "k")).isInstanceOf(Invalid.class);
    }

    /** The answer is lost, and the backend can't be reached for longer than gRPC itself would retry. */
    @Test
    void commit_answerLost_isRetriedAndAppliedOnce() throws Exception {
        try (CuttingProxy proxy = new CuttingProxy(port.port());
                StateClient behind = StateClient.connect("localhost:" + proxy.port())) {
            assertThat(behind.info().newestRevision()).isZero();
            proxy.holdAnswers();
            CompletableFuture<Commit> commit = CompletableFuture.supplyAsync(
                    () -> behind.begin().write("a", "k", "1").commit());
            await().until(() -> engine.head().revision() == 1);

            proxy.cut();
            await().until(() -> proxy.refused() > 6);
            assertThat(commit).isNotDone();
            proxy.pass();

            assertThat(commit.get(20, TimeUnit.SECONDS).revision()).isEqualTo(1);
            assertThat(client.history("a", "k")).hasSize(1);
        }
    }

    @Test
    void commit_timedOutAndCalledAgain_isAppliedOnce() throws Exception {
        try (CuttingProxy proxy = new CuttingProxy(port.port());
                StateClient behind = StateClient.to("localhost:" + proxy.port())
                        .timeout(Duration.ofSeconds(2))
                        .connect();
                Transaction tx = behind.begin()) {
            assertThat(behind.info().newestRevision()).isZero();
            tx.write("a", "k", "1");
            proxy.holdAnswers();
            CompletableFuture<Commit> commit = CompletableFuture.supplyAsync(tx::commit);
            await().until(() -> engine.head().revision() == 1);
            proxy.cut();

            assertThatThrownBy(commit::join).hasCauseInstanceOf(Unreachable.class);
            assertThatThrownBy(() -> tx.write("a", "k", "2")).hasMessageContaining("commit was already called");
            proxy.pass();

            assertThat(tx.commit().revision()).isEqualTo(1);
            assertThatThrownBy(tx::commit).hasMessage("the transaction is over");
            assertThat(client.history("a", "k")).hasSize(1);
        }
    }

    /** Checks that a commit whose first try may have been applied is not reported as one that was never tried. */
    @Test
    void apply_firstTryUnknownAndLaterOnesAtAStartingBackend_isUnknown() throws Exception {
        AtomicInteger tries = new AtomicInteger();
        Server scripted = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .addService(new StateGrpc.StateImplBase() {
                    @Override
                    public void apply(ApplyRequest request, StreamObserver<CommitResponse> answer) {
                        answer.onError(
                                tries.getAndIncrement() == 0
                                        ? Status.UNAVAILABLE.asRuntimeException()
                                        : StateService.error(Reason.STARTING.because("the state is being opened")));
                    }
                })
                .build()
                .start();
        try (StateClient other = StateClient.to("localhost:" + scripted.getPort())
                .timeout(Duration.ofSeconds(4))
                .connect()) {
            assertThatThrownBy(other::info).hasMessageContaining("UNIMPLEMENTED"); // the connection is open now
            assertThatThrownBy(() -> other.begin().write("a", "k", "1").commit())
                    .isInstanceOf(Unreachable.class);
        } finally {
            scripted.shutdownNow();
        }
        assertThat(tries).hasValueGreaterThan(1);
    }

    /**
     * A follower that has not received an event resumes at the token, because its starting revision may have been
     * compacted.
     */
    @Test
    void progress_isNotAnEvent_andADisconnectedFollowerResumesThere() throws Exception {
        List<ReplayRequest> requests = new CopyOnWriteArrayList<>();
        Server scripted = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .addService(new StateGrpc.StateImplBase() {
                    @Override
                    public void replay(ReplayRequest request, StreamObserver<Event> answer) {
                        requests.add(request);
                        if (requests.size() == 1) {
                            answer.onNext(Event.newBuilder()
                                    .setRevision(7)
                                    .setResumeToken("token-7")
                                    .build());
                            answer.onError(Status.UNAVAILABLE.asRuntimeException());
                        } else {
                            answer.onNext(Event.newBuilder()
                                    .setRevision(8)
                                    .addChanges(Change.newBuilder().setKind(Change.Kind.DELETE))
                                    .build());
                            answer.onCompleted();
                        }
                    }
                })
                .build()
                .start();
        try (StateClient other = StateClient.connect("localhost:" + scripted.getPort());
                Stream<StateEvent> events =
                        other.replay(Replay.ofAgent("quiet").from(1).follow())) {
            assertThat(events.map(StateEvent::revision)).containsExactly(8L);
        } finally {
            scripted.shutdownNow();
        }
        assertThat(requests).hasSize(2).allMatch(ReplayRequest::getProgress);
        assertThat(requests.get(1).getResumeToken()).isEqualTo("token-7");
        assertThat(requests.get(1).hasFrom()).isFalse();
    }
}
