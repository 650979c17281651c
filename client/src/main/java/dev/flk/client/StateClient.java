// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import com.google.protobuf.Timestamp;
import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.At;
import dev.flk.client.proto.CareGrpc;
import dev.flk.client.proto.CommitResponse;
import dev.flk.client.proto.Event;
import dev.flk.client.proto.FindRequest;
import dev.flk.client.proto.FindResponse;
import dev.flk.client.proto.Found;
import dev.flk.client.proto.GetRequest;
import dev.flk.client.proto.HistoryRequest;
import dev.flk.client.proto.HistoryResponse;
import dev.flk.client.proto.InfoRequest;
import dev.flk.client.proto.InfoResponse;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.ListAgentsRequest;
import dev.flk.client.proto.ListKeysRequest;
import dev.flk.client.proto.ListKeysResponse;
import dev.flk.client.proto.ListNamesResponse;
import dev.flk.client.proto.ListNamespacesRequest;
import dev.flk.client.proto.Operation;
import dev.flk.client.proto.StateGrpc;
import dev.flk.client.proto.StateGrpc.StateBlockingStub;
import io.grpc.ChannelCredentials;
import io.grpc.Context;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * The state of agents, as a backend serves it. One connection for all threads. Calls that are safe to repeat are tried again while the
 * backend can't be reached or is starting, until their time is over: reads, and commits, which carry a request id.
 */
public final class StateClient implements AutoCloseable {
    private static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(30);
    private static final long FIRST_WAIT_MILLIS = 100;
    private static final long LONGEST_WAIT_MILLIS = 2_000;
    private static final int MAX_MESSAGE_BYTES = 8 << 20;
    /** Of all calls that may have to be sent again. */
    private static final long RETRY_BYTES = 64L << 20;

    private static final long KEEP_ALIVE_SECONDS = 30;
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final long CLOSE_SECONDS = 5;

    /** gRPC's own retries, of a replay before its first event. */
    private static final Map<String, ?> RETRIES = Map.of(
            "methodConfig",
            List.of(Map.of(
                    "name",
                    List.of(Map.of("service", StateGrpc.SERVICE_NAME, "method", "Replay")),
                    "retryPolicy",
                    Map.of(
                            "maxAttempts",
                            5.0,
                            "initialBackoff",
                            "0.2s",
                            "maxBackoff",
                            "3s",
                            "backoffMultiplier",
                            2.0,
                            "retryableStatusCodes",
                            List.of("UNAVAILABLE")))));

    private final ManagedChannel channel;
    private final StateBlockingStub stub;
    private final String namespace;
    private final Duration timeout;
    private final boolean retries;

    private StateClient(ManagedChannel channel, String namespace, Duration timeout, boolean retries) {
        this.channel = channel;
        this.stub = StateGrpc.newBlockingStub(channel);
        this.namespace = namespace;
        this.timeout = timeout;
        this.retries = retries;
    }

    /**
     * Connects without TLS or token, when the first call is made.
     *
     * @param target host and port, as {@code localhost:50051}
     */
    public static StateClient connect(String target) {
        return to(target).connect();
    }

    /**
     * For a backend that asks for more.
     *
     * @param target host and port
     */
    public static Connector to(String target) {
        return new Connector(target);
    }

    /** On a channel of the caller's, which is closed with the client; its retries are the caller's too. */
    public static StateClient over(ManagedChannel channel) {
        return new StateClient(channel, "default", DEFAULT_TIMEOUT, false);
    }

    /** How to connect; for one thread. */
    public static final class Connector {
        private final String target;
        private TlsChannelCredentials.@Nullable Builder tls;
        private @Nullable String token;
        private Duration timeout = DEFAULT_TIMEOUT;

        private Connector(String target) {
            this.target = target;
        }

        /** With TLS, and the authorities of the JDK. */
        public Connector tls() {
            tls = TlsChannelCredentials.newBuilder();
            return this;
        }

