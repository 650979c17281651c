// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.client.proto.ApplyRequest;
import dev.flk.client.proto.CommitResponse;
import dev.flk.client.proto.Found;
import dev.flk.client.proto.GetRequest;
import dev.flk.client.proto.GetResponse;
import dev.flk.client.proto.StateGrpc.StateImplBase;
import dev.flk.client.proto.Version;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import redis.embedded.core.ExecutableProvider;

/** A server on a free port that is ready for requests. */
record Server(Program program, int port) implements Closeable {
    /** The highest port of a node of a Redis Cluster, whose second port is 10,000 higher. */
    private static final int HIGHEST_OF_A_CLUSTER = 55_535;

    /** The number of slots of a Redis Cluster. */
    private static final int SLOTS = 16_384;

    private static final int SLOTS_AT_ONCE = 4_096;

    /** The HMAC secret of all measured backends. */
    static final String SECRET = "bench-key";

    /** Starts a {@link BareServer}. */
    static Server bare(Path directory) throws IOException, InterruptedException {
        return own(BareServer.class, directory);
    }

    /**
     * Starts a backend with its data in {@code directory}. Apart from {@code settings}, its configuration differs from
     * the default only in the address, the key and a raised {@code TOKEN_RATE}.
     */
    static Server backend(Path directory, List<String> jvmOptions, Map<String, String> settings)
            throws IOException, InterruptedException {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("PORT", "0");
        environment.put("BIND_ADDR", "127.0.0.1");
        environment.put("PCS_SIGN_ALG", "hmac");
        environment.put("PCS_HMAC_KEY", SECRET);
        environment.put("TOKEN_RATE", "10000000");
        environment.putAll(settings);
        Program program = Program.jar("backend", directory, environment, jvmOptions);
        int port = program.awaitPort("listening on 127.0.0.1 port ");
        program.awaitLine(line -> line.contains("ready: submissions are accepted"));
        return new Server(program, port);
    }

    /** Starts a program of the state. The port of the returned server is that of gRPC. */
    static Server state(Path directory, List<String> jvmOptions) throws IOException, InterruptedException {
        Map<String, String> environment =
                Map.of("PORT", "0", "BIND_ADDR", "127.0.0.1", "STATE_PORT", "0", "PCS_SIGN_ALG", "none");
        Program program = Program.jar("state", directory, environment, jvmOptions);
        return new Server(program, program.awaitPort("state on 127.0.0.1 port "));
    }

    /**
     * Starts a gRPC server with default settings that answers every call with a fixed response, of the size of the
     * responses of the state service.
     */
    static Server bareGrpc(Path directory) throws IOException, InterruptedException {
        return own(BareGrpcServer.class, directory);
    }

    private static Server own(Class<?> server, Path directory) throws IOException, InterruptedException {
        Program program = Program.own(server, directory);
        return new Server(program, program.awaitPort("listening on port "));
    }

    /**
     * Starts a redis-server that syncs its file every second. docs/redis.md recommends a sync of every write instead.
     */
    static Server redis(Path directory) throws IOException, InterruptedException {
        return redis(directory, "everysec");
    }

