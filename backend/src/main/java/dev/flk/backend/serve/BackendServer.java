// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.agents.AgentMetrics;
import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.logs.LogEntry.Figures;
import dev.flk.backend.serve.guard.Client;
import dev.flk.backend.serve.guard.DebugHandler;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.backend.serve.guard.OperatorRefusals;
import dev.flk.backend.serve.guard.OpsConfig;
import dev.flk.backend.serve.guard.OpsHandler;
import dev.flk.backend.serve.guard.Readiness;
import dev.flk.backend.serve.guard.Scrapes;
import dev.flk.backend.serve.guard.Starting;
import dev.flk.backend.serve.record.BackupHandler;
import dev.flk.backend.serve.record.ChangesHandler;
import dev.flk.backend.serve.record.RecordHandler;
import dev.flk.backend.serve.record.ReviewHandler;
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
import dev.flk.verification.Policy;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Optional;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;

/**
 * An HTTP server of the backend: its port, routes and limits. Only one thread at a time may call {@link #start} and
 * {@link #close}.
 */
public final class BackendServer implements AutoCloseable {
    /** The limits of memory for bodies, parsing and answers are these parts of the heap, in 32nds. */
    private static final int UNITS = 32;

    private static final int BODIES_UNITS = 6;
    /** The objects that parsing long bodies creates. */
    private static final int PARSING_UNITS = 5;

    private static final int ANSWERS_UNITS = 4;
    /** The least memory for bodies, and for parsing: enough for those that the settings allow by default. */
    private static final long LEAST_BODIES_BYTES = 20 << 20;

    private static final long LEAST_PARSING_BYTES = 16 << 20;
    /**
     * The heap size divided by this number is the limit of memory for operators, which is
     * separate from the others, so that no stranger can occupy this memory.
     */
    private static final int OPERATORS_OF_HEAP = 32;

    /** The least memory for operators: enough for a few of the longest answers. */
    private static final long LEAST_OPERATOR_BYTES = 16 << 20;
    /**
     * The connection limit of the operators' port: enough for a few scrapers and probes, even if some connections hang.
     */
    private static final int MAX_OPS_CONNECTIONS = 64;
    /**
     * The heap size divided by this number is the share of the operators' port, which bodies and answers divide as
     * bodies and answers on the other port divide the heap.
     */
    private static final int OPS_OF_HEAP = 8;

    private final HttpServer server;
    private final Listener door;
    private final Scrapes scrapes;
    private final RecordHandler record;
    /** The handler of changes, on the server that serves the record; null on the other server. */
    private @Nullable ChangesHandler changes;

    private final BackupHandler backup;
    private final LogsHandler logs;
    private final AgentsHandler agents;
    private final @Nullable DebugHandler debug;
    private final @Nullable PageHandler page;

    /**
     * The parts of the backend that a server uses.
     *
     * @param name the name of the backend's log, {@code LOG_NAME}, by which pages name the backend
     * @param features a supplier of the features that are open now
     * @param policy the policy by which certificates are decided now
     */
    public record Parts(
            String name,
            HttpConfig config,
            Ingest ingest,
            SubmissionHeaders submissionHeaders,
            Readiness readiness,
            Supplier<Features> features,
            ServerMetrics metrics,
            Policy policy,
            InstantSource clock,
            LongSupplier nanoTicker,
            Duration stopWithin) {}

    /**
     * The metrics that a server shows or updates.
     *
     * @param all the metrics of the complete backend, which the server shows
     */
    public record ServerMetrics(
            Metrics all, HttpMetrics http, AgentMetrics agents, OperatorRefusals operatorRefusals) {}

