// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.grpc.Context;
import io.grpc.Context.CancellableContext;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.ServerInterceptors;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.health.v1.HealthGrpc.HealthBlockingStub;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Calls that stay open hold what they count; here those that watch a server's health. */
class CallLimitTest {
    private static final HealthCheckRequest REQUEST = HealthCheckRequest.newBuilder()
            .setService("s".repeat(60)) // 62 bytes as a message
            .build();

    private Server server;
    private ManagedChannel channel;
    private HealthBlockingStub health;

    private void serve(int maxCalls, long maxBytes) throws IOException {
        CallLimit limit = new CallLimit(maxCalls, maxBytes);
        server = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .addStreamTracerFactory(limit)
                .addService(ServerInterceptors.intercept(new HealthStatusManager().getHealthService(), limit))
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

    /** Holds one call until it is cancelled. */
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

    @Test
    void callAboveTheirNumber_isRefused_untilAnotherEnds() throws IOException {
        serve(2, 1_000);
        try (CancellableContext first = hold();
                CancellableContext second = hold()) {
            assertNoRoom("there are too many calls under way, 2");
            assertNoRoom("there are too many calls under way, 2"); // and holds nothing
            first.cancel(null);
            awaitRoom();
            assertThat(second.isCancelled()).isFalse();
        }
    }

    @Test
    void requestsAboveTheirBytes_areRefused_untilOthersEnd() throws IOException {
        serve(10, 500); // with what a frame takes, each is 190
        try (CancellableContext first = hold();
                CancellableContext second = hold()) {
            assertNoRoom("requests under way take more than 500 bytes");
            first.cancel(null);
            awaitRoom();
            assertThat(second.isCancelled()).isFalse();
        }
    }

    @Test
    void requestOfWhichTooMuchArrives_isRefusedBeforeItIsWhole_andHoldsNothing() throws IOException {
        serve(10, 900);
        assertThatThrownBy(() -> health.check(requestOf(3_900)))
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessage("RESOURCE_EXHAUSTED: requests under way take more than 900 bytes");
        awaitRoom();
    }

    @Test
    void requestToHealth_isShort() throws IOException {
        serve(10, 100_000);
        assertThatThrownBy(() -> health.check(requestOf(5_000)))
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessage("RESOURCE_EXHAUSTED: the request is longer than 4096 bytes");
        awaitRoom();
    }

    private static HealthCheckRequest requestOf(int bytes) {
        return HealthCheckRequest.newBuilder().setService("s".repeat(bytes)).build();
    }

    @Test
    void answersAboveTheirBytes_areRefused() throws IOException {
        serve(10, 3); // an answer has two
        HealthCheckRequest ofAll = HealthCheckRequest.getDefaultInstance();
        assertThat(health.check(ofAll).getStatusValue()).isOne();
        server.shutdownNow();
        serve(10, 1);
        assertThatThrownBy(() -> health.check(ofAll))
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessageContaining("answers under way take more than 1 bytes");
    }
}