        /**
         * With TLS.
         *
         * @param authorities PEM: those that lead to the backend's certificate
         * @throws IOException if the file can't be read
         */
        public Connector tls(Path authorities) throws IOException {
            tls = TlsChannelCredentials.newBuilder().trustManager(authorities.toFile());
            return this;
        }

        /**
         * Shows a certificate; after {@link #tls}.
         *
         * @param chain PEM: the certificate and those that lead to its authority
         * @param key PEM: its key, PKCS#8 without a password
         * @throws IOException if a file can't be read
         */
        public Connector certificate(Path chain, Path key) throws IOException {
            if (tls == null) {
                throw new IllegalStateException("a certificate is shown with TLS only; call tls() before");
            }
            tls = tls.keyManager(chain.toFile(), key.toFile());
            return this;
        }

        /** Shows a token, which goes over the network as it is: not without TLS. */
        public Connector token(String shown) {
            token = shown;
            return this;
        }

        /** Bounds each call, with its retries; 30 s, unless it is set. A replay takes as long as it takes. */
        public Connector timeout(Duration longest) {
            if (longest.isNegative() || longest.isZero()) {
                throw new IllegalArgumentException("the timeout must be above 0: " + longest);
            }
            timeout = longest;
            return this;
        }

        /** Connects when the first call is made. */
        public StateClient connect() {
            ChannelCredentials credentials = tls == null ? InsecureChannelCredentials.create() : tls.build();
            NettyChannelBuilder builder = NettyChannelBuilder.forTarget(target, credentials)
                    .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                    // else a replay would wait for ever for a server that is gone without a word
                    .keepAliveTime(KEEP_ALIVE_SECONDS, TimeUnit.SECONDS)
                    .defaultServiceConfig(RETRIES)
                    .perRpcBufferLimit(MAX_MESSAGE_BYTES)
                    .retryBufferSize(RETRY_BYTES)
                    .enableRetry();
            if (token != null) {
                Metadata headers = new Metadata();
                headers.put(AUTHORIZATION, "Bearer " + token);
                builder = builder.intercept(MetadataUtils.newAttachHeadersInterceptor(headers));
            }
            return new StateClient(builder.build(), "default", timeout, true);
        }
    }

    /** The same connection, for another namespace; to be closed once only. */
    public StateClient namespace(String name) {
        return new StateClient(channel, name, timeout, retries);
    }

    /** A transaction, kept here until it is committed. */
    public Transaction begin() {
        return new Transaction(this, namespace);
    }

    /** @param longest for which it may be tried, if that is less than the timeout */
    Commit commit(List<Operation> operations, String requestId, Duration longest) {
        ApplyRequest request = ApplyRequest.newBuilder()
                .addAllOperations(operations)
                .setRequestId(requestId)
                .build();
        CommitResponse committed =
                call(longest.compareTo(timeout) < 0 ? longest : timeout, timed -> timed.apply(request));
        return new Commit(
                committed.getRevision(), instant(committed.getCommittedAt()), List.copyOf(committed.getVersionsList()));
    }

    /** What stands; empty if the key does not exist. */
    public Optional<Versioned> get(String agentId, String key) {
        return get(agentId, key, At.getDefaultInstance());
    }

    /** What stood at a revision. */
    public Optional<Versioned> getAt(String agentId, String key, long revision) {
        return get(agentId, key, At.newBuilder().setRevision(revision).build());
    }

    /** What stood at a time. */
    public Optional<Versioned> getAt(String agentId, String key, Instant time) {
        return get(agentId, key, At.newBuilder().setTime(timestamp(time)).build());
    }

    private Optional<Versioned> get(String agentId, String key, At at) {
        Found found = call(timed -> timed.get(GetRequest.newBuilder()
                        .addKeys(key(agentId, key))
                        .setAt(at)
                        .build()))
                .getFound(0);
        return found.getState() == Found.State.PRESENT ? Optional.of(versioned(found.getVersion())) : Optional.empty();
    }

