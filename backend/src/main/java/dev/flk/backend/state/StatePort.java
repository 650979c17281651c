// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.metrics.Meters;
import dev.flk.backend.tls.ReloadedTls;
import dev.flk.client.proto.StateGrpc;
import dev.flk.state.StateEngine;
import io.grpc.BindableService;
import io.grpc.Codec;
import io.grpc.DecompressorRegistry;
import io.grpc.Server;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.protobuf.services.ProtoReflectionService;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The port that serves a state engine over gRPC, with health and reflection. The engine stays its owner's. */
final class StatePort implements AutoCloseable {
    static final int MAX_CONNECTIONS = 4_096;
    /** What Info tells. */
    static final int FORMAT = 1;

    private static final int THREADS = 16;
    /** Well above a transaction, so that one that is too long is refused in words. */
    private static final int MAX_MESSAGE_BYTES = 16 << 20;

    private static final int MAX_CALLS_A_CONNECTION = 1_000;
    private static final int MAX_CALLS = 10_000;
    /** Of all callers without a token, who only check health. */
    private static final int MAX_CALLS_OF_STRANGERS = 256;

    private static final int MAX_IDLE_MINUTES = 5;
    private static final int MAX_AGE_MINUTES = 60;
    private static final int PART_OF_MEMORY = 8;
    private static final long LEAST_REQUEST_BYTES = 16L << 20;
    private static final long FINISH_MILLIS = 1_000;

    private final HealthStatusManager health = new HealthStatusManager();
    private final ExecutorService executor;
    private final StateService service;
    private final CallLimit limit;
    private final @Nullable Tokens tokens;
    private final Listener listener;
    private final Server server;

    /**
     * Opens the port.
     *
     * @param engineName as STATE_ENGINE has it
     * @param tls null: none
     * @param tokens null: everyone may do everything; stays its owner's
     * @throws IOException if that can't be done: which address, and why
     */
    StatePort(
            StateEngine engine,
            String engineName,
            InetSocketAddress address,
            @Nullable ReloadedTls tls,
            @Nullable Tokens tokens,
            int maxConnections,
            Meters meters)
            throws IOException {
        ThreadPoolExecutor threads =
                new ThreadPoolExecutor(THREADS, THREADS, 1, TimeUnit.MINUTES, new LinkedBlockingQueue<>(), task -> {
                    Thread thread = new Thread(task, "state-calls");
                    thread.setDaemon(true);
                    return thread;
                });
        threads.allowCoreThreadTimeOut(true);
        executor = threads;
        service = new StateService(engine, engineName, FORMAT, threads, meters);
        this.tokens = tokens;
        listener = new Listener(maxConnections);
        limit = new CallLimit(MAX_CALLS, MAX_CALLS_OF_STRANGERS, maxRequestBytes(), System::nanoTime, meters);
        NettyServerBuilder builder = listener.listenFor(NettyServerBuilder.forAddress(address))
                .executor(threads)
                .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                .maxConcurrentCallsPerConnection(MAX_CALLS_A_CONNECTION)
                .maxConnectionIdle(MAX_IDLE_MINUTES, TimeUnit.MINUTES)
                // so that clients behind a balancer spread again; calls that are under way go on
                .maxConnectionAge(MAX_AGE_MINUTES, TimeUnit.MINUTES)
                // what a client holds that is gone without a word, is given back
                .keepAliveTime(1, TimeUnit.MINUTES)
                .permitKeepAliveTime(10, TimeUnit.SECONDS)
                .permitKeepAliveWithoutCalls(true)
                // what is sent compressed could be longer than anything that is counted
                .decompressorRegistry(DecompressorRegistry.emptyInstance().with(Codec.Identity.NONE, false))
                .addStreamTracerFactory(limit)
                .addService(bounded(service))
                .addService(bounded(new CareService(engine)))
                .addService(bounded(health.getHealthService()))
                .addService(bounded(ProtoReflectionServiceV1.newInstance()))
                .addService(bounded(reflectionV1Alpha()));
        if (tokens != null) {
            builder = builder.intercept(tokens);
        }
        server = (tls == null ? builder : builder.sslContext(new CurrentTls(tls))).build();
        try {
            Server unused = server.start();
        } catch (IOException e) {
            executor.shutdownNow();
            listener.close();
            throw new IOException(
                    "can't listen on %s port %d for the state: %s; choose another STATE_PORT, or off"
                            .formatted(address.getHostString(), address.getPort(), cause(e)),
                    e);
        }
        setServing(engine.problem().isEmpty());
    }

    private ServerServiceDefinition bounded(BindableService service) {
        return ReadableRequests.of(ServerInterceptors.intercept(service, limit));
    }

    /** What grpcurl, among others, still asks for. */
    @SuppressWarnings("deprecation")
    private static BindableService reflectionV1Alpha() {
        return ProtoReflectionService.newInstance();
    }

    private static long maxRequestBytes() {
        return Math.max(LEAST_REQUEST_BYTES, Runtime.getRuntime().maxMemory() / PART_OF_MEMORY);
    }

    /** What health tells. */
    void setServing(boolean serves) {
        ServingStatus status = serves ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
        health.setStatus("", status);
        health.setStatus(StateGrpc.SERVICE_NAME, status);
    }

    /** How many replays are under way. */
    int streams() {
        return service.streams();
    }

    /** See {@link StateService#tellProgress}. */
    void tellProgress() {
        service.tellProgress();
    }

    /** Describes the calls that are refused just now, because too many are under way; empty: none is. */
    Optional<String> refusing() {
        return limit.refusing();
    }

    /** Ends the calls of strangers that took too long, and the replays of those whose token was revoked or may do something else now. */
    void look() {
        limit.endSlowStrangers();
        Tokens known = tokens;
        if (known != null) {
            service.endStreams(
                    caller -> !known.isInForce(caller),
                    Status.UNAUTHENTICATED.withDescription("the token was revoked, or may do something else now"));
        }
    }

    private static String cause(IOException e) {
        return String.valueOf((e.getCause() == null ? e : e.getCause()).getMessage());
    }

    /** The port, where any was asked for. */
    int port() {
        return server.getPort();
    }

    /** Ends streams, lets calls finish for a moment, and closes. */
    @Override
    public void close() {
        health.enterTerminalState();
        service.endStreams(caller -> true, Status.UNAVAILABLE.withDescription("the backend stops; resume behind it"));
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
        listener.close();
    }
}
