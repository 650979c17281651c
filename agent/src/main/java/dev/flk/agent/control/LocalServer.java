// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import dev.flk.agent.outbox.DeadLetter.DeadLetterFilter;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxCompaction;
import dev.flk.agent.outbox.Requeue;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.http.Admission;
import dev.flk.http.Admission.Visitor;
import dev.flk.http.Answer;
import dev.flk.http.HttpEvents;
import dev.flk.http.HttpServer;
import dev.flk.http.HttpServer.HttpOptions;
import dev.flk.http.HttpServer.Listener;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.program.files.RegularFile;
import dev.flk.program.json.Json;
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
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;

/**
 * The HTTP server for operators and for programs on the same machine. A Unix socket that only its owner can access, by
 * default in the outbox's directory, accepts certificates and operators' commands. Two optional addresses accept only
 * certificates: a second Unix socket, which is also accessible to the group of its file, and a loopback port. Each
 * address has an event loop of its own.
 */
public final class LocalServer implements Closeable {
    /** The maximum length of a body: one certificate, or several lines. */
    private static final int MAX_BODY_BYTES = CertificateLimit.BYTES + (64 << 10);

    private static final long MAX_BODIES_BYTES = 2L * MAX_BODY_BYTES;
    private static final int MAX_SKIPPED_BYTES = 8 << 20;
    /** The maximum length of the path of a Unix socket in bytes; this is the limit of Linux. */
    private static final int LONGEST_SOCKET_PATH_BYTES = 107;

    /** The maximum number of connections to each address. */
    static final int MAX_CONNECTIONS = 256;

    private static final int MOST_LOOKS = 10;
    private static final long LOOK_AGAIN_NANOS = Duration.ofMillis(100).toNanos();
    private static final Duration IDLE = Duration.ofMinutes(5);
    /** The time for requests in progress at a stop. The addresses are closed one after the other. */
    private static final Duration STOP_WITHIN = Duration.ofSeconds(2);

    private static final Set<String> OWN_NAMES = Set.of("localhost", "127.0.0.1", "[::1]");

    /** The servers of the addresses; each has connections and bodies of its own, so that no other can use them up. */
    private final List<HttpServer> servers = new ArrayList<>();

    private final OperatorEndpoint operators;
    private final IntakeEndpoint intake;
    private int port;

    /**
     * The addresses of the server.
     *
     * @param control the path of the operators' socket
     * @param intake the path of the programs' socket; empty if it is not configured
     * @param intakePort the programs' loopback port; 0 for any free port; empty if it is not configured
     */
    public record Addresses(Path control, Optional<Path> intake, Optional<Integer> intakePort) {
        private static final Key<Path> CONTROL_SOCKET = Key.of(
                        "CONTROL_SOCKET", Quantities::path, "The socket for operators' commands to the running agent.")
                .derived("in OUTBOX_PATH");
        private static final Key<Path> INTAKE_SOCKET = Key.of(
                "INTAKE_SOCKET",
                Quantities::path,
                "A socket through which programs of its group submit certificates to the running agent.");
        private static final Key<Integer> INTAKE_PORT = Key.of(
                "INTAKE_PORT",
                Quantities::port,
                "A loopback port on which local programs submit certificates to the running agent; 0: any free port.");

        /** The settings of the addresses. */
        public static final List<Key<?>> KEYS = List.of(CONTROL_SOCKET, INTAKE_SOCKET, INTAKE_PORT);

        /**
         * Reads the addresses from settings. By default, the operators' socket is in {@code outbox}, the directory of
         * the outbox.
         */
        public static Addresses read(Settings settings, Path outbox) {
            return new Addresses(
                    settings.find(CONTROL_SOCKET).orElseGet(() -> outbox.resolve("control.sock")),
                    settings.find(INTAKE_SOCKET),
                    settings.find(INTAKE_PORT));
        }
    }

    private LocalServer(Outbox outbox, Operations operations) {
        this.intake = new IntakeEndpoint(outbox);
        this.operators = new OperatorEndpoint(operations);
    }

