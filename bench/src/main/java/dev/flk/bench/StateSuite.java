// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import com.google.protobuf.ByteString;
import dev.flk.bench.CallLoad.Call;
import dev.flk.bench.CallLoad.Calls;
import dev.flk.bench.LoadClient.Load;
import dev.flk.bench.Program.Costs;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject;
import dev.flk.bench.etcd.KVGrpc;
import dev.flk.bench.etcd.PutRequest;
import dev.flk.bench.etcd.RangeRequest;
import dev.flk.client.Replay;
import dev.flk.client.StateClient;
import dev.flk.client.StateEvent;
import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.GetRequest;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.Operation;
import dev.flk.client.proto.StateGrpc;
import dev.flk.client.proto.Write;
import io.grpc.Channel;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * The suite that compares the state service with a bare gRPC server and etcd. Each of up to 64 clients has its own
 * keys, with values of about 250 bytes. etcd is left out, with a message, if it is not installed.
 */
final class StateSuite {
    /** The value of every key. */
    static final String VALUE = "{\"fact\":\"" + "x".repeat(240) + "\"}";

    private static final int CLIENTS = 64;
    private static final int KEYS_PER_CLIENT = 1_000;
    private static final int OPERATIONS_PER_COMMIT = 100;
    private static final int REPLAYED = 200_000;
    private static final String BARE = "bare gRPC, commits, 64";
    private static final String BARE_READS = "bare gRPC, reads, 64";
    private static final String READS = "state, reads, 64";
    private static final String REPLAY = "state, replay";

    private StateSuite() {}

    static Results run(Workbench bench) throws IOException, InterruptedException {
        Server bare = bench.keep(Server.bareGrpc(bench.directory("bare")));
        Server state = bench.keep(Server.state(bench.directory("state"), bench.backendJvm()));
        Server replayed = bench.keep(Server.state(bench.directory("replayed"), bench.backendJvm()));
        Server etcd = bench.keepIfInstalled("etcd", () -> Server.etcd(bench.directory("etcd")));
        fill(replayed);
        List<Subject> subjects = new ArrayList<>();
        subjects.add(bench.plainForces());
        subjects.add(calls(BARE, bare, CLIENTS, 1, StateSuite::commit));
        for (int clients : new int[] {1, 16, CLIENTS}) {
            subjects.add(calls("state, commits, " + clients, state, clients, 1, StateSuite::commit));
            if (etcd != null) {
                subjects.add(calls("etcd, commits, " + clients, etcd, clients, 1, StateSuite::put));
            }
        }
        subjects.add(calls("state, 100 operations, 16", state, 16, OPERATIONS_PER_COMMIT, StateSuite::commitTogether));
        subjects.add(calls(BARE_READS, bare, CLIENTS, 1, StateSuite::get));
        subjects.add(calls(READS, state, CLIENTS, 1, StateSuite::get));
        if (etcd != null) {
            subjects.add(calls("etcd, reads, 64", etcd, CLIENTS, 1, StateSuite::range));
        }
        subjects.add(new Subject(REPLAY, plan -> replay(replayed)));
        return bench.measure("operations", BARE, subjects);
    }

    static Subject calls(String name, Server server, int clients, int operations, Calls calls) {
        return new Subject(name, plan -> {
            try (CallLoad load = new CallLoad(server.port(), clients, calls)) {
                Costs costs = server.program().costs();
                Load done = load.run(plan.warmUp(), plan.measured(), costs);
                return costs.sample(done.items() * operations, done.seconds())
                        .with(Sample.ofLatencies(done.latencies()));
            }
        });
    }

    private static void fill(Server server) throws IOException, InterruptedException {
        try (StateClient client = StateClient.connect("127.0.0.1:" + server.port())) {
            while (client.info().newestRevision() < REPLAYED) {
                try (CallLoad load = new CallLoad(server.port(), CLIENTS, StateSuite::commit)) {
                    load.run(Duration.ZERO, Duration.ofSeconds(1), () -> {});
                }
            }
        }
    }

    private static Sample replay(Server server) {
        try (StateClient client = StateClient.connect("127.0.0.1:" + server.port());
                Stream<StateEvent> events = client.replay(Replay.ofAll().to(REPLAYED + 1L))) {
            Costs costs = server.program().costs().started();
            long begun = System.nanoTime();
            long count = events.count();
            double seconds = (System.nanoTime() - begun) / 1e9;
            costs.run();
            return costs.sample(count, seconds);
        }
    }

    private static String name(int client, long number) {
        return String.format(Locale.ROOT, "agent-%d/key-%d", client, number % KEYS_PER_CLIENT);
    }

    private static Key key(int client, long number) {
        return Key.newBuilder()
                .setAgentId("agent-" + client)
                .setKey("key-" + number % KEYS_PER_CLIENT)
                .build();
    }

    private static Operation write(int client, long number) {
        return Operation.newBuilder()
                .setWrite(Write.newBuilder().setKey(key(client, number)).setJson(VALUE))
                .build();
    }

    private static Call commit(Channel channel) {
        var stub = StateGrpc.newStub(channel);
        return (client, number, response) -> stub.apply(
                ApplyRequest.newBuilder().addOperations(write(client, number)).build(), observing(response));
    }

    private static Call commitTogether(Channel channel) {
        var stub = StateGrpc.newStub(channel);
        return (client, number, response) -> {
            ApplyRequest.Builder request = ApplyRequest.newBuilder();
            for (int i = 0; i < OPERATIONS_PER_COMMIT; i++) {
                request.addOperations(write(client, number * OPERATIONS_PER_COMMIT + i));
            }
            stub.apply(request.build(), observing(response));
        };
    }

    private static Call get(Channel channel) {
        var stub = StateGrpc.newStub(channel);
        return (client, number, response) ->
                stub.get(GetRequest.newBuilder().addKeys(key(client, number)).build(), observing(response));
    }

    private static Call put(Channel channel) {
        var stub = KVGrpc.newStub(channel);
        return (client, number, response) -> stub.put(
                PutRequest.newBuilder()
                        .setKey(ByteString.copyFromUtf8(name(client, number)))
                        .setValue(ByteString.copyFromUtf8(VALUE))
                        .build(),
                observing(response));
    }

    private static Call range(Channel channel) {
        var stub = KVGrpc.newStub(channel);
        return (client, number, response) -> stub.range(
                RangeRequest.newBuilder()
                        .setKey(ByteString.copyFromUtf8(name(client, number)))
                        .build(),
                observing(response));
    }

    /** Casts an observer to one type of response. The cast is safe because the observer accepts every response. */
    @SuppressWarnings("unchecked")
    static <T> StreamObserver<T> observing(StreamObserver<Object> response) {
        return (StreamObserver<T>) (StreamObserver<?>) response;
    }
}
