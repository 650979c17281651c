// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.state.StateEngine;
import io.grpc.Server;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The port that serves a state engine over gRPC, with health and reflection. The engine stays its owner's. */
public final class StatePort implements AutoCloseable {
    private static final int THREADS = 16;
    private static final int MAX_MESSAGE_BYTES = 4 << 20;
    private static final int MAX_CALLS_A_CONNECTION = 1_000;
    private static final int FORMAT = 1;
    private static final long FINISH_MILLIS = 2_000;

    private final HealthStatusManager health = new HealthStatusManager();
    private final ExecutorService executor;
    private final Server server;

    /**
     * Opens the port.
     *
     * @param engineName as STATE_ENGINE has it
     * @throws IOException if that can't be done: which address, and why
     */
    public StatePort(StateEngine engine, String engineName, InetSocketAddress address) throws IOException {
        ThreadPoolExecutor threads =
                new ThreadPoolExecutor(THREADS, THREADS, 1, TimeUnit.MINUTES, new LinkedBlockingQueue<>(), task -> {
                    Thread thread = new Thread(task, "state-calls");
                    thread.setDaemon(true);
                    return thread;
                });
        threads.allowCoreThreadTimeOut(true);
        executor = threads;
        server = NettyServerBuilder.forAddress(address)
                .executor(threads)
                .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                .maxConcurrentCallsPerConnection(MAX_CALLS_A_CONNECTION)
                .permitKeepAliveTime(10, TimeUnit.SECONDS)
                .permitKeepAliveWithoutCalls(true)
                .addService(new StateService(engine, engineName, FORMAT, threads))
                .addService(health.getHealthService())
                .addService(ProtoReflectionServiceV1.newInstance())
                .build();
        try {
            Server unused = server.start();
        } catch (IOException e) {
            executor.shutdownNow();
            throw new IOException("the state's port " + address + " can't be opened: " + cause(e), e);
        }
        health.setStatus("", ServingStatus.SERVING);
        health.setStatus("flk.state.v1.State", ServingStatus.SERVING);
    }

    private static String cause(IOException e) {
        return String.valueOf((e.getCause() == null ? e : e.getCause()).getMessage());
    }

    /** The port, where any was asked for. */
    public int port() {
        return server.getPort();
    }

    /** Ends streams, lets calls finish for a moment, and closes. */
    @Override
    public void close() {
        health.enterTerminalState();
        Server unused = server.shutdown();
        try {
            if (!server.awaitTermination(FINISH_MILLIS, TimeUnit.MILLISECONDS)) {
                unused = server.shutdownNow();
                // streams that were cut off end their watches on the executor
                boolean unusedEnd = server.awaitTermination(FINISH_MILLIS, TimeUnit.MILLISECONDS);
            }
        } catch (InterruptedException e) {
            unused = server.shutdownNow();
            Thread.currentThread().interrupt();
        }
        executor.shutdown();
    }
}
