// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.CallLoad.Calls;
import dev.flk.bench.LoadClient.Load;
import dev.flk.bench.Program.Costs;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject;
import dev.flk.bench.Workbench.Subject.Plan;
import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.GetRequest;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.Operation;
import dev.flk.client.proto.StateGrpc;
import dev.flk.client.proto.StateGrpc.StateStub;
import dev.flk.client.proto.Write;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * The suite that measures what one token's large values cost another token, and what they cost senders of certificates.
 * The backend has a heap of 256 MiB. The busy token repeats a refused or failed call at once.
 */
final class TenantSuite {
    private static final String BUSY = "busy";
    private static final String NEIGHBOUR = "neighbour";
    private static final String ALONE = "alone";
    private static final String SMALL = "beside 32 reads of 250 bytes";
    private static final String REFUSED = "beside 32 refused reads of 24 MiB";
    private static final String VALUES = "beside 8 writers and 8 readers of 1 MiB";
    private static final String COMMITS = "commits ";
    private static final String CERTIFICATES = "certificates ";
    private static final String SMALL_KEY = "small";
    private static final int LARGE_KEYS = 24;
    private static final int READERS = 32;
    private static final int PAIRS = 8;
    private static final String LARGE = "\"" + "x".repeat((1 << 20) - 2) + "\"";

    private TenantSuite() {}

    static Results run(Workbench bench) throws IOException, InterruptedException {
        Path tokens = bench.directory("tokens").resolve("tokens.json").toAbsolutePath();
        Files.writeString(tokens, tokensFile(BUSY, NEIGHBOUR));
        List<String> jvm = new ArrayList<>(bench.backendJvm());
        jvm.add("-Xmx256m");
        Server backend = bench.keep(Server.backend(
                bench.directory("backend"), jvm, Map.of("STATE_PORT", "0", "STATE_TOKENS_FILE", tokens.toString())));
        int port = backend.program().awaitPort("state on 127.0.0.1 port ");
        fill(port);
        Subject certificates = bench.singles("", backend, 1, 2_000);
        List<Subject> subjects = new ArrayList<>();
        for (String beside : List.of(ALONE, SMALL, REFUSED, VALUES)) {
            subjects.add(new Subject(
                    COMMITS + beside, plan -> beside(beside, port, plan, () -> commits(backend, port, plan))));
            subjects.add(new Subject(
                    CERTIFICATES + beside,
                    plan -> beside(
                            beside, port, plan, () -> certificates.round().measure(plan))));
        }
        return bench.measure("calls", COMMITS + ALONE, subjects);
    }

    /** A measurement of the neighbour. */
    private interface Measured {
        Sample sample() throws IOException, InterruptedException;
    }

    /** Measures the neighbour while the busy token makes the calls that {@code beside} names. */
    private static Sample beside(String beside, int port, Plan plan, Measured measured)
            throws IOException, InterruptedException {
        int clients = beside.equals(ALONE) ? 0 : beside.equals(VALUES) ? 2 * PAIRS : READERS;
        Calls calls = beside.equals(VALUES)
                ? TenantSuite::writesAndReads
                : beside.equals(SMALL) ? TenantSuite::readsSmall : TenantSuite::readsAll;
        CompletableFuture<@Nullable IOException> ended = new CompletableFuture<>();
        try (CallLoad load = new CallLoad(port, clients, calls)) {
            Thread busy = new Thread(() -> {
                try {
                    // the load begins and ends with the measurement of the neighbour
                    long count = load.run(Duration.ZERO, plan.warmUp().plus(plan.measured()), () -> {})
                            .items();
                    System.err.printf(
                            Locale.ROOT, "the busy token made %,.0f calls a second%n", count / plan.measuredSeconds());
                    ended.complete(null);
                } catch (IOException e) {
                    ended.complete(e);
                } catch (InterruptedException e) {
                    ended.completeExceptionally(e);
                }
            });
            busy.start();
            Sample sample = measured.sample();
            IOException failure = ended.join();
            if (failure != null) {
                throw failure;
            }
            return sample;
        }
    }

