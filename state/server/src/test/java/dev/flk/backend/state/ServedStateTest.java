// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.tokens.TokenHolder;
import dev.flk.backend.access.tokens.TokenHolder.Grant;
import dev.flk.backend.access.tokens.TokensFile;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.canonical.Sha256;
import dev.flk.client.Replay;
import dev.flk.client.StateCallException;
import dev.flk.client.StateClient;
import dev.flk.client.Transaction;
import dev.flk.client.Versioned;
import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.BeginRequest;
import dev.flk.client.proto.CommitRequest;
import dev.flk.client.proto.CommitResponse;
import dev.flk.client.proto.StateGrpc;
import dev.flk.client.proto.StateGrpc.StateBlockingStub;
import dev.flk.client.proto.Write;
import dev.flk.client.proto.WriteRequest;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.Audit;
import dev.flk.program.logging.Audit.AuditMetrics;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.state.History.At;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.StateKey;
import dev.flk.state.StateReads.Found;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the state as the backend serves it without TLS: tokens, removal of old data, and outages. */
class ServedStateTest {
    private final Metrics metrics = new Metrics("test");
    private final StateMetrics stateMetrics = new StateMetrics(metrics);
    private final PoolMetrics pool = new PoolMetrics(metrics);

    @TempDir
    private Path directory;

    private ServedState served;
    private Audit audit;

    private Instant now = Instant.now();

    private final List<ManagedChannel> channels = new ArrayList<>();

    @BeforeEach
    void openAudit() {
        audit = Audit.open(directory.resolve("audit"), () -> now, System::nanoTime, new AuditMetrics(metrics));
    }

    @AfterEach
    void close() {
        channels.forEach(ManagedChannel::shutdownNow);
        if (served != null) {
            served.close();
        }
        audit.close();
    }

    private StateConfig config(Optional<Path> tokens) {
        return new StateConfig(
                0,
                "127.0.0.1",
                tokens,
                Settings.defaults(),
                8 << 20,
                Optional.of(directory.resolve("state")),
                Optional.empty(),
                Optional.empty(),
                Optional.of(Duration.ofDays(100)));
    }

    private void open(Optional<Path> tokens) throws IOException {
        served = ServedState.open(config(tokens), () -> now, () -> now, null, audit, stateMetrics, pool);
        await().until(() -> served.problem().isEmpty());
    }

    private ManagedChannel channel() {
        ManagedChannel channel = NettyChannelBuilder.forAddress("127.0.0.1", served.port())
                .usePlaintext()
                .build();
        channels.add(channel);
        return channel;
    }

    private StateClient.Connector to() {
        return StateClient.to("localhost:" + served.port());
    }

    private static String token(String name, String token, String scopes) {
        String digest = HexFormat.of().formatHex(Sha256.of(token.getBytes(StandardCharsets.UTF_8)));
        return "{\"name\":\"%s\",\"sha256\":\"%s\",%s}".formatted(name, digest, scopes);
    }

    private Path tokens(String... tokens) throws IOException {
        return Files.writeString(
                directory.resolve("tokens.json"), "{\"version\":1,\"tokens\":[" + String.join(",", tokens) + "]}");
    }

    private static void write(StateClient client, String agentId) {
        try (Transaction tx = client.begin()) {
            tx.write(agentId, "k", "1");
            var unused = tx.commit();
        }
    }

    private static Code refusal(Runnable call) {
        try {
            call.run();
            return Code.OK;
        } catch (StateCallException e) {
            return e.getCause() instanceof StatusRuntimeException status
                    ? status.getStatus().getCode()
                    : Code.UNKNOWN;
        }
    }

    @Test
    void recordAndHistory_areRemovedWhenOld_andCurrentValuesStay() throws Exception {
        open(Optional.empty());
        served.keepFor("flk.review", Duration.ofDays(90));
        StateKey recorded = new StateKey("flk.review", "shard", "epoch/1");
        StateKey kept = new StateKey("default", "agent", "k");
        apply(served.engine().write(recorded, "1", Operation.ANY_VERSION));
        apply(served.engine().write(kept, "1", Operation.ANY_VERSION));
        now = now.plus(Duration.ofDays(95));
        apply(served.engine().write(kept, "2", Operation.ANY_VERSION));

        served.removeOld(config(Optional.empty()));

        assertThat(served.engine()
                        .reads()
                        .get(List.of(recorded, kept), new At.Now())
                        .found())
                .extracting(Object::getClass)
                .containsExactly(Found.Absent.class, Found.Present.class);
        assertThat(served.engine().reads().get(kept, 1).found()).first().isInstanceOf(Found.Present.class);

        now = now.plus(Duration.ofDays(101));
        served.removeOld(config(Optional.empty()));

        assertThat(served.engine().reads().get(kept, 1).found()).containsExactly(new Found.Compacted());
        assertThat(served.engine().reads().get(kept, 2).found()).first().isInstanceOf(Found.Present.class);
    }