    /**
     * Starts a server that listens on all addresses. Replaces an existing socket file if no process listens on the
     * socket.
     *
     * @throws InvalidConfig if another process listens on the path of a socket, or if the file with that path is not a
     *     socket
     * @throws IOException if an address cannot be opened; the message names the address and says what to do
     */
    public static LocalServer start(Addresses addresses, Outbox outbox, Operations operations) throws IOException {
        LocalServer server = new LocalServer(outbox, operations);
        try {
            server.listen(
                    "CONTROL_SOCKET",
                    addresses.control(),
                    "rw-------",
                    server.operators.addTo(server.routes()),
                    remote -> new Program());
            if (addresses.intake().isPresent()) {
                server.listen(
                        "INTAKE_SOCKET",
                        addresses.intake().get(),
                        "rw-rw----",
                        server.routes(),
                        remote -> new Program());
            }
            if (addresses.intakePort().isPresent()) {
                int wanted = addresses.intakePort().get();
                server.port = server.listen(
                        "INTAKE_PORT",
                        Integer.toString(wanted),
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), wanted),
                        server.routes(),
                        remote -> new PortClient());
            }
            return server;
        } catch (IOException | RuntimeException e) {
            server.close();
            throw e;
        }
    }

    /** Returns the loopback port; 0 if no loopback port is open. */
    public int port() {
        return port;
    }

    private Routes routes() {
        return new Routes(Endpoint.always(Answer.error(404, "no such endpoint; POST certificates to /v1/pcs")))
                .post("/v1/pcs", Endpoint.withBody(MAX_BODY_BYTES, intake::take))
                .get(
                        "/health",
                        Endpoint.always(
                                Answer.json(200, Json.bytes(Map.of("max_certificate_bytes", intake.longest())))));
    }

    private void listen(String setting, Path socket, String permissions, Routes routes, Admission admission)
            throws IOException {
        int bytes = socket.toString().getBytes(StandardCharsets.UTF_8).length;
        if (bytes > LONGEST_SOCKET_PATH_BYTES) {
            throw new IOException("the path of a Unix socket can have " + LONGEST_SOCKET_PATH_BYTES + " bytes, but "
                    + socket + " has " + bytes + "; set " + setting + " to a shorter path");
        }
        removeOld(setting, socket);
        listen(setting, socket.toString(), UnixDomainSocketAddress.of(socket), routes, admission);
        Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString(permissions));
    }

    /**
     * Removes the socket file that a killed agent has left; does nothing if no file exists at the path. Throws an
     * {@link InvalidConfig} if a process listens on the socket, or if the file is not a socket and therefore was not
     * created by an agent.
     */
    private static void removeOld(String setting, Path socket) throws IOException {
        if (!Files.exists(socket, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        String kind = RegularFile.otherKind(socket, LinkOption.NOFOLLOW_LINKS).orElse("a regular file");
        if (!kind.equals(RegularFile.SOCKET)) {
            throw new InvalidConfig(
                    List.of(setting + ": " + socket + " is " + kind + ", not a socket; name another path"));
        }
        // looks several times, because the socket of a killed agent may accept connections for a moment after the lock
        // of the outbox is released
        for (int look = 0; isListening(socket); look++) {
            if (look == MOST_LOOKS) {
                throw new InvalidConfig(List.of(setting + ": " + socket
                        + " is a socket on which another process listens; stop that process, or name another path"));
            }
            LockSupport.parkNanos(LOOK_AGAIN_NANOS);
        }
        Files.deleteIfExists(socket);
    }

    /**
     * Returns whether a process may be listening on a socket. Returns false only if the connection is refused, which
     * proves that no process is listening.
     */
    private static boolean isListening(Path socket) {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.configureBlocking(false); // a blocking connect would wait while the backlog is full
            channel.connect(UnixDomainSocketAddress.of(socket));
            return true;
        } catch (ConnectException e) {
            return false;
        } catch (IOException e) {
            return true;
        }
    }

    private int listen(String setting, String value, SocketAddress address, Routes routes, Admission admission)
            throws IOException {
        HttpServer server = new HttpServer(
                new HttpOptions(
                        "local",
                        1,
                        MAX_CONNECTIONS,
                        MAX_CONNECTIONS,
                        MAX_SKIPPED_BYTES,
                        MAX_BODIES_BYTES,
                        MAX_BODIES_BYTES,
                        IDLE,
                        IDLE,
                        IDLE,
                        STOP_WITHIN),
                HttpEvents.NONE,
                InstantSource.system(),
                System::nanoTime);
        servers.add(server);
        return server.listen(new Listener(
                address,
                setting + " " + value,
                setting,
                "too many connections to " + setting + ": the oldest was closed; the limit is " + MAX_CONNECTIONS,
                routes,
                admission,
                null));
    }

    /** A client, whose connection makes room for a new one. Idle connections therefore keep nobody out. */
    private static class Program implements Visitor {
        @Override
        public boolean isReplaceable() {
            return true;
        }
    }

    /**
     * A client of the loopback port. Requests that a web page may have sent are rejected, because a page in a local
     * browser can reach this port.
     */
    private static final class PortClient extends Program {
        @Override
        public Optional<Answer> beforeReading(HttpHeaders headers) {
            String host = headers.get(HttpHeaderNames.HOST, "").replaceFirst(":\\d+$", "");
            return headers.contains(HttpHeaderNames.ORIGIN) || !OWN_NAMES.contains(host)
                    ? Optional.of(
                            Answer.error(403, "only local programs may use this port, with localhost as the host name"))
                    : Optional.empty();
        }
    }

    /**
     * Waits until the operation that is running for an operator, if any, has ended. Then closes all sockets and
     * connections.
     */
    @Override
    public void close() {
        operators.close();
        servers.forEach(HttpServer::close);
    }

    /**
     * The operations of a running agent that operators request. The server calls one operation at a time, on a separate
     * thread; an operation may block.
     */
    public interface Operations {
        /** Returns the state of the agent. */
        StatusReport status() throws IOException;

        /**
         * Frees the disk space of settled certificates in segments that were closed longer ago than {@code horizon}.
         * With the mode {@code DRY_RUN}, only returns what would be freed.
         */
        OutboxCompaction.Report compact(Duration horizon, OutboxCompaction.Mode mode) throws IOException;

        /**
         * Moves the selected dead letters back to the outbox, so that their certificates are sent again. Returns the
         * number of moved dead letters.
         */
        int requeue(DeadLetterFilter which) throws IOException;

        /** Makes settled certificates wait again; see {@link dev.flk.agent.outbox.Requeue}. */
        Requeue.Counts requeue(Requeue.Selection which) throws IOException;

        /** Removes the selected dead letters permanently, and returns the number of removed dead letters. */
        int purge(DeadLetterFilter which) throws IOException;
    }
}
