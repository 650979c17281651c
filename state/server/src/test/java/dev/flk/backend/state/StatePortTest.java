// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.Duration;
import com.google.protobuf.Timestamp;
import com.google.rpc.ErrorInfo;
import dev.flk.client.proto.AbortRequest;
import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.At;
import dev.flk.client.proto.BeginRequest;
import dev.flk.client.proto.CareGrpc;
import dev.flk.client.proto.CommitRequest;
import dev.flk.client.proto.CommitResponse;
import dev.flk.client.proto.Event;
import dev.flk.client.proto.FindRequest;
import dev.flk.client.proto.GetRequest;
import dev.flk.client.proto.HistoryRequest;
import dev.flk.client.proto.HistoryResponse;
import dev.flk.client.proto.InfoRequest;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.ListAgentsRequest;
import dev.flk.client.proto.ListKeysRequest;
import dev.flk.client.proto.ListKeysResponse;
import dev.flk.client.proto.ListNamespacesRequest;
import dev.flk.client.proto.Operation;
import dev.flk.client.proto.ReplayRequest;
import dev.flk.client.proto.StandingRequest;
import dev.flk.client.proto.StateGrpc;
import dev.flk.client.proto.StateGrpc.StateBlockingStub;
import dev.flk.client.proto.Write;
import dev.flk.client.proto.WriteRequest;
import dev.flk.state.History;
import dev.flk.state.StateEngine;
import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.Marshaller;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests of client calls to a real port. */
class StatePortTest {
    private volatile Instant now = Instant.parse("2026-11-22T12:00:00Z");
    private StateEngine engine;
    private StatePort port;
    private ManagedChannel channel;
    private StateBlockingStub state;

    @BeforeEach
    void open() throws IOException {
        engine = MemoryEngine.started(() -> now);
        port = MemoryEngine.port(engine, 0);
        channel = NettyChannelBuilder.forAddress("127.0.0.1", port.port())
                .usePlaintext()
                .build();
        state = StateGrpc.newBlockingStub(channel).withDeadlineAfter(20, TimeUnit.SECONDS);
    }

    @AfterEach
    void close() {
        channel.shutdownNow();
        port.close();
        engine.close();
    }

    private static Key key(String agentId, String name) {
        return Key.newBuilder().setAgentId(agentId).setKey(name).build();
    }

    private static Operation write(String agentId, String name, String json) {
        return Operation.newBuilder()
                .setWrite(Write.newBuilder().setKey(key(agentId, name)).setJson(json))
                .build();
    }

    private CommitResponse apply(Operation... operations) {
        return state.apply(
                ApplyRequest.newBuilder().addAllOperations(List.of(operations)).build());
    }

    private static ErrorInfo why(StatusRuntimeException e) {
        try {
            return StatusProto.fromThrowable(e).getDetails(0).unpack(ErrorInfo.class);
        } catch (IOException unexpected) {
            throw new AssertionError(unexpected);
        }
    }

    private static void assertRefused(Code code, String reason, Runnable call) {
        assertThatThrownBy(call::run).isInstanceOfSatisfying(StatusRuntimeException.class, e -> {
            assertThat(e.getStatus().getCode()).isEqualTo(code);
            assertThat(why(e).getReason()).isEqualTo(reason);
            assertThat(why(e).getDomain()).isEqualTo("flk.state");
        });
    }

    private static void assertInvalid(Runnable call) {
        assertRefused(Code.INVALID_ARGUMENT, "INVALID", call);
    }

    private void replayInvalid(ReplayRequest.Builder request) {
        assertInvalid(() -> assertThat(state.replay(request.build())).hasNext());
    }

