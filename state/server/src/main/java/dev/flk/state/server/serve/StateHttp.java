// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.serve;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.serve.guard.AnswerMetrics;
import dev.flk.backend.serve.guard.Client;
import dev.flk.backend.serve.guard.DebugHandler;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.backend.serve.guard.OperatorRefusals;
import dev.flk.backend.serve.guard.OpsConfig;
import dev.flk.backend.serve.guard.OpsHandler;
import dev.flk.backend.serve.guard.Readiness;
import dev.flk.backend.serve.guard.Scrapes;
import dev.flk.backend.serve.guard.Starting;
import dev.flk.backend.sessions.Session;
import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.sessions.Sessions;
import dev.flk.http.Answer;
import dev.flk.http.Exchange;
import dev.flk.http.HttpServer;
import dev.flk.http.HttpServer.HttpOptions;
import dev.flk.http.HttpServer.Listener;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.cli.FormerName;
import dev.flk.program.metrics.Metrics;
import dev.flk.state.StateEngine;
import dev.flk.state.server.config.ServerConfig;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Optional;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An HTTP server of the program: the one for sessions, or the one for operators. Until {@link #use}, it answers 503 to
 * requests for sessions.
 */
public final class StateHttp implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.state");

    /** The largest number of open connections to the port of sessions. */
    public static final int MAX_CONNECTIONS = 4_096;

    private static final int MAX_OPS_CONNECTIONS = 64;
    private static final int MAX_REQUESTS = 10_000;
    private static final long LEAST_BYTES = 16 << 20;
    /** The heap size divided by this number is the most for bodies, for answers, and for operators. */
    private static final int PART_OF_HEAP = 16;

    private static final Duration HEADER_TIMEOUT = Duration.ofSeconds(10);
    private static final Duration BODY_TIMEOUT = Duration.ofSeconds(30);
    private static final Duration IDLE_TIMEOUT = Duration.ofSeconds(75);
    private static final Duration STOP_WITHIN = Duration.ofSeconds(5);

    private final HttpServer server;
    private final Scrapes scrapes;
    private final @Nullable SessionHandler sessions;
    private final @Nullable DebugHandler debug;
    private final @Nullable StatePage page;
    private final int port;
    private volatile Opened opened = new Opened(false, Optional.empty(), Optional.empty());

    /** What requests use, once it is open. */
    private record Opened(boolean isOpen, Optional<StateEngine> state, Optional<Sessions> sessions) {}

    /** What a server uses. */
    public record Parts(
            ServerConfig config, Limits limits, Readiness readiness, ServerMetrics metrics, InstantSource clock) {}

    /** The metrics that a server shows or updates. */
    public record ServerMetrics(
            Metrics all, AnswerMetrics http, SessionMetrics sessions, OperatorRefusals operatorRefusals) {}

    /**
     * Starts the server for sessions, which serves operators too unless they have their own port.
     *
     * @param tls a function that creates the engine of each connection; null for plain HTTP
     * @throws IOException if the address can't be bound
     */
    public static StateHttp forSessions(Parts parts, @Nullable Supplier<SSLEngine> tls) throws IOException {
        return new StateHttp(parts, Optional.empty(), tls);
    }

    /**
     * Starts the server for operators, in plain HTTP.
     *
     * @throws IOException if the address can't be bound
     */
    public static StateHttp forOperations(Parts parts, OpsConfig ops) throws IOException {
        return new StateHttp(parts, Optional.of(ops), null);
    }

    private StateHttp(Parts parts, Optional<OpsConfig> ops, @Nullable Supplier<SSLEngine> tls) throws IOException {
        ServerConfig config = parts.config();
        String address = ops.map(OpsConfig::bindAddress).orElse(config.bindAddress());
        int wanted = ops.map(OpsConfig::port).orElse(config.port());
        boolean servesOperators = ops.isPresent() || config.ops().isEmpty();
        long bytes = Math.max(LEAST_BYTES, Runtime.getRuntime().maxMemory() / PART_OF_HEAP);
        OperatorGuard guard =
                new OperatorGuard(address, config.operators(), parts.metrics().operatorRefusals(), bytes);
        this.scrapes = new Scrapes(parts.metrics().all());
        OpsHandler handler = new OpsHandler(parts.readiness(), scrapes, guard);
        Routes routes = new Routes(Endpoint.always(StateHttp::notFound).behind(Client.unknown(parts.limits())))
                .get("/health", Endpoint.always(handler::health));
        if (ops.isPresent()) {
            this.sessions = null;
        } else {
            this.sessions = new SessionHandler(
                    () -> opened.sessions(),
                    new Starting(() -> !opened.isOpen()),
                    parts.metrics().sessions(),
                    parts.clock(),
                    parts.limits(),
                    bytes);
            routes = sessions.addTo(routes);
        }
        this.page = servesOperators && config.operators().ui() && guard.isSafe()
                ? new StatePage(() -> opened.state(), guard, parts.clock())
                : null;
        if (servesOperators) {
            routes = handler.addTo(routes);
        }
        if (page != null) {
            routes = page.addTo(routes);
        }
        this.debug = ops.map(OpsConfig::debug).orElse(false) ? new DebugHandler(guard) : null;
        if (debug != null) {
            routes = debug.addTo(routes);
        }
        int most = ops.isPresent() ? MAX_OPS_CONNECTIONS : MAX_CONNECTIONS;
        this.server = new HttpServer(
                new HttpOptions(
                        ops.isPresent() ? "flk-ops" : "flk-http",
                        ops.isPresent() ? 1 : Runtime.getRuntime().availableProcessors(),
                        most,
                        MAX_REQUESTS,
                        Session.MAX_BYTES,
                        bytes,
                        bytes,
                        HEADER_TIMEOUT,
                        BODY_TIMEOUT,
                        IDLE_TIMEOUT,
                        STOP_WITHIN),
                parts.metrics().http(),
                parts.clock(),
                System::nanoTime);
        if (ops.isEmpty()) {
            parts.metrics().http().watch(server.load());
        }
        try {
            this.port = server.listen(new Listener(
                    new InetSocketAddress(address, wanted),
                    address + " port " + wanted,
                    ops.isPresent() ? "OPS_BIND_ADDR or OPS_PORT" : "BIND_ADDR or PORT",
                    "too many connections: a new one, or the oldest without credentials, was closed; the limit is "
                            + most,
                    routes,
                    ops.isPresent()
                            ? remote -> new OperatorGuard.Guest()
                            : Client.admission(parts.limits(), System::nanoTime),
                    tls));
        } catch (IOException e) {
            close();
            throw e;
        }
        LOG.info("{} on {} port {}", ops.isPresent() ? "serving metrics and probes" : "listening", address, port);
        if (page != null) {
            LOG.info(
                    "the page for operators is at {}://{}:{}/ui",
                    tls == null ? "http" : "https",
                    address.indexOf(':') < 0 ? address : "[" + address + "]",
                    port);
        }
    }

    private static void notFound(Request request, Exchange exchange) {
        exchange.answer(FormerName.find(request.path())
                .map(former -> Answer.error(404, "not found; " + former.advice()))
                .orElseGet(Refusal::notFound));
    }

    /** Serves the state and the sessions from now on. */
    public void use(Optional<StateEngine> state, Optional<Sessions> used) {
        opened = new Opened(true, state, used);
    }

    /** Returns the port on which the server listens. */
    public int port() {
        return port;
    }

    /** Stops accepting, lets requests in flight finish, then closes everything. */
    @Override
    public void close() {
        server.close();
        scrapes.close();
        if (sessions != null) {
            sessions.close();
        }
        if (debug != null) {
            debug.close();
        }
        if (page != null) {
            page.close();
        }
    }
}
