// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.client.StateCallException.TooManyTransactions;
import dev.flk.client.StateClient;
import dev.flk.client.Transaction;
import dev.flk.client.Versioned;
import dev.flk.client.proto.BeginRequest;
import dev.flk.client.proto.BeginResponse;
import dev.flk.client.proto.StateGrpc;
import dev.flk.client.proto.StateGrpc.StateBlockingStub;
import io.grpc.ManagedChannel;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of the limits on memory that many concurrent clients can use, on a backend with a heap of 256 MiB. A client
 * with small requests must be served at the same time.
 */
@Tag("thorough")
class StateBoundsIT {
    private static final int OPEN = 10_000;
    private static final int LARGE = 100;
    private static final int KEYS = 1_000_000;
    private static final int KEYS_AT_ONCE = 5_000;

    @TempDir
    private Path directory;

    @Test
    void openTransactions_largeValues_andAMillionKeys_areBounded() throws Exception {
        try (BackendProcess backend = StateInJvm.process(
                        directory,
                        Map.of("STATE_MAX_OPEN_TX", Integer.toString(OPEN), "STATE_TX_TIMEOUT", "10m"),
                        "-Xmx256m");
                StateClient client = backend.connectToState()) {
            open(backend);
            assertServed(client);
            writeLarge(client);
            assertServed(client);
            writeAndList(client);
            assertServed(client);
            assertThat(backend.program().allLines()).doesNotContain("OutOfMemory");
        }
    }

    private static void assertServed(StateClient client) {
        try (Transaction tx = client.begin()) {
            tx.write("small", "k", "1");
            var unused = tx.commit();
        }
        assertThat(client.get("small", "k").map(Versioned::json)).contains("1");
    }

    private static void open(BackendProcess backend) {
        ManagedChannel channel = NettyChannelBuilder.forTarget(
                        backend.stateUrl().replace("http://", ""))
                .usePlaintext()
                .build();
        try {
            StateBlockingStub state = StateGrpc.newBlockingStub(channel);
            for (int i = 0; i < OPEN; i++) {
                BeginResponse unused = state.begin(BeginRequest.getDefaultInstance());
            }
            assertThatThrownBy(() -> state.begin(BeginRequest.getDefaultInstance()))
                    .isInstanceOfSatisfying(
                            StatusRuntimeException.class,
                            e -> assertThat(e.getStatus().getCode()).isEqualTo(Code.RESOURCE_EXHAUSTED));
        } finally {
            ManagedChannel unused = channel.shutdownNow();
        }
    }

    /**
     * Writes large values concurrently. Repeats each write until it is accepted, because the backend refuses writes
     * that exceed its limits.
     */
    private static void writeLarge(StateClient client) throws Exception {
        String large = "\"" + "x".repeat((1 << 20) - 2) + "\"";
        ExecutorService threads = Executors.newFixedThreadPool(LARGE);
        try {
            List<Future<?>> writers = new ArrayList<>();
            for (int i = 0; i < LARGE; i++) {
                String key = "k" + i;
                writers.add(threads.submit(() -> Client.awaitUntil(() -> {
                    try (Transaction tx = client.begin()) {
                        tx.write("large", key, large);
                        return tx.commit().revision() > 0;
                    } catch (TooManyTransactions e) {
                        return false;
                    }
                })));
            }
            // while the large requests take all of the room, others are refused, too
            Client.awaitUntil(() -> {
                try {
                    assertServed(client);
                    return true;
                } catch (TooManyTransactions e) {
                    return false;
                }
            });
            for (Future<?> writer : writers) {
                writer.get();
            }
        } finally {
            threads.shutdownNow();
        }
        assertThat(client.keys("large", "")).hasSize(LARGE);
    }

    private static void writeAndList(StateClient client) {
        for (int from = 0; from < KEYS; from += KEYS_AT_ONCE) {
            try (Transaction tx = client.begin()) {
                for (int i = from; i < from + KEYS_AT_ONCE; i++) {
                    tx.write("many", "key-%07d".formatted(i), "1");
                }
                var unused = tx.commit();
            }
        }
        List<String> keys = client.keys("many", "");
        assertThat(keys).hasSize(KEYS);
        assertThat(keys.get(KEYS - 1)).isEqualTo("key-%07d".formatted(KEYS - 1));
    }
}
