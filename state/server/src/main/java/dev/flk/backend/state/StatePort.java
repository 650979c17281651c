// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.access.tls.ReloadedTls;
import dev.flk.backend.access.tokens.Tokens;
import dev.flk.backend.state.CallLimit.Bytes;
import dev.flk.client.proto.StateGrpc;
import dev.flk.state.StateEngine;
import io.grpc.BindableService;
import io.grpc.Codec;
import io.grpc.DecompressorRegistry;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.protobuf.services.ProtoReflectionService;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The port that serves a state engine over gRPC, with the services for health and reflection. The caller keeps
 * ownership of the engine.
 */
final class StatePort implements AutoCloseable {
    /**
     * The maximum number of connections. If the port has tokens, a connection counts only after it has shown a valid
     * token.
     */
    static final int MAX_CONNECTIONS = 4_096;
    /** The format number that the call {@code Info} returns. */
    static final int FORMAT = 1;

    private static final int MOST_THREADS = 8;
    /**
     * The maximum number of threads that one token occupies, of twice as many. More than there are processors would
     * only compete with the other threads of the backend, except for a few that wait for a disk or a database.
     */
    private static final int THREADS =
            Math.min(MOST_THREADS, Math.max(4, Runtime.getRuntime().availableProcessors()));
    /**
     * The maximum size of a message, well above the maximum size of a transaction. Therefore, a transaction that is
     * slightly too long is still read, and gets an error with a reason.
     */
    private static final int MAX_MESSAGE_BYTES = 16 << 20;

    private static final int MAX_CALLS_A_CONNECTION = 1_000;
    private static final int MAX_CALLS = 10_000;
    /**
     * The maximum number of calls in progress of all callers without a token together. Such callers can only check
     * health.
     */
    private static final int MAX_CALLS_OF_STRANGERS = 256;

    private static final int MAX_IDLE_MINUTES = 5;
    private static final int MAX_AGE_MINUTES = 60;
    /** The bounds on bytes are these parts of the heap in 32nds, but at least what they are of 256 MiB. */
    private static final int UNITS = 32;

    private static final int REQUEST_UNITS = 3;
    private static final int ANSWER_UNITS = 3;
    private static final int STREAMED_UNITS = 1;
    /** A token may hold half: a few of the longest transactions. */
    private static final long LEAST_REQUEST_BYTES = 24L << 20;
    /** A token may hold half: a page on each of its threads, and half as much that the network has not taken. */
    private static final long LEAST_ANSWER_BYTES = 3L * MOST_THREADS * StateEngine.MAX_PAGE_BYTES;

    private static final long LEAST_STREAMED_BYTES = 8L << 20;
    private static final long FINISH_MILLIS = 1_000;

    private final HealthStatusManager health = new HealthStatusManager();
    private final CallThreads threads;
    private final StateService service;
    private final CallLimit limit;
    private final @Nullable Tokens tokens;
    private final ConnectionLimit connections;
    private final Server server;

    /**
     * Opens the port.
     *
     * @param engineName the value of STATE_ENGINE
     * @param tls the TLS of the port; null for a port without TLS
     * @param tokens the tokens, owned by the caller; null if everyone may do everything
     * @throws IOException if the port can't be opened; the message has the address and the reason
     */
    StatePort(
            StateEngine engine,
            String engineName,
            InetSocketAddress address,
            @Nullable ReloadedTls tls,
            @Nullable Tokens tokens,
            int maxConnectionLimit,
            StateMetrics metrics)
            throws IOException {
        TokenCheck check = tokens == null ? null : new TokenCheck(tokens);
        Function<Metadata, Caller> callers = check == null ? headers -> Caller.ANYONE : check::caller;
        threads = new CallThreads(tokens == null ? 2 * THREADS : THREADS, callers);
        service = new StateService(engine, engineName, FORMAT, threads::of, metrics);
        this.tokens = tokens;
        connections = new ConnectionLimit(maxConnectionLimit, tokens != null, System::nanoTime, metrics);
        limit = new CallLimit(
                MAX_CALLS,
                MAX_CALLS_OF_STRANGERS,
                maxBytes(Runtime.getRuntime().maxMemory()),
                callers,
                System::nanoTime,
                connections::close,
                metrics);
        NettyServerBuilder builder = connections
                .listenFor(NettyServerBuilder.forAddress(address))
                // the look-up of a call's method is short, and its steps run on the threads of its caller
                .directExecutor()
                .callExecutor(threads)
                .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                .maxConcurrentCallsPerConnection(MAX_CALLS_A_CONNECTION)
                .maxConnectionIdle(MAX_IDLE_MINUTES, TimeUnit.MINUTES)
                // makes clients reconnect, so that a load balancer can redistribute them; calls in progress continue
                .maxConnectionAge(MAX_AGE_MINUTES, TimeUnit.MINUTES)
                // releases the resources of clients that have disappeared silently
                .keepAliveTime(1, TimeUnit.MINUTES)
                .permitKeepAliveTime(10, TimeUnit.SECONDS)
                .permitKeepAliveWithoutCalls(true)
                // rejects compressed requests, which could expand to more bytes than were counted
                .decompressorRegistry(DecompressorRegistry.emptyInstance().with(Codec.Identity.NONE, false))
                .addStreamTracerFactory(limit)
                .addService(limit.bound(service))
                .addService(limit.bound(new CareService(engine)))
                .addService(limit.bound(health.getHealthService()))
                .addService(limit.bound(ProtoReflectionServiceV1.newInstance()))
                .addService(limit.bound(reflectionV1Alpha()));
        if (check != null) {
            // the interceptor that is added last runs first
            builder = builder.intercept(connections).intercept(check);
        }
        server = (tls == null ? builder : builder.sslContext(new CurrentTls(tls))).build();
        try {
            server.start();
        } catch (IOException e) {
            threads.close();
            connections.close();
            throw new IOException(
                    "can't listen on %s port %d for the state: %s; choose another STATE_PORT, or off"
                            .formatted(address.getHostString(), address.getPort(), cause(e)),
                    e);
        }
        setServing(engine.problem().isEmpty());
    }

