// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import dev.flk.agent.outbox.Outbox;
import dev.flk.program.logging.LineLimit;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.timeout.IdleStateHandler;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves local programs and operators: a Unix socket beside the outbox, for its owner only, takes certificates and operations; a second
 * one, for its group too, and a loopback port take certificates. One event loop.
 */
public final class LocalServer implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(LocalServer.class);
    static final int MAX_BODY_BYTES = 8 << 20;
    private static final long MAX_BODIES_BYTES = 16 << 20;
    /** What Linux has room for. */
    private static final int LONGEST_SOCKET_PATH_BYTES = 107;

    static final int MAX_CONNECTIONS = 256;
    /** Of those, kept back from who hands certificates in, so that he can't shut operators out. */
    private static final int FOR_OPERATORS = 16;

    private static final int IDLE_SECONDS = 300;

    private final MultiThreadIoEventLoopGroup loops = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final ChannelGroup connections = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
    private final BodyRoom room = new BodyRoom(MAX_BODIES_BYTES);
    private final LineLimit limit = LineLimit.ofOutages(System::nanoTime);
    private final OperatorDoor operators;
    private final IntakeDoor intake;
    private int port;

    /** Where it is to be found: the operators' socket, and if wanted the programs' socket and loopback port (0 for a free one). */
    public record Doors(Path control, Optional<Path> intake, OptionalInt intakePort) {}

    /** Who may come in by a connection, and what for. */
    final class Door {
        private final boolean forOperators;
        private final boolean network;

        Door(boolean forOperators, boolean network) {
            this.forOperators = forOperators;
            this.network = network;
        }

        boolean isNetwork() {
            return network;
        }

        CompletableFuture<Answered> answer(String method, String uri, String contentType, byte[] body) {
            String path = uri.replaceFirst("\\?.*", "");
            if (path.equals("/v1/pcs") && method.equals("POST")) {
                return contentType.startsWith("application/x-ndjson") ? intake.lines(body) : intake.one(body);
            }
            if (path.equals("/health") && method.equals("GET")) {
                return CompletableFuture.completedFuture(Answered.json(200, Json.object(json -> {})));
            }
            Optional<CompletableFuture<Answered>> operation =
                    forOperators ? operators.answer(method, uri) : Optional.empty();
            return operation.orElseGet(() -> CompletableFuture.completedFuture(
                    Answered.error(404, "there is nothing here; POST certificates to /v1/pcs")));
        }
    }

    private LocalServer(Outbox outbox, Operations operations) {
        this.intake = new IntakeDoor(outbox);
        this.operators = new OperatorDoor(operations);
    }

    /**
     * Opens the doors. The caller owns the outbox, so that a socket file that stands there is one that a crash has left.
     *
     * @throws IOException saying which door can't be opened, and what to do
     */
    public static LocalServer start(Doors doors, Outbox outbox, Operations operations) throws IOException {
        LocalServer server = new LocalServer(outbox, operations);
        try {
            server.listen(doors.control(), "rw-------", server.new Door(true, false), "CONTROL_SOCKET");
            if (doors.intake().isPresent()) {
                server.listen(doors.intake().get(), "rw-rw----", server.new Door(false, false), "INTAKE_SOCKET");
            }
            if (doors.intakePort().isPresent()) {
                server.listen(doors.intakePort().getAsInt(), server.new Door(false, true));
            }
            return server;
        } catch (IOException | RuntimeException e) {
            server.close();
            throw e;
        }
    }

    /** The loopback port; 0 if there is none. */
    public int port() {
        return port;
    }

    private void listen(Path socket, String permissions, Door door, String setting) throws IOException {
        int bytes = socket.toString().getBytes(StandardCharsets.UTF_8).length;
        if (bytes > LONGEST_SOCKET_PATH_BYTES) {
            throw new IOException("the path of a Unix socket has room for " + LONGEST_SOCKET_PATH_BYTES + " bytes, "
                    + socket + " has " + bytes + "; set " + setting + " to a shorter one");
        }
        Files.deleteIfExists(socket);
        bind(NioServerDomainSocketChannel.class, UnixDomainSocketAddress.of(socket), door, setting + " " + socket);
        Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString(permissions));
    }

    private void listen(int wanted, Door door) throws IOException {
        Channel bound = bind(
                NioServerSocketChannel.class,
                new InetSocketAddress(InetAddress.getLoopbackAddress(), wanted),
                door,
                "INTAKE_PORT " + wanted);
        port = ((InetSocketAddress) bound.localAddress()).getPort();
    }

    private Channel bind(Class<? extends ServerChannel> kind, SocketAddress address, Door door, String name)
            throws IOException {
        var bound = new ServerBootstrap()
                .group(loops)
                .channel(kind)
                .childHandler(new ChannelInitializer<Channel>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        accept(channel, door);
                    }
                })
                .bind(address)
                .awaitUninterruptibly();
        @Nullable Throwable cause = bound.cause();
        if (cause != null) {
            throw new IOException(name + " can't be used: " + cause.getMessage() + "; choose another", cause);
        }
        connections.add(bound.channel());
        bound.channel()
                .pipeline()
                .addLast(
                        new ChannelInboundHandlerAdapter() { // behind what pauses accepting for a second
                            @Override
                            public void exceptionCaught(ChannelHandlerContext context, Throwable thrown) {
                                limit.say(
                                        "accept",
                                        leftOut -> LOG.warn(
                                                "a connection to {} can't be accepted: {}{}",
                                                name,
                                                thrown.getMessage(),
                                                leftOut));
                            }
                        });
        return bound.channel();
    }

    private void accept(Channel channel, Door door) {
        int most = door.forOperators ? MAX_CONNECTIONS : MAX_CONNECTIONS - FOR_OPERATORS;
        if (connections.size() >= most) {
            var unused = channel.close();
            return;
        }
        connections.add(channel);
        channel.pipeline()
                .addLast(new IdleStateHandler(0, 0, IDLE_SECONDS))
                .addLast(new HttpServerCodec())
                .addLast(new LocalConnection(door, room));
    }

    /** Closes the doors, and waits for the operation under way. */
    @Override
    public void close() {
        operators.close();
        connections.close().awaitUninterruptibly();
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
    }
}
