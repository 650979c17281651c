// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.CommitResponse;
import dev.flk.client.proto.Found;
import dev.flk.client.proto.GetRequest;
import dev.flk.client.proto.GetResponse;
import dev.flk.client.proto.StateGrpc.StateImplBase;
import dev.flk.client.proto.Version;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The state of agents, and the servers that it is compared with, on free ports. */
public final class StateServers {
    private StateServers() {}

    /** Starts a backend; the port serves its state. */
    public static Server state(Path directory, List<String> jvmOptions) throws IOException, InterruptedException {
        Program program =
                Server.backend(directory, jvmOptions, Map.of("STATE_PORT", "0")).program();
        String line = program.awaitLine(text -> text.contains("state on 127.0.0.1 port "));
        return new Server(program, Integer.parseInt(line.replaceFirst(".* port ([0-9]+),.*", "$1")));
    }

    /** Starts a gRPC server with default settings, which returns responses of the same size and does nothing else. */
    public static Server bare(Path directory) throws IOException, InterruptedException {
        Program program = Program.java(
                "bare-grpc",
                directory,
                Map.of(),
                List.of("-cp", Program.ownJar().toString(), BareGrpcServer.class.getName()));
        return new Server(program, Server.port(program));
    }

    /** Starts etcd with its default settings, under which it syncs each commit to disk. */
    public static Server etcd(Path directory) throws IOException, InterruptedException {
        int port = freePort();
        String url = "http://127.0.0.1:" + port;
        String peers = "http://127.0.0.1:" + freePort();
        Program program;
        try {
            program = Program.start(
                    "etcd",
                    directory,
                    Map.of(),
                    List.of(
                            "etcd",
                            "--data-dir=" + directory.resolve("data"),
                            "--listen-client-urls=" + url,
                            "--advertise-client-urls=" + url,
                            "--listen-peer-urls=" + peers,
                            "--initial-advertise-peer-urls=" + peers,
                            "--initial-cluster=default=" + peers));
        } catch (IOException e) {
            throw new IOException(
                    "can't start etcd, which the state is compared with; install it (Debian: apt install etcd-server)",
                    e);
        }
        program.awaitLine(line ->
                line.contains("ready to serve client requests") || line.contains("serving insecure client requests"));
        return new Server(program, port);
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    /** A server that runs in a process of its own and prints its port. */
    public static final class BareGrpcServer {
        private BareGrpcServer() {}

        /** Runs until it is killed. */
        public static void main(String[] args) throws IOException, InterruptedException {
            io.grpc.Server server = NettyServerBuilder.forAddress(
                            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                    .addService(new State())
                    .build()
                    .start();
            System.out.println("listening on " + server.getPort());
            server.awaitTermination();
        }

        private static final class State extends StateImplBase {
            private static final CommitResponse COMMITTED = CommitResponse.newBuilder()
                    .setRevision(1_000_000)
                    .setCommittedAt(com.google.protobuf.Timestamp.newBuilder()
                            .setSeconds(1_800_000_000)
                            .setNanos(1_000))
                    .addVersions(1)
                    .build();
            private static final GetResponse READ = GetResponse.newBuilder()
                    .setRevision(1_000_000)
                    .addFound(Found.newBuilder()
                            .setState(Found.State.PRESENT)
                            .setVersion(Version.newBuilder()
                                    .setVersion(1)
                                    .setRevision(1_000_000)
                                    .setCommittedAt(COMMITTED.getCommittedAt())
                                    .setJson(value())))
                    .build();

            @Override
            public void apply(ApplyRequest request, StreamObserver<CommitResponse> responses) {
                responses.onNext(COMMITTED);
                responses.onCompleted();
            }

            @Override
            public void get(GetRequest request, StreamObserver<GetResponse> responses) {
                responses.onNext(READ);
                responses.onCompleted();
            }
        }
    }

    /** Returns the value of every key in the comparison. */
    public static String value() {
        return "{\"fact\":\"" + "x".repeat(240) + "\"}";
    }
}
