// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.client.Replay;
import dev.flk.client.Search;
import dev.flk.client.StateCallException;
import dev.flk.client.StateClient;
import dev.flk.client.StateClient.Match;
import dev.flk.client.StateEvent;
import dev.flk.client.Transaction;
import dev.flk.client.Versioned;
import dev.flk.e2e.Client.Answer;
import dev.flk.testkit.PostgresServer;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.Marshaller;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of the state of agents: kills, failures, two programs on one Postgres, content that must not be logged, dumps and backups.
 */
class StateIT {
    @TempDir
    private Path directory;

    private ServedBackend start() {
        return StateInJvm.start(directory, Map.of());
    }

    private static void write(StateClient client, String json) {
        try (Transaction tx = client.begin()) {
            tx.write("agent-1", "memory", json);
            var unused = tx.commit();
        }
    }

    @Test
    void damagedState_isSaid_andNotServed() throws Exception {
        try (ServedBackend program = start();
                StateClient client = program.connectToState()) {
            write(client, "1");
        }
        Path state = directory.resolve("data/state");
        var unused = Files.writeString(state.resolve("CURRENT"), "damaged");
        try (ServedBackend program = start()) {
            assertThat(program.awaitLine(text -> text.contains("the state of agents is down")))
                    .contains(state.getFileName().toString());

            Client client = new Client(program.url());
            Answer readiness = client.get("/readyz");
            assertThat(readiness.status()).isEqualTo(503);
            assertThat(readiness.body()).contains("{\"name\":\"state\",\"ready\":false,\"detail\":\"STORE_DOWN\"}");
            assertThat(client.metric("flk_state_up")).isZero();
        }
    }

    /**
     * Checks that a commit returns its result regardless of whether the backend is killed before or after the commit is
     * on disk.
     */
    @Test
    @Tag("thorough")
    void commitsDuringKills_areAnsweredAndAppliedOnce() throws Exception {
        AtomicLong committed = new AtomicLong();
        AtomicBoolean isOver = new AtomicBoolean();
        BackendProcess backend = StateInJvm.process(directory, Map.of());
        String address = backend.stateUrl().replace("http://", "");
        Map<String, String> samePort = Map.of("STATE_PORT", address.replaceFirst(".*:", ""));
        try (StateClient client =
                StateClient.to(address).timeout(Duration.ofSeconds(60)).connect()) {
            CompletableFuture<Void> writer = CompletableFuture.runAsync(() -> {
                while (!isOver.get()) {
                    long next = committed.get() + 1;
                    try (Transaction tx = client.begin()) {
                        tx.write("agent-1", "memory", Long.toString(next));
                        assertThat(tx.commit().versions()).containsExactly(next);
                    }
                    committed.set(next);
                }
            });
            for (int kill = 0; kill < 3; kill++) {
                awaitMore(committed, writer);
                backend.program().kill();
                backend.close();
                backend = StateInJvm.process(directory, samePort);
            }
            awaitMore(committed, writer);
            isOver.set(true);
            writer.get(60, TimeUnit.SECONDS);

            assertThat(client.history("agent-1", "memory"))
                    .hasSize(committed.intValue())
                    .allSatisfy(version -> assertThat(version.json()).isEqualTo(Long.toString(version.version())));
        } finally {
            backend.close();
        }
    }

    private static void awaitMore(AtomicLong committed, CompletableFuture<Void> writer) {
        long before = committed.get();
        Client.awaitUntil(() -> committed.get() > before + 50 || writer.isDone());
    }

    @Test
    void fullDisk_refusesOnlyCommits() throws Exception {
        Map<String, String> more = Map.of("STATE_MIN_FREE_BYTES", "900000TiB");
        try (ServedBackend backend = StateInJvm.start(directory, more);
                StateClient client = backend.connectToState()) {
            assertThatThrownBy(() -> write(client, "1"))
                    .isInstanceOf(StateCallException.class)
                    .hasMessageContaining("STATE_MIN_FREE_BYTES");
            backend.awaitLine(text -> text.contains("the state of agents accepts no commits"));
            Answer readiness = new Client(backend.url()).get("/readyz");
            assertThat(readiness.status()).isEqualTo(503);
            assertThat(readiness.body()).contains("{\"name\":\"state\",\"ready\":false,\"detail\":\"DISK_FULL\"}");
            assertThat(client.get("agent-1", "memory")).isEmpty();
            assertThat(run(1, backend.stateUrl(), "health"))
                    .containsPattern("(?s)BAD +state .* rejects\\s+all\\s+commits:\\s+DISK_FULL");
        }
    }

