// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import dev.flk.agent.outbox.DeadLetter.DeadLetterFilter;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxCompaction;
import dev.flk.http.Admission;
import dev.flk.http.Admission.Visitor;
import dev.flk.http.Answer;
import dev.flk.http.Endpoint;
import dev.flk.http.HttpEvents;
import dev.flk.http.HttpOptions;
import dev.flk.http.HttpServer;
import dev.flk.http.HttpServer.Listener;
import dev.flk.http.Routes;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.RegularFile;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import java.io.Closeable;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Serves local programs and operators: a Unix socket beside the outbox, for its owner only, takes certificates and operations; a second
 * one, for its group too, and a loopback port take certificates. One event loop.
 */
public final class LocalServer implements Closeable {
    static final int MAX_BODY_BYTES = 8 << 20;
    private static final long MAX_BODIES_BYTES = 4L * MAX_BODY_BYTES;
    /** What Linux has room for. */
    private static final int LONGEST_SOCKET_PATH_BYTES = 107;

    static final int MAX_CONNECTIONS = 256;
    /** Of those, kept back from who hands certificates in, so that he can't shut operators out. */
    private static final int FOR_OPERATORS = 16;

    private static final int MOST_LOOKS = 10;
    private static final long LOOK_AGAIN_NANOS = Duration.ofMillis(100).toNanos();
    private static final Duration IDLE = Duration.ofMinutes(5);
    private static final Set<String> OWN_NAMES = Set.of("localhost", "127.0.0.1", "[::1]");

    private final HttpServer server = new HttpServer(
            new HttpOptions(
                    "local",
                    1,
                    MAX_CONNECTIONS,
                    MAX_CONNECTIONS,
                    MAX_BODY_BYTES,
                    MAX_BODIES_BYTES,
                    MAX_BODIES_BYTES,
                    IDLE,
                    IDLE,
                    IDLE,
                    Duration.ofSeconds(5)),
            HttpEvents.NONE,
            InstantSource.system(),
            System::nanoTime);
    private final OperatorDoor operators;
    private final IntakeDoor intake;
    private int port;

    /** Where it is to be found: the operators' socket, and if wanted the programs' socket and loopback port (0 for a free one). */
    public record Doors(Path control, Optional<Path> intake, OptionalInt intakePort) {}

    private LocalServer(Outbox outbox, Operations operations) {
        this.intake = new IntakeDoor(outbox);
        this.operators = new OperatorDoor(operations);
    }

    /**
     * Opens the doors. Sockets on which nobody listens are replaced.
     *
     * @throws InvalidConfig if something else has the name of a socket
     * @throws IOException saying which door can't be opened, and what to do
     */
    public static LocalServer start(Doors doors, Outbox outbox, Operations operations) throws IOException {
        LocalServer server = new LocalServer(outbox, operations);
        try {
            server.listen(
                    "CONTROL_SOCKET",
                    doors.control(),
                    "rw-------",
                    server.operators.addTo(server.routes()),
                    Admission.ALL);
            if (doors.intake().isPresent()) {
                server.listen(
                        "INTAKE_SOCKET", doors.intake().get(), "rw-rw----", server.routes(), server::connectProgram);
            }
            if (doors.intakePort().isPresent()) {
                int wanted = doors.intakePort().getAsInt();
                server.port = server.listen(
                        "INTAKE_PORT",
                        Integer.toString(wanted),
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), wanted),
                        server.routes(),
                        server::connectByPort);
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

    private Routes routes() {
        return new Routes(Endpoint.always(Answer.error(404, "there is nothing here; POST certificates to /v1/pcs")))
                .post("/v1/pcs", Endpoint.withBody(MAX_BODY_BYTES, intake::take))
                .get("/health", Endpoint.always(Answer.json(200, "{}".getBytes(StandardCharsets.US_ASCII))));
    }

    private void listen(String setting, Path socket, String permissions, Routes routes, Admission admission)
            throws IOException {
        int bytes = socket.toString().getBytes(StandardCharsets.UTF_8).length;
        if (bytes > LONGEST_SOCKET_PATH_BYTES) {
            throw new IOException("the path of a Unix socket has room for " + LONGEST_SOCKET_PATH_BYTES + " bytes, "
                    + socket + " has " + bytes + "; set " + setting + " to a shorter one");
        }
        removeOld(setting, socket);
        int unused = listen(setting, socket.toString(), UnixDomainSocketAddress.of(socket), routes, admission);
        Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString(permissions));
    }

