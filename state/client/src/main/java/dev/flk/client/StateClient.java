// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.At;
import dev.flk.client.proto.CareGrpc;
import dev.flk.client.proto.CheckSchemaRequest;
import dev.flk.client.proto.CheckSchemaResponse;
import dev.flk.client.proto.DeleteAgentRequest;
import dev.flk.client.proto.DeletePrefixRequest;
import dev.flk.client.proto.DeleteSchemaRequest;
import dev.flk.client.proto.FindRequest;
import dev.flk.client.proto.FindResponse;
import dev.flk.client.proto.Found;
import dev.flk.client.proto.GetRequest;
import dev.flk.client.proto.GetSchemaRequest;
import dev.flk.client.proto.GetSchemaResponse;
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
import dev.flk.client.proto.SetSchemaRequest;
import dev.flk.client.proto.StateGrpc;
import dev.flk.client.proto.StateGrpc.StateBlockingStub;
import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * A client for the state of agents that a backend serves. All threads share one connection. While the backend can't be
 * reached, is starting, or can't use its storage, the client repeats reads and commits until their timeout. A repeated
 * commit takes effect only once, because all tries carry the same request id.
 */
public final class StateClient implements AutoCloseable {
    private static final String DEFAULT_NAMESPACE = "default";
    private static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(30);
    private static final int MAX_MESSAGE_BYTES = 8 << 20;
    /** The maximum number of bytes that gRPC keeps in memory for calls that may have to be sent again. */
    private static final long RETRY_BYTES = 64L << 20;

    private static final long KEEP_ALIVE_SECONDS = 30;
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final long CLOSE_SECONDS = 5;

    /** The configuration of gRPC's own retries, which apply to a replay before its first event. */
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
    private final Calls calls;
    private final String namespace;

    private StateClient(ManagedChannel channel, Calls calls, String namespace) {
        this.channel = channel;
        this.calls = calls;
        this.namespace = namespace;
    }

    /**
     * Returns a client without TLS or token, which connects when the first call is made.
     *
     * @param target host and port, such as {@code localhost:50051}
     */
    public static StateClient connect(String target) {
        return to(target).connect();
    }

    /**
     * Returns a connector, which has options for TLS, a token and timeouts.
     *
     * @param target host and port
     */
    public static Connector to(String target) {
        return new Connector(target);
    }

    /**
     * Returns a client that uses the caller's channel. Closing the client closes the channel. The client does not
     * retry; the caller configures the channel's retries.
     */
    public static StateClient over(ManagedChannel channel) {
        return new StateClient(channel, new Calls(channel, DEFAULT_TIMEOUT, false), DEFAULT_NAMESPACE);
    }

    /** The options of a connection. Confined to one thread. */
    public static final class Connector {
        private final String target;
        private TlsChannelCredentials.@Nullable Builder tls;
        private @Nullable String token;
        private Duration timeout = DEFAULT_TIMEOUT;

        private Connector(String target) {
            this.target = target;
        }

        /** Uses TLS and trusts the certificate authorities of the JDK. */
        public Connector tls() {
            tls = TlsChannelCredentials.newBuilder();
            return this;
        }

        /**
         * Uses TLS and trusts the given certificate authorities.
         *
         * @param authorities a PEM file with the authorities of the backend's certificate
         * @throws IOException if the file can't be read
         */
        public Connector tls(Path authorities) throws IOException {
            tls = TlsChannelCredentials.newBuilder().trustManager(authorities.toFile());
            return this;
        }

        /**
         * Presents a client certificate. {@link #tls} must be called first.
         *
         * @param chain a PEM file with the certificate and its intermediate certificates
         * @param key a PEM file with the certificate's key, PKCS#8 without a password
         * @throws IOException if a file can't be read
         */
        public Connector certificate(Path chain, Path key) throws IOException {
            if (tls == null) {
                throw new IllegalStateException("a client certificate requires TLS; call tls() first");
            }
            tls = tls.keyManager(chain.toFile(), key.toFile());
            return this;
        }

        /** Sends a token with each call. The token is sent in plain text, so use it only with TLS. */
        public Connector token(String token) {
            this.token = token;
            return this;
        }