    @Test
    @Tag("thorough")
    void twoPrograms_shareOneStateInPostgres() throws Exception {
        try (PostgresServer postgres = PostgresServer.startWithScram()) {
            Map<String, String> shared = new HashMap<>(postgres.configuration());
            shared.keySet().removeIf(name -> !name.startsWith("POSTGRES_"));
            shared.put("STATE_ENGINE", "postgres");
            try (ServedBackend first = StateInJvm.start(Files.createDirectory(directory.resolve("1")), shared);
                    ServedBackend second = StateInJvm.start(Files.createDirectory(directory.resolve("2")), shared);
                    StateClient one = first.connectToState();
                    StateClient two = second.connectToState()) {
                write(one, "{\"fact\":\"Paris is in France\",\"n\":3.50}");
                assertThat(two.get("agent-1", "memory").map(Versioned::json))
                        .contains("{\"fact\":\"Paris is in France\",\"n\":3.50}");
                assertThat(two.find("", "$.fact ? (@ starts with \"Paris\")"))
                        .extracting(Match::agentId, Match::key)
                        .containsExactly(tuple("agent-1", "memory"));
                assertThat(two.find(Search.containing("{\"n\":3.5}").newestFirst()))
                        .extracting(Match::key)
                        .containsExactly("memory");
                assertThatThrownBy(() -> two.find("agent-1", "$.fact ? ("))
                        .hasMessageContaining("json_path is not a path that Postgres understands");
                assertThatThrownBy(() -> two.find(Search.containing("\"\\u0000\"")))
                        .hasMessageContaining("contains is not JSON that Postgres understands");

                postgres.kill();
                Client ofSecond = new Client(second.url());
                Client.awaitUntil(() -> ofSecond.get("/readyz").body().contains("\"detail\":\"STORE_DOWN\""));
                assertThat(ofSecond.get("/readyz").status()).isEqualTo(503);
                postgres.restart();
                Client.awaitUntil(() -> ofSecond.get("/readyz").status() == 200);
            }
        }
    }

    private static final Marshaller<byte[]> BYTES = new Marshaller<>() {
        @Override
        public InputStream stream(byte[] bytes) {
            return new ByteArrayInputStream(bytes);
        }

        @Override
        public byte[] parse(InputStream stream) {
            return new byte[0];
        }
    };

    /** A method of the health service, with raw bytes as messages. It needs no token. */
    private static final MethodDescriptor<byte[], byte[]> HEALTH_OF_BYTES = MethodDescriptor.newBuilder(BYTES, BYTES)
            .setType(MethodType.UNARY)
            .setFullMethodName("grpc.health.v1.Health/Check")
            .build();