    @Test
    void refusals_haveStatusReasonAndDetails() {
        String txId = state.begin(BeginRequest.getDefaultInstance()).getTxId();
        state.abort(AbortRequest.newBuilder().setTxId(txId).build());
        assertRefused(
                Code.FAILED_PRECONDITION,
                "TX_ABORTED",
                () -> state.commit(CommitRequest.newBuilder().setTxId(txId).build()));
        assertRefused(
                Code.INVALID_ARGUMENT,
                "VALUE_TOO_LARGE",
                () -> apply(write("a", "k", "\"" + "x".repeat(1 << 20) + "\"")));
        assertRefused(Code.INVALID_ARGUMENT, "INVALID", () -> state.find(FindRequest.getDefaultInstance()));
        assertRefused(
                Code.UNIMPLEMENTED,
                "UNIMPLEMENTED",
                () -> state.find(FindRequest.newBuilder().setJsonPath("$").build()));
        apply(write("a", "k", "1"));
        Write.Builder second = Write.newBuilder().setKey(key("a", "k")).setJson("2");
        assertThatThrownBy(() -> apply(
                        Operation.newBuilder().setWrite(second.setIfVersion(7)).build()))
                .isInstanceOfSatisfying(StatusRuntimeException.class, e -> {
                    assertThat(e.getStatus().getCode()).isEqualTo(Code.ABORTED);
                    assertThat(why(e).getMetadataMap())
                            .containsEntry("expected", "7")
                            .containsEntry("actual", "1");
                });
    }

    @Test
    void requestWithABadValue_isInvalid() {
        String longText = "x".repeat(100_000);
        Write one = Write.newBuilder().setKey(key("a", "k")).setJson("1").build();
        assertInvalid(() -> apply(write("a", "k", "{")));
        assertInvalid(() -> apply(Operation.getDefaultInstance()));
        assertInvalid(() -> apply(write("", "k", "1")));
        for (At.Builder at : List.of(
                At.newBuilder().setTime(Timestamp.newBuilder().setSeconds(10_000_000_000_000L)),
                At.newBuilder().setRevision(-1))) {
            assertInvalid(() -> state.get(
                    GetRequest.newBuilder().addKeys(key("a", "k")).setAt(at).build()));
        }
        assertInvalid(() -> state.begin(BeginRequest.newBuilder()
                .setTimeout(Duration.newBuilder().setSeconds(Long.MAX_VALUE))
                .build()));
        for (String pageToken : List.of("zz", "\uD83D\uDE00")) {
            assertInvalid(() -> state.listAgents(
                    ListAgentsRequest.newBuilder().setPageToken(pageToken).build()));
        }
        assertInvalid(
                () -> state.commit(CommitRequest.newBuilder().setTxId(longText).build()));
        assertInvalid(
                () -> state.abort(AbortRequest.newBuilder().setTxId(longText).build()));
        assertInvalid(() -> state.write(
                WriteRequest.newBuilder().setTxId(longText).setWrite(one).build()));
        replayInvalid(ReplayRequest.newBuilder().setResumeToken(longText + "-1"));
        replayInvalid(ReplayRequest.newBuilder().setFrom(At.newBuilder().setRevision(-1)));
    }

    @Test
    void lists_continueWithTheirTokens() {
        for (int i = 0; i < 5; i++) {
            apply(write("agent", "key-" + i, "1"), write("agent-" + i, "key", Integer.toString(i)));
            apply(write("agent", "counted", Integer.toString(i)));
        }
        List<String> keys = new ArrayList<>();
        ListKeysRequest.Builder request = ListKeysRequest.newBuilder()
                .setAgentId("agent")
                .setPrefix("key-")
                .setPageSize(2);
        do {
            ListKeysResponse page = state.listKeys(request.build());
            page.getEntriesList().forEach(entry -> keys.add(entry.getKey()));
            request.setPageToken(page.getNextPageToken());
        } while (!request.getPageToken().isEmpty());
        List<String> history = new ArrayList<>();
        HistoryRequest.Builder versions =
                HistoryRequest.newBuilder().setKey(key("agent", "counted")).setPageSize(2);
        do {
            HistoryResponse page = state.history(versions.build());
            page.getVersionsList().forEach(version -> history.add(version.getJson()));
            versions.setPageToken(page.getNextPageToken());
        } while (!versions.getPageToken().isEmpty());

        assertThat(keys).containsExactly("key-0", "key-1", "key-2", "key-3", "key-4");
        assertThat(history).containsExactly("4", "3", "2", "1", "0");
        assertThat(state.listAgents(ListAgentsRequest.newBuilder()
                                .setPrefix("agent-")
                                .build())
                        .getNamesList())
                .hasSize(5);
        assertThat(state.listNamespaces(ListNamespacesRequest.getDefaultInstance())
                        .getNamesList())
                .containsExactly("default");
    }