    private void apply(Operation operation) {
        var unused = served.engine()
                .apply("", List.of(operation), "")
                .toCompletableFuture()
                .join();
    }

    @Test
    void token_grantsOnlyTheRightsInTheFile() throws Exception {
        open(Optional.of(tokens(
                token("planner", "p-secret", "\"read\":[\"*/\"],\"write\":[\"default/planner-\"]"),
                token("viewer", "v-secret", "\"read\":[\"default/planner-\"]"))));
        try (StateClient stranger = to().connect();
                StateClient forger = to().token("p-secret2").connect();
                StateClient planner = to().token("p-secret").connect();
                StateClient viewer = to().token("v-secret").connect()) {
            assertThat(refusal(() -> write(stranger, "planner-1"))).isEqualTo(Code.UNAUTHENTICATED);
            assertThat(refusal(() -> write(forger, "planner-1"))).isEqualTo(Code.UNAUTHENTICATED);
            assertThat(refusal(() -> write(planner, "other"))).isEqualTo(Code.PERMISSION_DENIED);
            assertThat(refusal(() -> write(planner, "planner-1"))).isEqualTo(Code.OK);
            assertThat(refusal(() -> write(viewer, "planner-1"))).isEqualTo(Code.PERMISSION_DENIED);
            assertThat(refusal(() -> viewer.get("other", "k"))).isEqualTo(Code.PERMISSION_DENIED);
            assertThat(refusal(() -> viewer.namespace("secret").agents(""))).isEqualTo(Code.PERMISSION_DENIED);
            assertThat(refusal(() -> viewer.replay(Replay.of("secret", "")).forEach(event -> {})))
                    .isEqualTo(Code.PERMISSION_DENIED);
            assertThat(viewer.get("planner-1", "k").map(Versioned::json)).contains("1");
            assertThatThrownBy(() -> forger.get("planner-1", "k"))
                    .isInstanceOf(StateCallException.Unauthenticated.class);
            assertThatThrownBy(() -> viewer.get("other", "k")).isInstanceOf(StateCallException.Forbidden.class);
        }
        assertThat(health(channel())).isEqualTo(Code.OK);
    }

    private static StateBlockingStub state(ManagedChannel channel, String token) {
        Metadata headers = new Metadata();
        headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
        return StateGrpc.newBlockingStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                .withDeadlineAfter(20, TimeUnit.SECONDS);
    }

    private static void stage(StateBlockingStub state, String txId, String agentId) {
        var unused = state.write(WriteRequest.newBuilder()
                .setTxId(txId)
                .setWrite(Write.newBuilder()
                        .setKey(dev.flk.client.proto.Key.newBuilder()
                                .setAgentId(agentId)
                                .setKey("k"))
                        .setJson("1"))
                .build());
    }

    private static CommitRequest commit(String txId) {
        return CommitRequest.newBuilder().setTxId(txId).build();
    }

    @Test
    void commit_rightWithdrawn_isRefusedAndEndsTheTransaction() throws Exception {
        String all = "\"write\":[\"default/planner-\",\"default/other-\"]";
        open(Optional.of(tokens(token("a", "a-secret", all))));
        ManagedChannel channel = channel();
        StateBlockingStub state = state(channel, "a-secret");
        String withdrawn = state.begin(BeginRequest.getDefaultInstance()).getTxId();
        stage(state, withdrawn, "planner-1");
        stage(state, withdrawn, "other-1");
        String kept = state.begin(BeginRequest.getDefaultInstance()).getTxId();
        stage(state, kept, "planner-1");

        var unused = tokens(token("a", "a-secret", "\"write\":[\"default/planner-\"]"));
        served.onReloadSignal();
        await().until(() -> refusal(state, "other-2") == Code.PERMISSION_DENIED);

        assertThatThrownBy(() -> state.commit(commit(withdrawn)))
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessage("PERMISSION_DENIED: this token may not write agent 'other-1' of namespace default");
        assertThatThrownBy(() -> state.commit(commit(withdrawn))).hasMessageContaining("was aborted");
        assertThat(state.commit(commit(kept)).getRevision()).isEqualTo(1);
    }

    private static Code refusal(StateBlockingStub state, String agentId) {
        try {
            stage(state, state.begin(BeginRequest.getDefaultInstance()).getTxId(), agentId);
            return Code.OK;
        } catch (StatusRuntimeException e) {
            return e.getStatus().getCode();
        }
    }