    /**
     * Checks that a client can't cause log lines with HTTP/1.1, invalid HTTP/2, an invalid message or an oversized
     * request.
     */
    @Test
    void unauthenticatedContent_isNotLogged() throws Exception {
        try (ServedBackend backend = start();
                StateClient client = backend.connectToState()) {
            int port = Integer.parseInt(backend.stateUrl().replaceFirst(".*:", ""));
            for (String sent : List.of("GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frame at all")) {
                try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
                    socket.setSoTimeout(20_000);
                    socket.getOutputStream().write(sent.getBytes(StandardCharsets.US_ASCII));
                    // reads until the server closes the connection
                    assertThat(socket.getInputStream().readAllBytes()).isNotEmpty();
                }
            }
            ManagedChannel channel = NettyChannelBuilder.forAddress("127.0.0.1", port)
                    .usePlaintext()
                    .build();
            assertThatThrownBy(() -> ClientCalls.blockingUnaryCall(
                            channel, HEALTH_OF_BYTES, CallOptions.DEFAULT, new byte[] {(byte) 0xff}))
                    .isInstanceOf(StatusRuntimeException.class);
            channel.shutdownNow();
            assertThatThrownBy(() -> write(client, "\"" + "x".repeat(20 << 20) + "\""))
                    .hasMessageContaining("RESOURCE_EXHAUSTED");
            assertThatThrownBy(() -> write(client, "\"" + "x".repeat(10 << 20) + "\""))
                    .isInstanceOf(StateCallException.ValueTooLarge.class);
            write(client, "1");
            assertThat(backend.allLines()).doesNotContain("\tat ", "Exception", "Executor", "Transport");
        }
    }

    /**
     * Checks that values are unchanged after a compaction, a dump of everything and of one agent, and a backup.
     */
    @Test
    void dumpAndBackup_restoreTheState() throws Exception {
        String odd = "{\"n\":3.50,\"e\":1E5,\"big\":" + "9".repeat(400)
                + ",\"t\":\"\\u0000\\ud800 \uD83D\uDE00\",\"l\":[[],-0,{}]}";
        String historyId;
        List<StateEvent> events;
        Path copy;
        try (ServedBackend backend = start();
                StateClient client = backend.connectToState()) {
            String url = backend.stateUrl();
            write(client, "1");
            write(client, "2");
            write(client, odd);
            write(client.namespace("other"), "\"x\"");
            assertThat(runOn("data/state", 1, "info", "--offline")).contains("is used by another process");
            assertThat(run(0, url, "compact", "--before", "3")).isEqualTo("replayable from revision 3");
            assertThat(run(0, url, "dump", "-o", file("all"))).isEqualTo("3 events in all");
            assertThat(run(1, url, "dump", "-o", file("all")))
                    .isEqualTo("flk-state: all exists already; name another file");
            assertThat(run(0, url, "dump", "agent-1", "-o", file("one"))).isEqualTo("2 events in one");
            assertThat(run(0, url, "dump", "--namespace", "other", "-o", file("other")))
                    .isEqualTo("1 events in other");
            assertThat(run(0, url, "dump", "--namespace", "default", "-o", file("default")))
                    .isEqualTo("2 events in default");
            String made = run(0, url, "backup");
            assertThat(made).endsWith("data/state-backup-4, at revision 4");
            copy = Path.of(made.substring(0, made.indexOf(',')));
            historyId = client.info().historyId();
            events = client.replay(Replay.ofAll()).toList();
        }
        assertThat(runOn("data/state", 1, "restore", file("all")))
                .contains("the state is not empty, it is at revision 4: restore into another STATE_DIR");
        Path cut = directory.resolve("cut");
        Files.write(cut, Files.readAllLines(directory.resolve("all")).subList(0, 3));
        assertThat(runOn("nothing", 1, "restore", file("cut")))
                .contains("cut: line 4: the last line, with the number of events, is missing");
        assertThat(runOn("all-again", 0, "restore", file("all"))).startsWith("restored up to revision 4");
        assertThat(runOn("one-again", 0, "restore", file("one"))).startsWith("restored up to revision 3");
        try (ServedBackend backend = restarted("all-again");
                StateClient client = backend.connectToState()) {
            assertThat(client.info().historyId()).isNotEqualTo(historyId);
            assertThat(client.replay(Replay.ofAll()))
                    .usingRecursiveFieldByFieldElementComparatorIgnoringFields("resumeToken")
                    .isEqualTo(events);
            assertThat(client.getAt("agent-1", "memory", 2).map(Versioned::json))
                    .contains("2");
            assertThat(client.get("agent-1", "memory"))
                    .get()
                    .extracting(Versioned::json, Versioned::version)
                    .containsExactly(odd, 3L);
            assertThatThrownBy(() -> client.replay(
                                    Replay.ofAll().after(events.get(0).resumeToken()))
                            .toList())
                    .hasMessageContaining("the history is now");
        }
        try (ServedBackend backend = restarted("one-again");
                StateClient client = backend.connectToState()) {
            assertThat(client.get("agent-1", "memory").map(Versioned::json)).contains(odd);
            assertThat(client.namespaces("")).containsExactly("default");
        }
        try (ServedBackend backend = restarted(copy.toString());
                StateClient client = backend.connectToState()) {
            assertThat(client.info().historyId()).isNotEqualTo(historyId);
            assertThat(client.replay(Replay.ofAll()))
                    .usingRecursiveFieldByFieldElementComparatorIgnoringFields("resumeToken")
                    .isEqualTo(events);
        }
    }

    private ServedBackend restarted(String state) {
        return StateInJvm.start(directory, Map.of("STATE_DIR", state));
    }

    /** Runs a {@code state} command on the running backend and returns its output without the directory's name. */
    private String run(int exitCode, String url, String... command) {
        List<String> arguments = new ArrayList<>(List.of(command));
        arguments.addAll(List.of("--url", url));
        return run(exitCode, Map.of(), arguments);
    }

    /** Runs a {@code state} command that contacts no backend, and returns its output as {@link #run} does. */
    private String runOn(String state, int exitCode, String... command) {
        String stateDirectory = directory.resolve(state).toString();
        return run(exitCode, Map.of("STATE_DIR", stateDirectory), List.of(command));
    }

    private String run(int exitCode, Map<String, String> environment, List<String> command) {
        return Command.ofState(environment, command.toArray(String[]::new))
                .exits(exitCode)
                .all()
                .replace(directory + "/", "");
    }

    private String file(String name) {
        return directory.resolve(name).toString();
    }
}