    private static Sample commits(Server backend, int port, Plan plan) throws IOException, InterruptedException {
        try (CallLoad load = new CallLoad(port, 1, channel -> {
            StateStub stub = stub(channel, NEIGHBOUR);
            return (client, number, response) -> stub.apply(
                    write(NEIGHBOUR, "k" + number % 1_000, StateSuite.VALUE), StateSuite.observing(response));
        })) {
            Costs costs = backend.program().costs();
            Load done = load.run(plan.warmUp(), plan.measured(), costs);
            return costs.sample(done.items(), done.seconds()).with(Sample.ofLatencies(done.latencies()));
        }
    }

    private static CallLoad.Call readsSmall(ManagedChannel channel) {
        StateStub stub = stub(channel, BUSY);
        GetRequest request =
                GetRequest.newBuilder().addKeys(key(BUSY, SMALL_KEY)).build();
        return (client, number, response) -> stub.get(request, StateSuite.observing(new Tolerant(response)));
    }

    private static CallLoad.Call readsAll(ManagedChannel channel) {
        StateStub stub = stub(channel, BUSY);
        GetRequest.Builder all = GetRequest.newBuilder();
        for (int i = 0; i < LARGE_KEYS; i++) {
            all.addKeys(key(BUSY, "k" + i));
        }
        GetRequest request = all.build();
        return (client, number, response) -> stub.get(request, StateSuite.observing(new Tolerant(response)));
    }

    private static CallLoad.Call writesAndReads(ManagedChannel channel) {
        StateStub stub = stub(channel, BUSY);
        return (client, number, response) -> {
            String key = "k" + client / 2;
            if (client % 2 == 0) {
                stub.apply(write(BUSY, key, LARGE), StateSuite.observing(new Tolerant(response)));
            } else {
                stub.get(
                        GetRequest.newBuilder().addKeys(key(BUSY, key)).build(),
                        StateSuite.observing(new Tolerant(response)));
            }
        };
    }

    /** An observer for which a refused call is as complete as an answered one. */
    private record Tolerant(StreamObserver<Object> to) implements StreamObserver<Object> {
        @Override
        public void onNext(Object response) {
            to.onNext(response);
        }

        @Override
        public void onError(Throwable refusal) {
            to.onCompleted();
        }

        @Override
        public void onCompleted() {
            to.onCompleted();
        }
    }

    private static void fill(int port) {
        ManagedChannel channel =
                NettyChannelBuilder.forAddress("127.0.0.1", port).usePlaintext().build();
        try {
            Metadata credentials = credentials(BUSY);
            var stub = StateGrpc.newBlockingStub(channel)
                    .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(credentials));
            var unusedSmall = stub.apply(write(BUSY, SMALL_KEY, StateSuite.VALUE));
            for (int i = 0; i < LARGE_KEYS; i++) {
                var unused = stub.apply(write(BUSY, "k" + i, LARGE));
            }
        } finally {
            channel.shutdownNow();
        }
    }

    private static StateStub stub(ManagedChannel channel, String token) {
        return StateGrpc.newStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(credentials(token)));
    }

    private static Metadata credentials(String token) {
        Metadata credentials = new Metadata();
        credentials.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
        return credentials;
    }

    private static Key key(String agentId, String name) {
        return Key.newBuilder().setAgentId(agentId).setKey(name).build();
    }

    private static ApplyRequest write(String agentId, String name, String json) {
        return ApplyRequest.newBuilder()
                .addOperations(Operation.newBuilder()
                        .setWrite(Write.newBuilder().setKey(key(agentId, name)).setJson(json)))
                .build();
    }

    /** Returns a tokens file in which each token is its own name and may do everything. */
    private static String tokensFile(String... names) {
        StringBuilder tokens = new StringBuilder();
        for (String name : names) {
            tokens.append(tokens.isEmpty() ? "" : ",")
                    .append("{\"name\":\"%s\",\"sha256\":\"%s\",\"read\":[\"*/\"],\"write\":[\"*/\"]}"
                            .formatted(name, sha256(name)));
        }
        return "{\"version\":1,\"tokens\":[" + tokens + "]}";
    }

    private static String sha256(String text) {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this Java platform has no SHA-256", e);
        }
    }
}