    /**
     * Creates a server for the configured port; does not bind the port yet.
     *
     * @param hasOps whether {@link #forOperations another server} serves metrics, readiness and the record
     * @param tls a function that creates the engine of each connection; null for plain HTTP
     * @param limits the limits on connections and submissions of each address
     * @param heapBytes the size of the heap; bodies, parsing and answers may take fixed parts of it
     */
    public BackendServer(
            Parts parts, boolean hasOps, @Nullable Supplier<SSLEngine> tls, Limits limits, long heapBytes) {
        HttpConfig config = parts.config();
        this.scrapes = new Scrapes(parts.metrics().all());
        this.debug = null;
        SubmissionBatcher turns = new SubmissionBatcher(
                parts.ingest(), parts.metrics().http(), parts.nanoTicker(), parsingBytes(heapBytes));
        long operatorBytes = operatorBytes(heapBytes);
        OperatorGuard guard = new OperatorGuard(
                config.bindAddress(), config.operators(), parts.metrics().operatorRefusals(), operatorBytes);
        OpsHandler ops = new OpsHandler(parts.readiness(), scrapes, guard);
        Starting starting = new Starting(() -> !parts.features().get().areOpen());
        this.record = new RecordHandler(() -> parts.features().get().record(), starting, guard);
        this.backup = new BackupHandler(() -> parts.features().get().backup(), starting, guard);
        this.logs = new LogsHandler(() -> parts.features().get().logs(), guard);
        this.agents = agents(parts, guard);
        Routes routes = new Routes(Endpoint.always(BackendServer::notFound).behind(Client.unknown(limits)))
                .post(
                        "/v1/pcs/submit",
                        Endpoint.withDigest(config.maxBodyBytes(), turns::submit)
                                .withHeaders(parts.submissionHeaders()))
                .post(
                        "/v1/pcs/batch",
                        Endpoint.withDigest(config.maxBatchBytes(), new BatchHandler(config, limits, turns))
                                .withHeaders(parts.submissionHeaders()))
                .get("/health", Endpoint.always(ops::health));
        record.addLookUp(routes, turns::lookUp);
        agents.addReports(routes, parts.metrics().agents(), limits);
        this.page = hasOps ? null : page(parts, guard);
        if (page != null) {
            page.addTo(routes);
        }
        this.door = new Listener(
                new InetSocketAddress(config.bindAddress(), config.port()),
                config.bindAddress() + " port " + config.port(),
                "BIND_ADDR or PORT",
                "too many connections: a new one, or the oldest without credentials, was closed; MAX_CONNECTIONS is "
                        + config.maxConnections(),
                hasOps ? routes : withRecord(parts, guard, ops.addTo(routes)),
                Client.admission(limits, parts.nanoTicker()),
                tls);
        this.server = server(
                parts,
                "flk-http",
                Runtime.getRuntime().availableProcessors(),
                config.maxConnections(),
                bodiesBytes(heapBytes),
                part(heapBytes, ANSWERS_UNITS));
        parts.metrics().http().watch(server.load());
    }

    /**
     * Returns a server for metrics, probes, the record, reviews, the page and debugging, in plain HTTP. The server has
     * its own port, threads and limits, so that load on the public port does not affect this server. Does not bind the
     * port yet.
     *
     * @param limits the limits on refused requests of each address, on both ports
     */
    public static BackendServer forOperations(Parts parts, OpsConfig ops, Limits limits) {
        return new BackendServer(parts, ops, limits);
    }

    private BackendServer(Parts parts, OpsConfig ops, Limits limits) {
        this.scrapes = new Scrapes(parts.metrics().all());
        OperatorGuard guard = new OperatorGuard(
                ops.bindAddress(),
                parts.config().operators(),
                parts.metrics().operatorRefusals(),
                operatorBytes(Runtime.getRuntime().maxMemory()));
        OpsHandler handler = new OpsHandler(parts.readiness(), scrapes, guard);
        Starting starting = new Starting(() -> !parts.features().get().areOpen());
        this.record = new RecordHandler(() -> parts.features().get().record(), starting, guard);
        this.backup = new BackupHandler(() -> parts.features().get().backup(), starting, guard);
        this.agents = agents(parts, guard);
        this.logs = new LogsHandler(() -> parts.features().get().logs(), guard);
        Routes routes = withRecord(
                parts,
                guard,
                handler.addTo(
                        new Routes(Endpoint.always(BackendServer::notFound).behind(Client.unknown(limits)))
                                .get("/health", Endpoint.always(handler::health))));
        this.debug = ops.debug() ? new DebugHandler(guard) : null;
        this.page = page(parts, guard);
        if (page != null) {
            page.addTo(routes);
        }
        this.door = new Listener(
                new InetSocketAddress(ops.bindAddress(), ops.port()),
                ops.bindAddress() + " port " + ops.port(),
                "OPS_BIND_ADDR or OPS_PORT",
                "too many connections to OPS_PORT: a new one, or the oldest without a login, was closed; the limit is "
                        + MAX_OPS_CONNECTIONS,
                debug == null ? routes : debug.addTo(routes),
                remote -> new OperatorGuard.Guest(),
                null);
        long ownBytes = Runtime.getRuntime().maxMemory() / OPS_OF_HEAP;
        this.server = server(
                parts, "flk-ops", 1, MAX_OPS_CONNECTIONS, part(ownBytes, BODIES_UNITS), part(ownBytes, ANSWERS_UNITS));
    }

    private static void notFound(Request request, Exchange exchange) {
        exchange.answer(FormerName.find(request.path())
                .map(former -> Answer.error(404, "not found; " + former.advice()))
                .orElseGet(Refusal::notFound));
    }