    /** Returns the older version of the reflection service, which grpcurl and other clients still use. */
    @SuppressWarnings("deprecation")
    private static BindableService reflectionV1Alpha() {
        return ProtoReflectionService.newInstance();
    }

    /** Returns the bounds on the bytes of calls for a heap of this size. */
    static Bytes maxBytes(long heapBytes) {
        return new Bytes(
                Math.max(LEAST_REQUEST_BYTES, heapBytes / UNITS * REQUEST_UNITS),
                Math.max(LEAST_ANSWER_BYTES, heapBytes / UNITS * ANSWER_UNITS),
                Math.max(LEAST_STREAMED_BYTES, heapBytes / UNITS * STREAMED_UNITS));
    }

    /** Sets the status that the health service returns. */
    void setServing(boolean serves) {
        ServingStatus status = serves ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
        health.setStatus("", status);
        health.setStatus(StateGrpc.SERVICE_NAME, status);
    }

    /** Returns the number of replays in progress. */
    int streams() {
        return service.streams();
    }

    /** Calls {@link StateService#sendProgress}. */
    void sendProgress() {
        service.sendProgress();
    }

    /**
     * Returns a description of the connections and calls that were refused in the last seconds because there were too
     * many; empty if none were.
     */
    Optional<String> refusing() {
        return Stream.of(connections.refusing(), limit.refusing())
                .flatMap(Optional::stream)
                .reduce((ofConnectionLimit, ofCalls) -> ofConnectionLimit + " and " + ofCalls);
    }

    /**
     * Ends the calls of strangers that took too long. Also ends the replays of each caller whose token was revoked or
     * now has other rights.
     */
    void look() {
        limit.endSlowStrangers();
        Tokens known = tokens;
        if (known != null) {
            service.endStreams(
                    caller -> !known.isInForce(caller.token()),
                    Status.UNAUTHENTICATED.withDescription("the token was revoked, or its rights have changed"));
        }
    }

    private static String cause(IOException e) {
        return String.valueOf((e.getCause() == null ? e : e.getCause()).getMessage());
    }

    /** Returns the number of the port that the server listens on, even if any free port was requested. */
    int port() {
        return server.getPort();
    }

    /** Ends streams, gives other calls a moment to finish, and closes the port. */
    @Override
    public void close() {
        health.enterTerminalState();
        service.endStreams(
                caller -> true, Status.UNAVAILABLE.withDescription("the backend is stopping; resume when it is back"));
        server.shutdown();
        try {
            if (!server.awaitTermination(FINISH_MILLIS, TimeUnit.MILLISECONDS)) {
                server.shutdownNow();
                // waits again before the executor is shut down, because interrupted streams use the executor to end
                // their watches
                server.awaitTermination(FINISH_MILLIS, TimeUnit.MILLISECONDS);
            }
        } catch (InterruptedException e) {
            server.shutdownNow();
            Thread.currentThread().interrupt();
        }
        threads.close();
        connections.close();
    }
}