    private Key key(String agentId, String key) {
        return key(namespace, agentId, key);
    }

    static Key key(String namespace, String agentId, String key) {
        return Key.newBuilder()
                .setNamespace(text("namespace", namespace))
                .setAgentId(text("agent_id", agentId))
                .setKey(text("key", key))
                .build();
    }

    /** The same text; half of a surrogate pair would be sent as a question mark. */
    static String text(String what, String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw StateCallException.invalid(what + " can't be written as UTF-8: it has half of a surrogate pair");
        }
        return text;
    }

    /** A key that was found by its value. */
    public record Match(String agentId, String key, Versioned value) {}

    /**
     * Keys whose value matches an SQL/JSON path, like {@code $.fact ? (@ starts with "Paris")}, in order; where the state is in
     * Postgres.
     *
     * @param agentId empty: of all agents
     */
    public List<Match> find(String agentId, String jsonPath) {
        List<Match> all = new ArrayList<>();
        FindRequest.Builder request = FindRequest.newBuilder()
                .setNamespace(namespace)
                .setAgentId(agentId)
                .setJsonPath(jsonPath);
        do {
            FindResponse page = call(timed -> timed.find(request.build()));
            page.getEntriesList()
                    .forEach(found -> all.add(new Match(
                            found.getKey().getAgentId(), found.getKey().getKey(), versioned(found.getVersion()))));
            request.setPageToken(page.getNextPageToken());
        } while (!request.getPageToken().isEmpty());
        return all;
    }

    /** All versions of a key that are kept, newest first. */
    public List<Versioned> history(String agentId, String key) {
        List<Versioned> all = new ArrayList<>();
        HistoryRequest.Builder request = HistoryRequest.newBuilder().setKey(key(agentId, key));
        do {
            HistoryResponse page = call(timed -> timed.history(request.build()));
            page.getVersionsList().forEach(version -> all.add(versioned(version)));
            request.setPageToken(page.getNextPageToken());
        } while (!request.getPageToken().isEmpty());
        return all;
    }

    /** The keys of an agent that begin with a prefix, in order. */
    public List<String> keys(String agentId, String prefix) {
        List<String> all = new ArrayList<>();
        ListKeysRequest.Builder request = ListKeysRequest.newBuilder()
                .setNamespace(namespace)
                .setAgentId(agentId)
                .setPrefix(prefix);
        do {
            ListKeysResponse page = call(timed -> timed.listKeys(request.build()));
            page.getEntriesList().forEach(entry -> all.add(entry.getKey()));
            request.setPageToken(page.getNextPageToken());
        } while (!request.getPageToken().isEmpty());
        return all;
    }

    /** The agents that begin with a prefix, in order. */
    public List<String> agents(String prefix) {
        ListAgentsRequest.Builder request =
                ListAgentsRequest.newBuilder().setNamespace(namespace).setPrefix(prefix);
        return names(
                (timed, token) -> timed.listAgents(request.setPageToken(token).build()));
    }

    /** The namespaces that have keys, those that this client may see, in order. */
    public List<String> namespaces(String prefix) {
        ListNamespacesRequest.Builder request =
                ListNamespacesRequest.newBuilder().setPrefix(prefix);
        return names((timed, token) ->
                timed.listNamespaces(request.setPageToken(token).build()));
    }

    private List<String> names(BiFunction<StateBlockingStub, String, ListNamesResponse> pages) {
        List<String> all = new ArrayList<>();
        String token = "";
        do {
            String from = token;
            ListNamesResponse page = call(timed -> pages.apply(timed, from));
            all.addAll(page.getNamesList());
            token = page.getNextPageToken();
        } while (!token.isEmpty());
        return all;
    }

    /** Of the state as a whole. */
    public StateInfo info() {
        InfoResponse info = call(timed -> timed.info(InfoRequest.getDefaultInstance()));
        return new StateInfo(
                info.getFormat(),
                info.getEngine(),
                info.getHistoryId(),
                info.getNewestRevision(),
                info.getOldestRevision(),
                info.getOpenTransactions(),
                info.getKeys(),
                info.getBytes(),
                info.getNotServing());
    }

    /**
     * Events, in order, as they are taken; to be closed. One that follows waits for commits, and goes on behind its last event when a
     * connection is lost; its end is to close the stream, from any thread.
     */
    public Stream<StateEvent> replay(Replay replay) {
        ReplayedEvents events = new ReplayedEvents(StateGrpc.newStub(channel), replay.request());
        return StreamSupport.stream(events, false).onClose(events::close);
    }

    /** For those who look after the state as a whole, on the same connection. */
    public StateCare care() {
        return new StateCare(this, CareGrpc.newBlockingStub(channel));
    }

    private <T> T call(Function<StateBlockingStub, T> call) {
        return call(timeout, call);
    }

    /** Tries a call until it is answered, or its time is over. */
    private <T> T call(Duration longest, Function<StateBlockingStub, T> call) {
        long endNanos = System.nanoTime() + longest.toNanos();
        long waitMillis = FIRST_WAIT_MILLIS;
        StateCallException before = null;
        while (true) {
            try {
                return call.apply(stub.withDeadlineAfter(endNanos - System.nanoTime(), TimeUnit.NANOSECONDS));
            } catch (StatusRuntimeException e) {
                // why it had to be tried again says more than that the time is over
                StateCallException failure = e.getStatus().getCode() == Code.DEADLINE_EXCEEDED && before != null
                        ? before
                        : StateCallException.of(e);
                long millis = ThreadLocalRandom.current().nextLong(waitMillis / 2, waitMillis);
                boolean isInTime = endNanos - System.nanoTime() > TimeUnit.MILLISECONDS.toNanos(millis)
                        && !Context.current().isCancelled();
                if (!retries || !failure.mayPass() || !isInTime || channel.isShutdown()) {
                    throw failure;
                }
                waitFor(millis, failure);
                before = failure;
                waitMillis = Math.min(LONGEST_WAIT_MILLIS, 2 * waitMillis);
                channel.resetConnectBackoff(); // else a try might not even try to connect
            }
        }
    }

    private static void waitFor(long millis, StateCallException failure) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failure;
        }
    }

    /** Makes a call once. */
    static <T> T call(Supplier<T> call) {
        try {
            return call.get();
        } catch (StatusRuntimeException e) {
            throw StateCallException.of(e);
        }
    }

    static Versioned versioned(dev.flk.client.proto.Version version) {
        return new Versioned(
                version.getVersion(),
                version.getRevision(),
                instant(version.getCommittedAt()),
                version.getDeleted(),
                version.getJson());
    }

    static StateEvent event(Event event) {
        return new StateEvent(
                event.getRevision(),
                instant(event.getCommittedAt()),
                event.getChangesList().stream()
                        .map(change -> new StateEvent.Change(
                                change.getKey().getNamespace(),
                                change.getKey().getAgentId(),
                                change.getKey().getKey(),
                                change.getVersion(),
                                change.getKind() == dev.flk.client.proto.Change.Kind.DELETE,
                                change.getJson()))
                        .toList(),
                event.getOperationsTotal(),
                event.getResumeToken());
    }

    static Instant instant(Timestamp time) {
        return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
    }

    static Timestamp timestamp(Instant time) {
        return Timestamp.newBuilder()
                .setSeconds(time.getEpochSecond())
                .setNanos(time.getNano())
                .build();
    }

    /** Ends the connection, and every stream on it. */
    @Override
    public void close() {
        ManagedChannel unused = channel.shutdownNow();
        try {
            boolean ended = channel.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
            if (!ended) {
                throw new IllegalStateException(
                        "the connection to the state did not end within " + CLOSE_SECONDS + " s");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