        /**
         * Sets the timeout of each call, including the retries of the call; 30 s by default. The timeout does not apply
         * to replays or to the calls of {@link StateCare}.
         */
        public Connector timeout(Duration timeout) {
            if (timeout.isNegative() || timeout.isZero()) {
                throw new IllegalArgumentException("the timeout must be above 0: " + timeout);
            }
            this.timeout = timeout;
            return this;
        }

        /** Returns a client, which connects when the first call is made. */
        public StateClient connect() {
            ChannelCredentials credentials = tls == null ? InsecureChannelCredentials.create() : tls.build();
            NettyChannelBuilder builder = NettyChannelBuilder.forTarget(target, credentials)
                    .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                    // Without keep-alives, a replay would wait forever if the server disappeared without closing the
                    // connection.
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
            ManagedChannel channel = builder.build();
            return new StateClient(channel, new Calls(channel, timeout, true), DEFAULT_NAMESPACE);
        }
    }

    /**
     * Returns a client for another namespace on the same connection. Closing one of the clients closes the connection
     * of both.
     */
    public StateClient namespace(String name) {
        return new StateClient(channel, calls, name);
    }

    /** Begins a transaction. The operations of the transaction are kept in the client until they are committed. */
    public Transaction begin() {
        return new Transaction(this, namespace);
    }

    /**
     * Deletes all keys of an agent that begin with a prefix, in one commit. A key that another client writes meanwhile
     * is either deleted too, or written after this commit. More than 10,000 keys are rejected with {@link
     * StateCallException.TransactionTooLarge}. The client retries until its timeout.
     *
     * @param prefix not empty
     * @return the commit, with the version of each deletion in the order of the keys; revision 0 if there was no key
     */
    public Commit deletePrefix(String agentId, String prefix) {
        return deletePrefix(agentId, prefix, OptionalLong.empty());
    }

    /**
     * Deletes as {@link #deletePrefix(String, String)} does, unless one of the keys was written after a revision.
     *
     * @param ifRevision the revision; empty for no condition
     * @throws StateCallException.VersionConflict if one of the keys was written after {@code ifRevision}
     */
    public Commit deletePrefix(String agentId, String prefix, OptionalLong ifRevision) {
        DeletePrefixRequest.Builder request = DeletePrefixRequest.newBuilder()
                .setNamespace(namespace)
                .setAgentId(agentId)
                .setPrefix(prefix)
                .setRequestId(UUID.randomUUID().toString());
        ifRevision.ifPresent(request::setIfRevision);
        return Messages.committed(calls.call(stub -> stub.deletePrefix(request.build())));
    }

    /** Deletes all keys of an agent, in one commit, as {@link #deletePrefix(String, String)} does. */
    public Commit deleteAgent(String agentId) {
        return deleteAgent(agentId, OptionalLong.empty());
    }

    /**
     * Deletes as {@link #deleteAgent(String)} does, unless one of the keys was written after a revision.
     *
     * @param ifRevision the revision; empty for no condition
     * @throws StateCallException.VersionConflict if one of the keys was written after {@code ifRevision}
     */
    public Commit deleteAgent(String agentId, OptionalLong ifRevision) {
        DeleteAgentRequest.Builder request = DeleteAgentRequest.newBuilder()
                .setNamespace(namespace)
                .setAgentId(agentId)
                .setRequestId(UUID.randomUUID().toString());
        ifRevision.ifPresent(request::setIfRevision);
        return Messages.committed(calls.call(stub -> stub.deleteAgent(request.build())));
    }

    /**
     * Commits operations.
     *
     * @param maxDuration the maximum total time of all tries; if the client's timeout is shorter, the timeout applies
     */
    Commit commit(List<Operation> operations, String requestId, Duration maxDuration) {
        ApplyRequest request = ApplyRequest.newBuilder()
                .addAllOperations(operations)
                .setRequestId(requestId)
                .build();
        return Messages.committed(calls.call(maxDuration, stub -> stub.apply(request)));
    }

    /** Returns the current value; empty if the key does not exist. */
    public Optional<Versioned> get(String agentId, String key) {
        return get(agentId, key, At.getDefaultInstance());
    }

    /** Returns the value at a revision; empty if the key did not exist. */
    public Optional<Versioned> getAt(String agentId, String key, long revision) {
        return get(agentId, key, At.newBuilder().setRevision(revision).build());
    }