    @Test
    void listKeys_atAnEarlierPoint_listsTheKeysOfThenOrSaysWhyItCannot() {
        apply(write("a", "early", "1"));
        now = now.plusSeconds(60);
        apply(write("a", "late", "1"));
        now = now.plusSeconds(60);
        apply(write("a", "early", "2"));
        At.Builder first = At.newBuilder().setRevision(1);
        At.Builder afterFirst = At.newBuilder()
                .setTime(Timestamp.newBuilder().setSeconds(now.minusSeconds(90).getEpochSecond()));

        for (At.Builder at : List.of(first, afterFirst)) {
            assertThat(keysAt(at))
                    .containsExactly(ListKeysResponse.Entry.newBuilder()
                            .setKey("early")
                            .setVersion(1)
                            .setRevision(1)
                            .build());
        }
        assertThat(keysAt(At.newBuilder().setRevision(0))).isEmpty();
        assertRefused(
                Code.OUT_OF_RANGE,
                "HISTORY_CHANGED",
                () -> keysAt(At.newBuilder().setRevision(4)));
        assertThatThrownBy(() -> keysAt(At.newBuilder().setRevision(4)))
                .hasMessageEndingWith("revision 4 does not exist; the newest is 3. If it existed before, commits were"
                        + " lost; the history is now history: start over");
        assertThatThrownBy(() -> keysAt(At.newBuilder().setRevision(-1)))
                .hasMessageEndingWith("revision -1 is negative; the first revision is 1");

        engine.history().compact(new History.At.Revision(3));

        assertRefused(Code.OUT_OF_RANGE, "COMPACTED", () -> keysAt(first));
        assertThatThrownBy(() -> keysAt(first))
                .hasMessageEndingWith("the state at revision 1 is no longer retained; the oldest revision is 3");
        assertThatThrownBy(() -> keysAt(afterFirst))
                .hasMessageEndingWith(
                        "the state at 2026-11-22T12:00:30Z is no longer retained; the oldest revision is 3");
        assertThat(keysAt(At.newBuilder().setRevision(2))).hasSize(2);
    }

    private List<ListKeysResponse.Entry> keysAt(At.Builder at) {
        return state.listKeys(
                        ListKeysRequest.newBuilder().setAgentId("a").setAt(at).build())
                .getEntriesList();
    }

    /**
     * While the slow watcher reads nothing, the other one receives more than the network and the server buffer for the
     * slow one.
     */
    @Test
    void slowWatcher_delaysNobodyAndMissesNothing() {
        String large = '"' + "x".repeat(50_000) + '"';
        ReplayRequest all = ReplayRequest.newBuilder()
                .setFrom(At.newBuilder().setRevision(1))
                .setFollow(true)
                .build();
        try (Context.CancellableContext call = Context.current().withCancellation()) {
            Iterator<Event> slow = follow(call, all);
            Iterator<Event> quick = follow(call, all);
            for (int revision = 1; revision <= 300; revision++) {
                apply(write("a", "k", large));
                assertThat(quick.next().getRevision()).isEqualTo(revision);
            }
            for (int revision = 1; revision <= 300; revision++) {
                assertThat(slow.next().getRevision()).isEqualTo(revision);
            }
        }
    }

    private Iterator<Event> follow(Context call, ReplayRequest request) {
        Context before = call.attach();
        try {
            return state.replay(request);
        } finally {
            call.detach(before);
        }
    }

    /**
     * Both times are in the future when the replay begins; they select among the events that are committed after that.
     */
    @Test
    void replay_betweenTimes_returnsTheEventsBetween() {
        At from = at(now.plusSeconds(1));
        At to = at(now.plusSeconds(3));
        apply(write("a", "k", "0"));

        try (Context.CancellableContext call = Context.current().withCancellation()) {
            Iterator<Event> soon = follow(
                    call,
                    ReplayRequest.newBuilder()
                            .setFrom(from)
                            .setTo(to)
                            .setFollow(true)
                            .build());
            await().until(() -> engine.history().watches() == 1);
            for (int second = 1; second <= 4; second++) {
                apply(write("a", "k", "1"));
                now = now.plusSeconds(1);
            }

            assertThat(soon).toIterable().extracting(Event::getRevision).containsExactly(3L, 4L);
        }
    }

    private static At at(Instant time) {
        return At.newBuilder()
                .setTime(Timestamp.newBuilder().setSeconds(time.getEpochSecond()))
                .build();
    }

