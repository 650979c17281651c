// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.util.concurrent.ListenableFuture;
import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.CheckSchemaRequest;
import dev.flk.client.proto.CheckSchemaResponse;
import dev.flk.client.proto.CommitResponse;
import dev.flk.client.proto.GetRequest;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.Operation;
import dev.flk.client.proto.SetSchemaRequest;
import dev.flk.client.proto.StateGrpc;
import dev.flk.client.proto.StateGrpc.StateBlockingStub;
import dev.flk.client.proto.StateGrpc.StateFutureStub;
import dev.flk.client.proto.Write;
import dev.flk.state.StateEngine;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests that schemas of one namespace, however expensive, delay no other namespace. */
class SchemaLoadTest {
    private static final int MORE_THAN_THREADS = 20;

    private StateEngine engine;
    private StatePort port;
    private ManagedChannel channel;

    @BeforeEach
    void open() throws IOException {
        engine = MemoryEngine.started();
        port = MemoryEngine.port(engine, 0);
        channel = NettyChannelBuilder.forAddress("127.0.0.1", port.port())
                .usePlaintext()
                .build();
    }

    @AfterEach
    void close() {
        channel.shutdownNow();
        port.close();
        engine.close();
    }

    private StateBlockingStub state() {
        return StateGrpc.newBlockingStub(channel).withDeadlineAfter(20, TimeUnit.SECONDS);
    }

    private StateFutureStub later() {
        return StateGrpc.newFutureStub(channel).withDeadlineAfter(60, TimeUnit.SECONDS);
    }

    /** Returns a small schema whose evaluation takes 2^40 steps. */
    private static String exponential() {
        StringBuilder defs = new StringBuilder("\"d40\":{\"type\":\"integer\"}");
        for (int i = 39; i >= 0; i--) {
            String next = "{\"$ref\":\"#/$defs/d" + (i + 1) + "\"}";
            defs.append(",\"d" + i + "\":{\"allOf\":[" + next + "," + next + "]}");
        }
        return "{\"$ref\":\"#/$defs/d0\",\"$defs\":{" + defs + "}}";
    }

    private static ApplyRequest write(String namespace, String agentId) {
        return ApplyRequest.newBuilder()
                .addOperations(Operation.newBuilder()
                        .setWrite(Write.newBuilder()
                                .setKey(Key.newBuilder()
                                        .setNamespace(namespace)
                                        .setAgentId(agentId)
                                        .setKey("k"))
                                .setJson("1")))
                .build();
    }

    private void set(String namespace, String json) {
        assertThat(state().setSchema(SetSchemaRequest.newBuilder()
                                .setNamespace(namespace)
                                .setJson(json)
                                .build())
                        .getRevision())
                .isPositive();
    }

    /** The first write of a namespace makes the engine remember that the namespace has no schema. */
    @Test
    void apply_exponentialSchemaJustSet_isRefused_andOtherNamespacesCommit() {
        assertThat(state().apply(write("bomb", "a")).getRevision()).isEqualTo(1);
        set("bomb", exponential());

        List<ListenableFuture<CommitResponse>> refused = new ArrayList<>();
        for (int i = 0; i < MORE_THAN_THREADS; i++) {
            refused.add(later().apply(write("bomb", "a" + i)));
        }

        for (int i = 0; i < 100; i++) {
            assertThat(state().apply(write("other", "a")).getRevision()).isPositive();
        }
        assertThatThrownBy(refused.get(0)::get)
                .hasMessageContaining("INVALID_ARGUMENT")
                .hasMessageContaining("steps");
        assertThat(state().apply(write("other", "a")).getRevision()).isPositive();
    }

    /** A schema that refers to itself is refused by its depth, before the stack of a thread overflows. */
    @Test
    void apply_schemaRefersToItselfWithoutEnd_isRefusedByItsDepth() {
        set("bomb", "{\"allOf\":[{\"anyOf\":[{\"if\":{\"not\":{\"$ref\":\"#\"}}}]}]}");

        assertThatThrownBy(() -> state().apply(write("bomb", "a")))
                .hasMessageContaining("more than 1000 keywords of the schema would be evaluated within one another");
    }

    /** Without the end of cancelled checks, the last check would begin after the checks of all calls before it. */
    @Test
    void apply_callsCancelled_endsTheirChecks() throws Exception {
        set("bomb", exponential());
        for (int i = 0; i < MORE_THAN_THREADS; i++) {
            ListenableFuture<CommitResponse> cancelled = later().apply(write("bomb", "a" + i));
            assertThat(cancelled.cancel(true)).isTrue();
        }

        set("bomb", "{}");

        assertThat(state().apply(write("bomb", "a")).getRevision()).isEqualTo(3);
    }

    @Test
    void checkSchema_exponentialSchema_occupiesNoThreadOfOtherCalls() throws Exception {
        assertThat(state().apply(write("bomb", "a")).getRevision()).isEqualTo(1);

        List<ListenableFuture<CheckSchemaResponse>> checks = new ArrayList<>();
        for (int i = 0; i < MORE_THAN_THREADS; i++) {
            checks.add(later().checkSchema(CheckSchemaRequest.newBuilder()
                    .setNamespace("bomb")
                    .setJson(exponential())
                    .build()));
        }

        for (int i = 0; i < 100; i++) {
            assertThat(state().get(GetRequest.newBuilder()
                                    .addKeys(Key.newBuilder().setAgentId("a").setKey("k"))
                                    .build())
                            .getFoundCount())
                    .isEqualTo(1);
        }
        assertThat(checks.get(0).get().getViolations(0).getMessage()).contains("steps");
    }
}