    /** Returns the sum of the bounds on the bytes that the servers hold for clients, including those of operators. */
    public static long heldBytes(long heapBytes, boolean hasOps) {
        return bodiesBytes(heapBytes)
                + parsingBytes(heapBytes)
                + part(heapBytes, ANSWERS_UNITS)
                + operatorBytes(heapBytes)
                + (hasOps ? part(heapBytes / OPS_OF_HEAP, BODIES_UNITS + ANSWERS_UNITS) : 0);
    }

    /** Returns the size of the largest certificate that can be parsed with a heap of this size. */
    public static long maxBodyBytes(long heapBytes) {
        return parsingBytes(heapBytes) / SubmissionBatcher.PARSED_BYTES_PER_BYTE;
    }

    /** Returns the largest number of lines of a batch whose lines, and answers, a heap of this size can hold. */
    public static long maxBatchLines(long heapBytes) {
        return Math.min(
                bodiesBytes(heapBytes) / 2 / BatchHandler.LINE_BYTES,
                part(heapBytes, ANSWERS_UNITS) / BatchHandler.LINE_ANSWER_BYTES);
    }

    /** Returns the size of the largest batch of this number of lines that a heap of this size can hold. */
    public static long maxBatchBytes(long heapBytes, int lines) {
        return (bodiesBytes(heapBytes) - (long) lines * BatchHandler.LINE_BYTES) / 2;
    }

    private static long bodiesBytes(long heapBytes) {
        return Math.max(LEAST_BODIES_BYTES, part(heapBytes, BODIES_UNITS));
    }

    private static long parsingBytes(long heapBytes) {
        return Math.max(LEAST_PARSING_BYTES, part(heapBytes, PARSING_UNITS));
    }

    private static long part(long heapBytes, int units) {
        return heapBytes / UNITS * units;
    }

    private static long operatorBytes(long heapBytes) {
        return Math.max(LEAST_OPERATOR_BYTES, heapBytes / OPERATORS_OF_HEAP);
    }

    private static AgentsHandler agents(Parts parts, OperatorGuard guard) {
        return new AgentsHandler(() -> parts.features().get().agents(), guard, parts.clock());
    }

    /** Returns the handler of the page for operators; null if the page is off or would be open to strangers. */
    private static @Nullable PageHandler page(Parts parts, OperatorGuard guard) {
        return parts.config().operators().ui() && guard.isSafe() ? new PageHandler(parts, guard) : null;
    }

    private Routes withRecord(Parts parts, OperatorGuard guard, Routes routes) {
        Supplier<Features> features = parts.features();
        changes = new ChangesHandler(() -> features.get().record(), guard, record);
        parts.metrics().http().watchers.watch(changes::watchers);
        return new ReviewHandler(() -> features.get().reviews(), guard, record, parts.clock())
                .addTo(agents.addList(logs.addTo(backup.addTo(changes.addTo(record.addTo(routes))))));
    }

    /** Returns whether this server serves the page for operators. */
    public boolean hasPage() {
        return page != null;
    }

    /** Returns the numbers that other backends show of this one; empty without the page. Does not block. */
    public Optional<Figures> figures() {
        return Optional.ofNullable(page).map(PageHandler::figures);
    }

    private static HttpServer server(
            Parts parts, String threads, int loops, int maxConnections, long bodiesBytes, long answersBytes) {
        HttpConfig config = parts.config();
        HttpServer server = new HttpServer(
                new HttpOptions(
                        threads,
                        loops,
                        maxConnections,
                        config.maxRequests(),
                        config.maxBodyBytes(),
                        bodiesBytes,
                        answersBytes,
                        config.headerTimeout(),
                        config.bodyTimeout(),
                        config.idleTimeout(),
                        parts.stopWithin()),
                parts.metrics().http(),
                parts.clock(),
                parts.nanoTicker());
        server.trustProxies(config.proxies()::contains);
        return server;
    }

    /**
     * Starts to listen.
     *
     * @return the port on which the server listens: the configured port, or a free port if 0 is configured
     * @throws IOException if the address can't be bound; the server is then closed
     */
    public int start() throws IOException {
        try {
            return server.listen(door);
        } catch (IOException e) {
            close();
            throw e;
        }
    }

    /** Returns the listener, so that a test can pass its own connections to the server. */
    Listener door() {
        return door;
    }

    HttpServer server() {
        return server;
    }

    /** Stops accepting, lets requests in flight finish within {@code stopWithin}, then closes everything. */
    @Override
    public void close() {
        server.close();
        scrapes.close();
        record.close();
        if (changes != null) {
            changes.close();
        }
        backup.close();
        logs.close();
        agents.close();
        if (debug != null) {
            debug.close();
        }
        if (page != null) {
            page.close();
        }
    }
}