    /** Returns the value at a time; empty if the key did not exist. */
    public Optional<Versioned> getAt(String agentId, String key, Instant time) {
        return get(
                agentId, key, At.newBuilder().setTime(Messages.timestamp(time)).build());
    }

    /**
     * Returns a version of a key, which may be a deletion; empty if the version never existed or is no longer retained.
     *
     * @param version the number of the version, from 1
     */
    public Optional<Versioned> getVersion(String agentId, String key, long version) {
        Found found = get(GetRequest.newBuilder().addKeys(key(agentId, key)).setVersion(version));
        return found.getState() == Found.State.PRESENT || found.getState() == Found.State.DELETED
                ? Optional.of(Messages.versioned(found.getVersion()))
                : Optional.empty();
    }

    private Optional<Versioned> get(String agentId, String key, At at) {
        Found found = get(GetRequest.newBuilder().addKeys(key(agentId, key)).setAt(at));
        return found.getState() == Found.State.PRESENT
                ? Optional.of(Messages.versioned(found.getVersion()))
                : Optional.empty();
    }

    private Found get(GetRequest.Builder request) {
        return calls.call(stub -> stub.get(request.build())).getFound(0);
    }

    private Key key(String agentId, String key) {
        return Messages.key(namespace, agentId, key);
    }

    /** A key whose newest value matched a search, together with that value. */
    public record Match(String agentId, String key, Versioned value) {}

    /**
     * Returns the keys whose newest value matches an SQL/JSON path, with these values, ordered by agent and key. An
     * example of a path is {@code $.fact ? (@ starts with "Paris")}. Requires a state in Postgres.
     *
     * @param agentId the agent; empty for all agents
     */
    public List<Match> find(String agentId, String jsonPath) {
        return find(Search.path(jsonPath).ofAgent(agentId));
    }

    /** Returns the keys whose newest value matches a search, with these values. Requires a state in Postgres. */
    public List<Match> find(Search search) {
        List<Match> all = new ArrayList<>();
        FindRequest.Builder request = search.request().toBuilder().setNamespace(namespace);
        calls.pages(
                (stub, token) -> stub.find(request.setPageToken(token).build()),
                FindResponse::getNextPageToken,
                page -> page.getEntriesList()
                        .forEach(found -> all.add(new Match(
                                found.getKey().getAgentId(),
                                found.getKey().getKey(),
                                Messages.versioned(found.getVersion())))));
        return all;
    }

    /** Returns the JSON Schema that values of the namespace must match; empty if the namespace has no schema. */
    public Optional<Versioned> schema() {
        GetSchemaResponse response = calls.call(stub -> stub.getSchema(
                GetSchemaRequest.newBuilder().setNamespace(namespace).build()));
        return response.hasSchema() ? Optional.of(Messages.versioned(response.getSchema())) : Optional.empty();
    }

    /**
     * Sets the JSON Schema (draft 2020-12) of the namespace. Later writes that violate the schema fail with {@link
     * StateCallException.Invalid}; {@link #checkSchema} finds existing values that violate the schema.
     *
     * @throws StateCallException.Invalid if the text is not a JSON Schema
     */
    public Commit setSchema(String json) {
        SetSchemaRequest request = SetSchemaRequest.newBuilder()
                .setNamespace(namespace)
                .setJson(Messages.text("the schema", json))
                .setRequestId(UUID.randomUUID().toString())
                .build();
        return Messages.committed(calls.call(stub -> stub.setSchema(request)));
    }

    /** Removes the JSON Schema of the namespace; has no effect if the namespace has no schema. */
    public Commit deleteSchema() {
        DeleteSchemaRequest request = DeleteSchemaRequest.newBuilder()
                .setNamespace(namespace)
                .setRequestId(UUID.randomUUID().toString())
                .build();
        return Messages.committed(calls.call(stub -> stub.deleteSchema(request)));
    }

    /**
     * A value that violates a schema.
     *
     * @param path a JSON Pointer to the part of the value that violates the schema; empty for the whole value
     * @param message the requirement that the part violates
     */
    public record Violation(String agentId, String key, long version, String path, String message) {}