    /**
     * The headers of a call that commits arrive before the token is revoked; the end of its request arrives after that.
     */
    @Test
    void request_tokenRevokedBeforeItsEnd_isRefused() throws Exception {
        Path file = tokens(token("a", "a-secret", "\"write\":[\"*/\"]"));
        open(Optional.of(file));
        ManagedChannel channel = channel();
        Metadata headers = new Metadata();
        headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer a-secret");
        HalfOpen<ApplyRequest, CommitResponse> held = HalfOpen.call(channel, StateGrpc.getApplyMethod(), headers);
        held.send(ApplyRequest.newBuilder()
                .addOperations(dev.flk.client.proto.Operation.newBuilder()
                        .setWrite(Write.newBuilder()
                                .setKey(dev.flk.client.proto.Key.newBuilder()
                                        .setAgentId("agent")
                                        .setKey("k"))
                                .setJson("1")))
                .build());
        // the server starts the calls of a connection in order, so it has received the headers
        assertThat(state(channel, "a-secret")
                        .begin(BeginRequest.getDefaultInstance())
                        .getTxId())
                .isNotEmpty();
        var unused = tokens(token("b", "b-secret", "\"write\":[\"*/\"]"));
        served.onReloadSignal();
        await().until(() -> refusal(state(channel, "a-secret"), "agent") == Code.UNAUTHENTICATED);

        held.complete();

        assertThat(held.status()).isEqualTo(Code.UNAUTHENTICATED);
        assertThat(served.engine().head().revision()).isZero();
    }

    @Test
    void callsWithoutAToken_useNoPlaceOfTokenHolders() throws Exception {
        open(Optional.of(tokens(token("a", "a-secret", "\"read\":[\"*/\"],\"write\":[\"*/\"]"))));
        try (StateClient client = to().token("a-secret").connect()) {
            for (int connection = 0; connection < 10; connection++) {
                ManagedChannel channel = channel();
                List<HalfOpen<HealthCheckRequest, HealthCheckResponse>> calls = new ArrayList<>();
                for (int call = 0; call < 1_000; call++) {
                    calls.add(HalfOpen.call(channel, HealthGrpc.getCheckMethod(), new Metadata()));
                }
                calls.forEach(call -> call.send(HealthCheckRequest.getDefaultInstance()));
            }
            ManagedChannel another = channel();
            await().until(() -> health(another) == Code.RESOURCE_EXHAUSTED);

            write(client, "agent");

            assertThat(client.get("agent", "k").map(Versioned::version)).contains(1L);
            assertThat(served.problem()).isEmpty();
            assertThat(served.detail()).isEqualTo("up; too many calls without a token; further ones are refused");
            assertThat(exposed()).containsPattern("flk_state_calls_refused_total\\{cause=\"without_token\",?} [1-9]");
        }
    }

    private static Code health(ManagedChannel channel) {
        try {
            var unused = HealthGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(20, TimeUnit.SECONDS)
                    .check(HealthCheckRequest.getDefaultInstance());
            return Code.OK;
        } catch (StatusRuntimeException e) {
            return e.getStatus().getCode();
        }
    }

    @Test
    void lists_containOnlyReadableEntriesInOrder() throws Exception {
        open(Optional.of(tokens(
                token("some", "s-secret", "\"read\":[\"default/b\",\"default/ab\",\"default/a\",\"x/\",\"y/\"]"),
                token("all", "a-secret", "\"read\":[\"*/\"]"),
                token("none", "n-secret", "\"write\":[\"*/\"]"))));
        for (String agentId : List.of("c", "b1", "ab1", "a1", "B", "b", "aa")) {
            apply(served.engine().write(new StateKey("default", agentId, "k"), "1", Operation.ANY_VERSION));
            apply(served.engine().write(new StateKey("x", agentId, "k"), "1", Operation.ANY_VERSION));
            apply(served.engine().write(new StateKey("xx", agentId, "k"), "1", Operation.ANY_VERSION));
        }
        try (StateClient some = to().token("s-secret").connect();
                StateClient all = to().token("a-secret").connect();
                StateClient none = to().token("n-secret").connect()) {
            assertThat(some.agents("")).containsExactly("a1", "aa", "ab1", "b", "b1");
            assertThat(some.agents("ab")).containsExactly("ab1");
            assertThat(some.namespaces("")).containsExactly("default", "x");
            assertThat(all.agents("")).containsExactly("B", "a1", "aa", "ab1", "b", "b1", "c");
            assertThat(all.namespaces("x")).containsExactly("x", "xx");
            assertThat(none.namespaces("")).isEmpty();
        }
        TokenHolder caller =
                new TokenHolder("", "", List.of(new Grant("x", "b", true, false), new Grant("x", "a", true, true)));
        assertThat(caller.agentPrefixes("x", "")).containsExactly("a", "b");
    }

