// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.tokens.Tokens;
import dev.flk.canonical.Sha256;
import dev.flk.client.proto.Event;
import dev.flk.client.proto.GetRequest;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.ReplayRequest;
import dev.flk.client.proto.StateGrpc;
import dev.flk.client.proto.StateGrpc.StateBlockingStub;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of connections to a port that accepts only a few. */
class ConnectionLimitTest {
    private static final int SOCKET_MILLIS = 20_000;
    private static final String TOKEN = "a-secret";

    private final Metrics metrics = new Metrics("test");
    private final List<Socket> sockets = new ArrayList<>();
    private final List<ManagedChannel> channels = new ArrayList<>();

    @TempDir
    private Path directory;

    private StateEngine engine;
    private @Nullable Tokens tokens;
    private @Nullable StatePort port;

    @BeforeEach
    void open() {
        engine = MemoryEngine.started();
    }

    @AfterEach
    void close() throws IOException {
        channels.forEach(ManagedChannel::shutdownNow);
        for (Socket socket : sockets) {
            socket.close();
        }
        if (port != null) {
            port.close();
        }
        if (tokens != null) {
            tokens.close();
        }
        engine.close();
    }

    private void serve(int maxConnections) throws IOException {
        port = new StatePort(
                engine,
                "memory",
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                null,
                tokens,
                maxConnections,
                new StateMetrics(metrics));
    }

    private void serveWithTokens(int maxConnections) throws Exception {
        String digest = HexFormat.of().formatHex(Sha256.of(TOKEN.getBytes(StandardCharsets.UTF_8)));
        Path file = Files.writeString(
                directory.resolve("tokens.json"),
                "{\"version\":1,\"tokens\":[{\"name\":\"a\",\"sha256\":\"%s\",\"read\":[\"*/\"]}]}".formatted(digest));
        tokens = Tokens.read(file, Audit.none());
        serve(maxConnections);
    }

    private Socket idle() throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), port.port());
        socket.setSoTimeout(SOCKET_MILLIS);
        sockets.add(socket);
        return socket;
    }

    private void idle(int number) throws IOException {
        for (int i = 0; i < number; i++) {
            Socket unused = idle();
        }
    }

    private static void assertServed(Socket socket) throws IOException {
        assertThat(socket.getInputStream().read()).isNotNegative(); // the server speaks first
    }

    /** Waits until the server has closed the connection. */
    private static void awaitClosed(Socket socket) throws IOException {
        InputStream in = socket.getInputStream();
        try {
            while (in.read() >= 0) {
                // skip the server's greeting
            }
        } catch (SocketException e) {
            assertThat(e).hasMessageContaining("reset");
        }
    }

    private ManagedChannel channel() {
        ManagedChannel channel = NettyChannelBuilder.forAddress("127.0.0.1", port.port())
                .usePlaintext()
                .build();
        channels.add(channel);
        return channel;
    }

    private static StateBlockingStub state(ManagedChannel channel, String token) {
        Metadata headers = new Metadata();
        headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
        return StateGrpc.newBlockingStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                .withDeadlineAfter(20, TimeUnit.SECONDS);
    }

    private static Code call(ManagedChannel channel, String token) {
        try {
            var unused = state(channel, token)
                    .get(GetRequest.newBuilder()
                            .addKeys(Key.newBuilder().setAgentId("agent").setKey("k"))
                            .build());
            return Code.OK;
        } catch (StatusRuntimeException e) {
            return e.getStatus().getCode();
        }
    }

    private String exposed() {
        return ScrapedText.text(metrics);
    }

    private void assertRefused(String cause, int number) {
        assertThat(exposed())
                .containsPattern(
                        "flk_state_connections_refused_total\\{cause=\"%s\",?} %d\\.0".formatted(cause, number));
    }

    @Test
    void idleConnections_doNotBlockTokenHolders_andAreReported() throws Exception {
        serveWithTokens(8);
        Socket oldest = idle();
        idle(19);

        assertThat(call(channel(), TOKEN)).isEqualTo(Code.OK);

        awaitClosed(oldest);
        // there are two places without a token, so 19 of 21 connections were closed for newer ones
        assertRefused("without_token", 19);
        assertRefused("connections", 0);
        assertThat(port.refusing()).contains("too many connections without a token");
    }

    @Test
    void connectionOfATokenHolder_isNotClosedForOthers() throws Exception {
        serveWithTokens(8);
        Iterator<Event> events = state(channel(), TOKEN)
                .replay(ReplayRequest.newBuilder()
                        .setAgentId("agent")
                        .setFollow(true)
                        .build());
        await().until(() -> port.streams() == 1);

        idle(20);

        assertServed(idle());
        var unused = engine.apply(
                        "",
                        List.of(engine.write(
                                new dev.flk.state.StateKey("default", "agent", "k"), "1", Operation.ANY_VERSION)),
                        "")
                .toCompletableFuture()
                .join();
        assertThat(events.next().getRevision()).isEqualTo(1);
    }

    @Test
    void connectionWithAnInvalidToken_isClosedForANewerOne() throws Exception {
        serveWithTokens(4);
        ManagedChannel forger = channel();
        assertThat(call(forger, "b-secret")).isEqualTo(Code.UNAUTHENTICATED);
        var closed = new CompletableFuture<Boolean>();
        forger.notifyWhenStateChanged(ConnectivityState.READY, () -> closed.complete(true));

        assertServed(idle());

        assertThat(closed.get(20, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void tokenHoldersAboveTheMaximum_areClosed_untilAnotherLeaves() throws Exception {
        serveWithTokens(2);
        ManagedChannel first = channel();
        ManagedChannel second = channel();
        ManagedChannel third = channel();
        assertThat(call(first, TOKEN)).isEqualTo(Code.OK);
        assertThat(call(second, TOKEN)).isEqualTo(Code.OK);

        assertThat(call(third, TOKEN)).isEqualTo(Code.UNAVAILABLE);

        assertRefused("connections", 1);
        assertThat(port.refusing()).contains("too many connections");
        assertThat(call(first, TOKEN)).isEqualTo(Code.OK);
        assertThat(call(second, TOKEN)).isEqualTo(Code.OK);
        first.shutdownNow();
        await().until(() -> call(third, TOKEN) == Code.OK);
    }

    @Test
    void connectionsAboveTheMaximum_withoutTokens_areClosed_andReported() throws Exception {
        serve(2);
        assertServed(idle());
        assertServed(idle());

        awaitClosed(idle());

        assertRefused("connections", 1);
        assertRefused("without_token", 0);
        assertThat(port.refusing()).contains("too many connections");
        sockets.get(0).close();
        await().until(() -> call(channel(), TOKEN) == Code.OK);
    }
}