    @Test
    void healthAndInfo_areServed() {
        assertThat(HealthGrpc.newBlockingStub(channel)
                        .check(HealthCheckRequest.newBuilder()
                                .setService("flk.state.v1.State")
                                .build())
                        .getStatus())
                .isEqualTo(ServingStatus.SERVING);
        apply(write("a", "k", "1"));
        var info = state.info(InfoRequest.getDefaultInstance());
        assertThat(info.getEngine()).isEqualTo("memory");
        assertThat(info.getHistoryId()).isEqualTo("history");
        assertThat(info.getNewestRevision()).isEqualTo(1);
        assertThat(info.getOldestRevision()).isEqualTo(1);
        assertThat(info.getKeys()).isEqualTo(1);
    }

    @Test
    void compressedRequest_isRefused() {
        assertThatThrownBy(() -> state.withCompression("gzip").info(InfoRequest.getDefaultInstance()))
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessageContaining("UNIMPLEMENTED");
    }

    /** Sends one request and returns the first answer. */
    private static <Q, A> A first(Function<StreamObserver<A>, StreamObserver<Q>> call, Q request) {
        CompletableFuture<A> first = new CompletableFuture<>();
        StreamObserver<Q> requests = call.apply(new StreamObserver<>() {
            @Override
            public void onNext(A answer) {
                first.complete(answer);
            }

            @Override
            public void onError(Throwable failure) {
                first.completeExceptionally(failure);
            }

            @Override
            public void onCompleted() {}
        });
        requests.onNext(request);
        requests.onCompleted();
        return first.orTimeout(20, TimeUnit.SECONDS).join();
    }

    /** Checks both versions of the reflection protocol, because some clients, such as grpcurl, use v1alpha. */
    @Test
    void reflection_listsTheServices() {
        String v1 = first(
                        ServerReflectionGrpc.newStub(channel)::serverReflectionInfo,
                        ServerReflectionRequest.newBuilder().setListServices("").build())
                .toString();
        String v1alpha = first(
                        io.grpc.reflection.v1alpha.ServerReflectionGrpc.newStub(channel)::serverReflectionInfo,
                        io.grpc.reflection.v1alpha.ServerReflectionRequest.newBuilder()
                                .setListServices("")
                                .build())
                .toString();

        assertThat(List.of(v1, v1alpha))
                .allSatisfy(services -> assertThat(services)
                        .contains("flk.state.v1.State", "flk.state.v1.Care", "grpc.health.v1.Health"));
    }

    @Test
    void agentWithoutANamespace_belongsToDefault() {
        apply(write("a", "k", "1"), write("b", "k", "1"));

        assertThat(state.replay(ReplayRequest.newBuilder().setAgentId("a").build())
                        .next()
                        .getChangesList())
                .extracting(change ->
                        change.getKey().getNamespace() + "/" + change.getKey().getAgentId())
                .containsExactly("default/a");
        assertThat(CareGrpc.newBlockingStub(channel)
                        .standing(StandingRequest.newBuilder().setAgentId("a").build())
                        .getHistoryId())
                .isEqualTo("history");
    }

    /** Sends a request with invalid UTF-8 and one that is not a message. */
    @Test
    void unreadableRequest_isInvalid() {
        byte[] key = {0x12, 0x02, 'a', (byte) 0xff, 0x1a, 0x01, 'k'};
        byte[] history = ByteBuffer.allocate(key.length + 2)
                .put((byte) 0x0a)
                .put((byte) key.length)
                .put(key)
                .array();
        for (byte[] sent : List.of(history, new byte[] {(byte) 0xff})) {
            MethodDescriptor<byte[], HistoryResponse> method = StateGrpc.getHistoryMethod().toBuilder(
                            new Marshaller<byte[]>() {
                                @Override
                                public InputStream stream(byte[] bytes) {
                                    return new ByteArrayInputStream(bytes);
                                }

                                @Override
                                public byte[] parse(InputStream stream) {
                                    throw new AssertionError();
                                }
                            },
                            StateGrpc.getHistoryMethod().getResponseMarshaller())
                    .build();
            assertRefused(
                    Code.INVALID_ARGUMENT,
                    "INVALID",
                    () -> ClientCalls.blockingUnaryCall(channel, method, CallOptions.DEFAULT, sent));
        }
    }
}
