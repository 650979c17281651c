// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.tokens.TokenHolder;
import dev.flk.program.metrics.Metrics;
import dev.flk.state.StateException;
import io.grpc.Context;
import io.grpc.Context.CancellableContext;
import io.grpc.Contexts;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.health.v1.HealthGrpc.HealthBlockingStub;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Tests that open calls count against the limits until they end. Most tests use calls that watch the health of a
 * server.
 */
class CallLimitTest {
    private static final HealthCheckRequest REQUEST = HealthCheckRequest.newBuilder()
            .setService("s".repeat(60)) // the message has 62 bytes
            .build();

    private final AtomicLong nanos = new AtomicLong();
    private final List<SocketAddress> closed = new CopyOnWriteArrayList<>();
    private final Admitted admitted = new Admitted();
    private Runnable whenRead = () -> {};
    private CallLimit limit;
    private Server server;
    private ManagedChannel channel;
    private HealthBlockingStub health;

    /** Records the calls that the limit lets through, from their beginning until their places are free again. */
    private final class Admitted implements ServerInterceptor {
        private final Set<ServerCall<?, ?>> open = ConcurrentHashMap.newKeySet();
        private final Set<ServerCall<?, ?>> answered = ConcurrentHashMap.newKeySet();

        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            return new SimpleForwardingServerCallListener<>(next.startCall(call, headers)) {
                @Override
                public void onReady() { // the first event of a call; the request is delivered when it is complete
                    super.onReady();
                    open.add(call);
                }

                @Override
                public void onHalfClose() {
                    try {
                        whenRead.run();
                    } catch (StateException e) {
                        Messages.close(call, e);
                        return;
                    }
                    super.onHalfClose();
                    answered.add(call);
                }

                @Override
                public void onComplete() {
                    super.onComplete();
                    open.remove(call);
                }

                @Override
                public void onCancel() {
                    super.onCancel();
                    open.remove(call);
                }
            };
        }
    }

    private void serve(int maxCalls, long maxBytes) throws IOException {
        serve(maxCalls, maxBytes, Caller.ANYONE);
    }

    private void serve(int maxCalls, long maxBytes, Caller caller) throws IOException {
        limit = new CallLimit(
                maxCalls,
                2,
                new CallLimit.Bytes(maxBytes, maxBytes, maxBytes),
                headers -> caller,
                nanos::get,
                closed::add,
                new StateMetrics(new Metrics("test")));
        ServerInterceptor asCaller = new ServerInterceptor() {
            @Override
            public <Q, A> ServerCall.Listener<Q> interceptCall(
                    ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
                return Contexts.interceptCall(Context.current().withValue(Caller.CURRENT, caller), call, headers, next);
            }
        };
        ServerServiceDefinition service =
                ServerInterceptors.intercept(new HealthStatusManager().getHealthService(), admitted);
        server = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .addStreamTracerFactory(limit)
                .addService(ServerInterceptors.intercept(limit.bound(() -> service), asCaller))
                .build()
                .start();
        channel = NettyChannelBuilder.forAddress("127.0.0.1", server.getPort())
                .usePlaintext()
                .build();
        health = HealthGrpc.newBlockingStub(channel).withDeadlineAfter(20, TimeUnit.SECONDS);
    }

    @AfterEach
    void close() {
        channel.shutdownNow();
        server.shutdownNow();
    }

    /** Starts a call that stays open until the returned context is cancelled. */
    private CancellableContext hold() {
        CancellableContext call = Context.current().withCancellation();
        Context before = call.attach();
        try {
            assertThat(health.watch(REQUEST).next().isInitialized()).isTrue();
        } catch (StatusRuntimeException e) {
            call.cancel(e);
            throw e;
        } finally {
            call.detach(before);
        }
        return call;
    }

    private void assertNoRoom(String why) {
        assertThatThrownBy(this::hold)
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessage("RESOURCE_EXHAUSTED: " + why + "; try again in a moment");
    }

    private void awaitRoom() {
        await().ignoreException(StatusRuntimeException.class).until(() -> {
            hold().cancel(null);
            return true;
        });
    }

    /** The limit of calls or bytes, of all or of one token, that the third call exceeds; one call counts as 190 bytes. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "2  | 1000 | false | there are too many streams under way",
                "10 | 500  | false | requests under way take more than 500 bytes",
                "10 | 1000 | true  | requests of one token, or of all, under way take more than 500 or 1000 bytes",
            })
    void callAboveALimit_isRefusedUntilAnotherEnds(int maxCalls, long maxBytes, boolean hasToken, String why)
            throws IOException {
        serve(maxCalls, maxBytes, hasToken ? new Caller(new TokenHolder("planner", "", List.of())) : Caller.ANYONE);
        try (CancellableContext first = hold();
                CancellableContext second = hold()) {
            assertNoRoom(why);
            assertNoRoom(why); // a refused call takes up no room
            first.cancel(null);
            awaitRoom();
            assertThat(second.isCancelled()).isFalse();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "900, 3900, requests under way take more than 900 bytes",
        "100000, 5000, the request is longer than 4096 bytes"
    })
    void longRequest_isRefusedBeforeItIsCompleteAndHoldsNoMemory(long maxBytes, int bytes, String why)
            throws IOException {
        serve(10, maxBytes);
        HealthCheckRequest request =
                HealthCheckRequest.newBuilder().setService("s".repeat(bytes)).build();

        assertThatThrownBy(() -> health.check(request)).hasMessage("RESOURCE_EXHAUSTED: " + why);

        awaitRoom();
    }

    @Test
    void caller_isLimitedToHalf_andReportedWhileItExceedsThat() throws IOException {
        serve(4, 1_000, new Caller(new TokenHolder("planner", "", List.of())));
        try (CancellableContext first = hold();
                CancellableContext second = hold()) {
            assertThat(limit.refusing()).isEmpty();
            assertNoRoom("there are too many streams of one token under way");
            assertThat(limit.refusing()).contains("too many streams of one token");
            nanos.addAndGet(TimeUnit.SECONDS.toNanos(11));
            assertThat(limit.refusing()).isEmpty();
            first.cancel(null);
            awaitRoom();
            assertThat(second.isCancelled()).isFalse();
        }
    }

    @Test
    void streams_takeNoPlaceOfOtherCalls() throws IOException {
        serve(1, 1_000);
        try (CancellableContext watcher = hold()) {
            assertNoRoom("there are too many streams under way");

            assertThat(health.check(HealthCheckRequest.getDefaultInstance()).isInitialized())
                    .isTrue();
            assertThat(watcher.isCancelled()).isFalse();
        }
    }

    @Test
    void incompleteRequestWithoutToken_timesOutAndFreesItsPlace() throws Exception {
        serve(4, 10_000, Caller.STRANGER);
        HalfOpen<HealthCheckRequest, HealthCheckResponse> slow =
                HalfOpen.call(channel, HealthGrpc.getCheckMethod(), new Metadata());
        slow.send(REQUEST);
        HalfOpen<HealthCheckRequest, HealthCheckResponse> quick =
                HalfOpen.call(channel, HealthGrpc.getCheckMethod(), new Metadata());
        quick.send(HealthCheckRequest.getDefaultInstance());
        awaitNoRoomForACheck();
        quick.complete();
        assertThat(quick.status()).isEqualTo(Code.OK);
        await().until(() -> admitted.open.size() == 1); // the answer arrives before the place is free
        nanos.addAndGet(CallLimit.STRANGER_REQUEST_NANOS - 1);
        limit.endSlowStrangers();
        HalfOpen<HealthCheckRequest, HealthCheckResponse> later =
                HalfOpen.call(channel, HealthGrpc.getCheckMethod(), new Metadata());
        later.send(HealthCheckRequest.getDefaultInstance());
        awaitNoRoomForACheck();

        nanos.incrementAndGet();
        limit.endSlowStrangers();

        assertThat(slow.status()).isEqualTo(Code.DEADLINE_EXCEEDED);
        later.complete();
        assertThat(later.status()).isEqualTo(Code.OK);
        await().until(() -> !noRoomForACheck());
    }

    /** An answer that does not fit into the client's flow-control window keeps the call open. */
    @Test
    void answerNotReadByACallerWithoutToken_closesTheConnection() throws Exception {
        serve(4, 10_000, Caller.STRANGER);
        ManagedChannel slow = NettyChannelBuilder.forAddress("127.0.0.1", server.getPort())
                .usePlaintext()
                .flowControlWindow(1)
                .build();
        try {
            for (int i = 0; i < 2; i++) {
                HalfOpen<HealthCheckRequest, HealthCheckResponse> call =
                        HalfOpen.callUnread(slow, HealthGrpc.getCheckMethod(), new Metadata());
                call.send(HealthCheckRequest.getDefaultInstance());
                call.complete();
            }
            await().until(() -> admitted.answered.size() == 2);
            assertThat(noRoomForACheck()).isTrue();
            nanos.addAndGet(CallLimit.STRANGER_REQUEST_NANOS - 1);
            limit.endSlowStrangers();
            assertThat(closed).isEmpty();

            nanos.incrementAndGet();
            limit.endSlowStrangers();

            assertThat(closed).hasSize(2).doesNotContainNull();
            slow.shutdownNow();
            await().until(() -> !noRoomForACheck());
        } finally {
            slow.shutdownNow();
        }
    }

    /** Waits until two calls have places, and only then tries a check: before that, it could take one of the places. */
    private void awaitNoRoomForACheck() {
        await().until(() -> admitted.open.size() == 2);
        assertThat(noRoomForACheck()).isTrue();
    }

    private boolean noRoomForACheck() {
        try {
            return !health.check(HealthCheckRequest.getDefaultInstance()).isInitialized();
        } catch (StatusRuntimeException e) {
            assertThat(e)
                    .hasMessage("RESOURCE_EXHAUSTED: there are too many calls without a token under way; try again"
                            + " in a moment");
            return true;
        }
    }

    @Test
    void roomForAnAnswer_isReservedBeforeItsValuesAreRead() throws IOException {
        AtomicLong reserved = new AtomicLong(11);
        whenRead = () -> CallLimit.ROOM.get().accept(reserved.get());
        serve(10, 10);
        HealthCheckRequest ofAll = HealthCheckRequest.getDefaultInstance();
        assertThatThrownBy(() -> health.check(ofAll))
                .hasMessageContaining("answers under way take more than 10 bytes; try again in a moment");

        reserved.set(10);

        // the answer has 2 bytes, so it gives back what was reserved in vain
        assertThat(health.check(ofAll).getStatusValue()).isOne();
    }

    @Test
    void answersAboveTheMemoryLimit_areRefused() throws IOException {
        serve(10, 3); // an answer has two bytes
        HealthCheckRequest ofAll = HealthCheckRequest.getDefaultInstance();
        assertThat(health.check(ofAll).getStatusValue()).isOne();
        server.shutdownNow();
        serve(10, 1);
        assertThatThrownBy(() -> health.check(ofAll))
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessageContaining("answers under way take more than 1 bytes");
    }
}