    /**
     * Checks the newest value of each key of the namespace against a schema. Passes the first violation of each value
     * to {@code violations}, in the order of keys.
     *
     * @param json the schema; empty for the schema in force
     * @return the number of values that were checked
     */
    public long checkSchema(String json, Consumer<Violation> violations) {
        LongAdder checked = new LongAdder();
        CheckSchemaRequest.Builder request =
                CheckSchemaRequest.newBuilder().setNamespace(namespace).setJson(Messages.text("the schema", json));
        calls.pages(
                (stub, token) -> stub.checkSchema(request.setPageToken(token).build()),
                CheckSchemaResponse::getNextPageToken,
                page -> {
                    checked.add(page.getChecked());
                    page.getViolationsList()
                            .forEach(found -> violations.accept(new Violation(
                                    found.getKey().getAgentId(),
                                    found.getKey().getKey(),
                                    found.getVersion(),
                                    found.getPath(),
                                    found.getMessage())));
                });
        return checked.sum();
    }

    /** Returns all retained versions of a key, newest first. */
    public List<Versioned> history(String agentId, String key) {
        List<Versioned> all = new ArrayList<>();
        HistoryRequest.Builder request = HistoryRequest.newBuilder().setKey(key(agentId, key));
        calls.pages(
                (stub, token) -> stub.history(request.setPageToken(token).build()),
                HistoryResponse::getNextPageToken,
                page -> page.getVersionsList().forEach(version -> all.add(Messages.versioned(version))));
        return all;
    }

    /** Returns the keys of an agent that begin with a prefix, in order. */
    public List<String> keys(String agentId, String prefix) {
        List<String> all = new ArrayList<>();
        ListKeysRequest.Builder request = ListKeysRequest.newBuilder()
                .setNamespace(namespace)
                .setAgentId(agentId)
                .setPrefix(prefix);
        calls.pages(
                (stub, token) -> stub.listKeys(request.setPageToken(token).build()),
                ListKeysResponse::getNextPageToken,
                page -> page.getEntriesList().forEach(entry -> all.add(entry.getKey())));
        return all;
    }

    /** Returns the agents whose ids begin with a prefix, in order. */
    public List<String> agents(String prefix) {
        ListAgentsRequest.Builder request =
                ListAgentsRequest.newBuilder().setNamespace(namespace).setPrefix(prefix);
        return names(
                (stub, token) -> stub.listAgents(request.setPageToken(token).build()));
    }

    /**
     * Returns the namespaces that have keys and whose names begin with a prefix, in order. Leaves out namespaces that
     * this client may not see.
     */
    public List<String> namespaces(String prefix) {
        ListNamespacesRequest.Builder request =
                ListNamespacesRequest.newBuilder().setPrefix(prefix);
        return names(
                (stub, token) -> stub.listNamespaces(request.setPageToken(token).build()));
    }

    private List<String> names(BiFunction<StateBlockingStub, String, ListNamesResponse> pages) {
        List<String> all = new ArrayList<>();
        calls.pages(pages, ListNamesResponse::getNextPageToken, page -> all.addAll(page.getNamesList()));
        return all;
    }

    /** Returns information on the state as a whole. */
    public StateInfo info() {
        InfoResponse info = calls.call(stub -> stub.info(InfoRequest.getDefaultInstance()));
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
     * Returns a stream that reads events in order as they are consumed; the caller must close the stream. If {@link
     * Replay#follow} was called, the stream waits for new commits, resumes after its last event if the connection is
     * lost, and ends when any thread closes it.
     */
    public Stream<StateEvent> replay(Replay replay) {
        ReplayedEvents events = new ReplayedEvents(StateGrpc.newStub(channel), replay.request());
        return StreamSupport.stream(events, false).onClose(events::close);
    }

    /** Returns the administrative calls for the state as a whole, on the same connection. */
    public StateCare care() {
        return new StateCare(this, CareGrpc.newBlockingStub(channel));
    }

    /** Closes the connection and ends every stream on it. */
    @Override
    public void close() {
        channel.shutdownNow();
        try {
            boolean ended = channel.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
            if (!ended) {
                throw new IllegalStateException(
                        "the connection to the state was not closed within " + CLOSE_SECONDS + " s");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