    /** Removes the socket of an agent that was killed. Anything else under that name stays: it is not ours. */
    private static void removeOld(String setting, Path socket) throws IOException {
        if (!Files.exists(socket, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        String kind = RegularFile.otherKind(socket, LinkOption.NOFOLLOW_LINKS).orElse("a regular file");
        if (!kind.equals(RegularFile.SOCKET)) {
            throw new InvalidConfig(
                    List.of(setting + ": " + socket + " is " + kind + ", not a socket; name another path"));
        }
        // the socket of a killed agent may listen for a moment after its lock is free
        for (int look = 0; isListening(socket); look++) {
            if (look == MOST_LOOKS) {
                throw new InvalidConfig(List.of(setting + ": " + socket
                        + " is a socket on which another process listens; stop that one, or name another path"));
            }
            LockSupport.parkNanos(LOOK_AGAIN_NANOS);
        }
        Files.deleteIfExists(socket);
    }

    /** Returns whether somebody may listen on a socket; only a refused connection proves that nobody does. */
    private static boolean isListening(Path socket) {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.configureBlocking(false); // a full queue of connections would block
            boolean unused = channel.connect(UnixDomainSocketAddress.of(socket));
            return true;
        } catch (ConnectException e) {
            return false;
        } catch (IOException e) {
            return true;
        }
    }

    private int listen(String setting, String value, SocketAddress address, Routes routes, Admission admission)
            throws IOException {
        return server.listen(new Listener(
                address,
                setting + " " + value,
                setting,
                "too many connections to " + setting + ": closed one at once, there may be " + MAX_CONNECTIONS,
                routes,
                admission,
                null));
    }

    private @Nullable Visitor connectProgram(@Nullable SocketAddress remote) {
        return hasRoomForPrograms() ? new Visitor() {} : null;
    }

    private boolean hasRoomForPrograms() {
        return server.load().connections().held() <= MAX_CONNECTIONS - FOR_OPERATORS;
    }

    /** A page in a browser can reach a loopback port: nothing it sends is taken. */
    private @Nullable Visitor connectByPort(@Nullable SocketAddress remote) {
        return !hasRoomForPrograms()
                ? null
                : new Visitor() {
                    @Override
                    public Optional<Answer> beforeReading(HttpHeaders headers) {
                        String host = headers.get(HttpHeaderNames.HOST, "").replaceFirst(":\\d+$", "");
                        return headers.contains(HttpHeaderNames.ORIGIN) || !OWN_NAMES.contains(host)
                                ? Optional.of(
                                        Answer.error(403, "only programs of this machine, calling it by localhost"))
                                : Optional.empty();
                    }
                };
    }

    /** Closes the doors, and waits for the operation under way. */
    @Override
    public void close() {
        operators.close();
        server.close();
    }

    /** What operators ask of a running agent. Called one after the other, on a thread of their own; may take their time. */
    public interface Operations {
        /** How the agent is. */
        StatusReport status() throws IOException;

        /** Gives the space of what is settled back. */
        OutboxCompaction.Report compact(Duration horizon, OutboxCompaction.Mode mode) throws IOException;

        /** Takes dead letters back to be sent again; how many. */
        int requeue(DeadLetterFilter which) throws IOException;

        /** Removes dead letters for good; how many. */
        int purge(DeadLetterFilter which) throws IOException;
    }
}