    @Test
    void revokedToken_endsItsReplays_invalidFileChangesNothing() throws Exception {
        Path file = tokens(token("a", "a-secret", "\"read\":[\"*/\"],\"write\":[\"*/\"]"));
        open(Optional.of(file));
        try (StateClient client = to().token("a-secret").connect()) {
            write(client, "agent");
            Files.writeString(file, "{\"version\":1,\"tokens\":[{}]}");
            served.onReloadSignal();
            await().until(() -> Files.readString(directory.resolve("audit").resolve("audit.jsonl"))
                    .contains("state_tokens_refused"));
            var seen = new CompletableFuture<Boolean>();
            var ended = CompletableFuture.runAsync(
                    () -> client.replay(Replay.ofAll().follow()).forEach(event -> seen.complete(true)));
            assertThat(seen.get(20, TimeUnit.SECONDS)).isTrue();

            var unused = tokens();
            served.onReloadSignal();

            assertThatThrownBy(() -> ended.get(20, TimeUnit.SECONDS)).hasMessageContaining("revoked");
            assertThat(refusal(() -> client.get("agent", "k"))).isEqualTo(Code.UNAUTHENTICATED);
        }
    }

    @Test
    void missingDirectory_isAnOutageUntilItIsBack() throws Exception {
        open(Optional.empty());
        try (StateClient client = to().timeout(Duration.ofSeconds(3)).connect()) {
            write(client, "agent");
            Path away = Files.move(directory.resolve("state"), directory.resolve("away"));
            await().until(() -> served.problem().isPresent());

            assertThat(refusal(() -> write(client, "agent"))).isEqualTo(Code.UNAVAILABLE);
            assertThat(served.problem()).contains("STORE_DOWN");
            assertThat(exposed()).contains("flk_state_up 0.0");

            var unused = Files.move(away, directory.resolve("state"));
            await().until(() -> served.problem().isEmpty());
            write(client, "agent");
            assertThat(client.get("agent", "k").map(Versioned::version)).contains(2L);
            assertThat(exposed()).contains("flk_state_up 1.0", "flk_state_commits_total 2.0", "flk_state_revision 2.0");
        }
    }

    @Test
    void missingLog_isCountedAndNamedAndStartsANewHistory() throws Exception {
        open(Optional.empty());
        assertThat(served.detail()).isEqualTo("up");
        try (StateClient client = to().connect()) {
            write(client, "agent");
        }
        String historyId = served.engine().head().historyId();
        served.close();
        try (Stream<Path> files = Files.list(directory.resolve("state/log"))) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }

        open(Optional.empty());

        assertThat(served.engine().head().historyId()).isNotEqualTo(historyId);
        assertThat(served.detail()).isEqualTo("ANSWERED_COMMITS_MISSING");
        assertThat(served.problem()).isEmpty();
        await().until(() -> exposed().contains("flk_state_losses_total 1.0"));
    }

    @Test
    void lockRemoved_isNamedAndNothingIsAnsweredAnyMore() throws Exception {
        open(Optional.empty());
        try (StateClient client = to().timeout(Duration.ofSeconds(3)).connect()) {
            write(client, "agent");
            Files.delete(directory.resolve("state/log/lock"));

            assertThat(refusal(() -> write(client, "agent"))).isEqualTo(Code.UNAVAILABLE);
            assertThat(refusal(() -> client.get("agent", "k"))).isEqualTo(Code.UNAVAILABLE);
            assertThat(served.problem()).contains("STORE_DOWN: LOCK_LOST");
        }
    }

    private String exposed() {
        return ScrapedText.text(metrics);
    }

    @Test
    void directoryThatCannotBeCreated_isRefusedWithTheReason() throws Exception {
        var unused = Files.writeString(directory.resolve("state"), "a file");

        assertThatThrownBy(() -> open(Optional.empty()))
                .isInstanceOf(InvalidConfig.class)
                .hasMessageContaining(
                        "STATE_DIR: " + directory.resolve("state") + " can't be created, or is not writable");
    }

    @Test
    void tokensFileWithErrors_isRefusedWithEachErrorAndNoValues() throws Exception {
        Path file = tokens(
                "{\"name\":\"a\",\"sha256\":\"my-secret\",\"read\":[\"no slash\"],\"admin\":true}",
                token("b", "x", "\"read\":[]"),
                token("b", "x", "\"write\":[\"flk record/\"]"));

        assertThatThrownBy(() -> TokensFile.read(file))
                .isInstanceOf(InvalidFileException.class)
                .hasMessageContainingAll(
                        "token a: has a member other than name, sha256, read and write",
                        "token a: its sha256 must be 64 hex digits",
                        "token a: read: each must be NAMESPACE/PREFIX",
                        "token b: another token has this name",
                        "token b: write: each must be NAMESPACE/PREFIX")
                .hasMessageNotContainingAny("my-secret", "admin", "no slash");
    }
}