    /** Starts a Redis Cluster of one node, which syncs its file every second. */
    static Server redisCluster(Path directory) throws IOException, InterruptedException {
        Server node = redis(directory, "everysec --cluster-enabled yes");
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), node.port())) {
            for (int first = 0; first < SLOTS; first += SLOTS_AT_ONCE) {
                String command = IntStream.range(first, first + SLOTS_AT_ONCE)
                        .mapToObj(Integer::toString)
                        .collect(Collectors.joining(" ", "CLUSTER ADDSLOTS ", "\r\n"));
                socket.getOutputStream().write(command.getBytes(StandardCharsets.US_ASCII));
                byte[] reply = socket.getInputStream().readNBytes("+OK\r\n".length());
                if (!new String(reply, StandardCharsets.US_ASCII).startsWith("+OK")) {
                    throw new IOException("Redis did not take the slots");
                }
            }
        }
        return node;
    }

    /** @param fsync {@code everysec}, or {@code always} to sync before the answer to a write */
    static Server redis(Path directory, String fsync) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(ExecutableProvider.newJarResourceProvider(directory.toFile())
                .get()
                .toString());
        int port;
        do {
            port = freePort();
        } while (port > HIGHEST_OF_A_CLUSTER);
        String options = "--bind 127.0.0.1 --appendonly yes --appendfsync " + fsync + " --port " + port;
        command.addAll(List.of(options.split(" ", -1)));
        Program program = Program.start("redis", directory, Map.of(), command);
        program.awaitLine(line -> line.contains("Ready to accept connections"));
        return new Server(program, port);
    }

    /**
     * Starts Postgres for up to 300 connections without passwords. The settings for durability are the defaults: each
     * commit is on disk before Postgres answers it. Postgres refuses to run as root; for root, it runs as the user
     * nobody.
     */
    static Server postgres(Path directory) throws IOException, InterruptedException {
        Path data = directory.resolve("data");
        List<String> user = new ArrayList<>();
        if ("root".equals(System.getProperty("user.name"))) {
            user.addAll(List.of("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"));
            Program.start("chown", directory, Map.of(), List.of("chown", "65534:65534", directory.toString()))
                    .awaitSuccess();
            Files.setPosixFilePermissions(
                    Objects.requireNonNull(directory.getParent()), PosixFilePermissions.fromString("rwx--x--x"));
        }
        List<String> initialize = new ArrayList<>(user);
        initialize.addAll(
                List.of(postgresProgram("initdb"), "--pgdata=" + data, "--username=postgres", "--auth=trust"));
        Program.start("initdb", directory, Map.of(), initialize).awaitSuccess();
        int port = freePort();
        List<String> command = new ArrayList<>(user);
        command.addAll(List.of(postgresProgram("postgres"), "-D", data.toString(), "-p", Integer.toString(port)));
        Stream.of("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300")
                .forEach(setting -> command.addAll(List.of("-c", setting)));
        Program program = Program.start("postgres", directory, Map.of("LC_ALL", "C"), command);
        program.awaitLine(line -> line.contains("ready to accept connections"));
        return new Server(program, port);
    }

    /** Returns the path of a program of the newest Postgres in the directories of Debian. */
    private static String postgresProgram(String name) throws IOException {
        try (Stream<Path> files = Files.find(
                Path.of("/usr/lib/postgresql"), 3, (path, attributes) -> path.endsWith(Path.of("bin", name)))) {
            return files.max(Comparator.naturalOrder()).orElseThrow().toString();
        } catch (NoSuchFileException | NoSuchElementException e) {
            throw new IOException("there is no " + name + "; install it (Debian: apt install postgresql)", e);
        }
    }

    /** Starts etcd with its default settings, under which it syncs each commit to disk. */
    static Server etcd(Path directory) throws IOException, InterruptedException {
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
            throw new IOException("can't start it; install it (Debian: apt install etcd-server)", e);
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

    @Override
    public void close() {
        program.close();
    }

    /**
     * A server whose throughput is an upper bound for the backend: plain Netty with as many event loops as the backend.
     * It reads every request and returns a response of the size of an outcome. It runs in a process of its own and
     * prints its port.
     */
    public static final class BareServer {
        private static final byte[] BODY = ("{\"accepted\":true,\"recomputed_D_hat\":1.0,\"recomputed_budget\":0.26,"
                        + "\"regime\":\"mixed\",\"pad\":\"" + "x".repeat(120) + "\"}")
                .getBytes(StandardCharsets.US_ASCII);

        private BareServer() {}

        /** Runs until it is killed. */
        public static void main(String[] args) throws InterruptedException {
            EventLoopGroup loops = new MultiThreadIoEventLoopGroup(
                    Runtime.getRuntime().availableProcessors(),
                    Epoll.isAvailable() ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());
            Channel channel = new ServerBootstrap()
                    .group(loops)
                    .channel(Epoll.isAvailable() ? EpollServerSocketChannel.class : NioServerSocketChannel.class)
                    .option(ChannelOption.SO_BACKLOG, 1024)
                    .childHandler(new ChannelInitializer<SocketChannel>() {
                        @Override
                        protected void initChannel(SocketChannel accepted) {
                            accepted.pipeline().addLast(new HttpServerCodec()).addLast(new Responder());
                        }
                    })
                    .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                    .sync()
                    .channel();
            System.out.println("listening on port " + ((InetSocketAddress) channel.localAddress()).getPort());
            channel.closeFuture().sync();
        }

        private static final class Responder extends ChannelInboundHandlerAdapter {
            @Override
            public void channelRead(ChannelHandlerContext context, Object message) {
                boolean last = message instanceof LastHttpContent;
                ReferenceCountUtil.release(message);
                if (last) {
                    DefaultFullHttpResponse response = new DefaultFullHttpResponse(
                            HttpVersion.HTTP_1_1, HttpResponseStatus.OK, Unpooled.wrappedBuffer(BODY));
                    response.headers()
                            .set(HttpHeaderNames.CONTENT_TYPE, HttpHeaderValues.APPLICATION_JSON)
                            .setInt(HttpHeaderNames.CONTENT_LENGTH, BODY.length);
                    context.write(response, context.voidPromise());
                }
            }

            @Override
            public void channelReadComplete(ChannelHandlerContext context) {
                context.flush();
            }

            @Override
            public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
                context.close();
            }
        }
    }

    /** The server that {@link Server#bareGrpc} starts in a process of its own. It prints its port. */
    public static final class BareGrpcServer {
        private BareGrpcServer() {}

        /** Runs until it is killed. */
        public static void main(String[] args) throws IOException, InterruptedException {
            io.grpc.Server server = NettyServerBuilder.forAddress(
                            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                    .addService(new State())
                    .build()
                    .start();
            System.out.println("listening on port " + server.getPort());
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
                                    .setJson(StateSuite.VALUE)))
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
}
