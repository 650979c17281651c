// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.tls.ReloadedTls;
import dev.flk.backend.access.tls.TlsFiles;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.logs.LogEntry.Figures;
import dev.flk.backend.serve.BackendServer;
import dev.flk.backend.serve.BackendServer.ServerMetrics;
import dev.flk.backend.serve.Features;
import dev.flk.backend.serve.HttpConfig;
import dev.flk.backend.serve.SubmissionHeaders;
import dev.flk.backend.serve.WarmUp;
import dev.flk.backend.serve.guard.OpsConfig;
import dev.flk.backend.serve.guard.Readiness;
import dev.flk.backend.serve.guard.Readiness.Component;
import dev.flk.program.parts.OpenedParts;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The HTTP servers. They are started first, so that they can answer {@code starting} while the log is read, and closed
 * first, because requests use all other parts.
 */
final class Servers {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");
    private static final String STARTING = "starting";
    private static final Duration FINISH_WITHIN = Duration.ofSeconds(5);

    private final BackendConfig config;
    private final HttpConfig httpConfig;
    private final BackendMetrics metrics;
    private final OpenedParts parts;
    private final InstantSource clock;
    private final Ingest.Gate gate;
    private final SubmissionHeaders headers;
    private final @Nullable ReloadedTls tls;
    private final Optional<BackendServer> ops;
    private final BackendServer http;
    private int port;
    private int opsPort;
    private volatile Features features = Features.none();
    private volatile Readiness readiness = () -> unready(STARTING);

    /**
     * Starts the servers. The server for operators is started before the public one and closed after it, so that
     * operators get answers while the public server starts, stops or is flooded.
     *
     * @param httpConfig the settings of the public server, with as many connections as fit into the limit of open files
     */
    Servers(
            BackendConfig config,
            HttpConfig httpConfig,
            BackendMetrics metrics,
            OpenedParts parts,
            Reloads reloads,
            Limits limits,
            InstantSource clock,
            SubmissionHeaders headers)
            throws IOException {
        this.config = config;
        this.httpConfig = httpConfig;
        this.metrics = metrics;
        this.parts = parts;
        this.clock = clock;
        this.headers = headers;
        this.gate = new Ingest.Gate(metrics.refused);
        this.ops = config.ops().isEmpty()
                ? Optional.empty()
                : Optional.of(startOps(config.ops().get(), limits));
        this.tls = config.tls().isEmpty() ? null : openTls(config.tls().get(), reloads);
        this.http = startHttp(limits);
    }

    private BackendServer startOps(OpsConfig settings, Limits limits) throws IOException {
        BackendServer server = BackendServer.forOperations(used(), settings, limits);
        opsPort = server.start();
        LOG.info("serving metrics and probes on {} port {}", settings.bindAddress(), opsPort);
        logPage(server, settings.bindAddress(), opsPort, "http");
        return parts.opened(server);
    }

    private BackendServer startHttp(Limits limits) throws IOException {
        BackendServer server = new BackendServer(
                used(),
                config.ops().isPresent(),
                tls,
                limits,
                Runtime.getRuntime().maxMemory());
        port = server.start();
        LOG.info("listening on {} port {}", httpConfig.bindAddress(), port);
        if (config.ops().isEmpty()) {
            logPage(server, httpConfig.bindAddress(), port, tls == null ? "http" : "https");
        }
        return parts.opened(server);
    }

    private void logPage(BackendServer server, String address, int at, String scheme) {
        if (server.hasPage()) {
            LOG.info(
                    "the page for operators is at {}://{}:{}/ui",
                    scheme,
                    address.indexOf(':') < 0 ? address : "[" + address + "]",
                    at);
        } else if (httpConfig.operators().ui()) {
            LOG.info(
                    "the page for operators is not served on {} without a login; set METRICS_USER and METRICS_PASS",
                    address);
        }
    }

    private BackendServer.Parts used() {
        return new BackendServer.Parts(
                config.logName(),
                httpConfig,
                gate,
                headers,
                () -> readiness.components(),
                () -> features,
                new ServerMetrics(metrics.all, metrics.http, metrics.agents, metrics.operatorRefusals),
                config.policy(),
                clock,
                System::nanoTime,
                FINISH_WITHIN);
    }

    private ReloadedTls openTls(TlsFiles files, Reloads reloads) throws IOException {
        try {
            ReloadedTls opened = parts.opened(new ReloadedTls(files, clock, metrics.tls));
            reloads.addFiles(opened::onReloadSignal);
            LOG.info("TLS is on with this certificate: {}", opened);
            return opened;
        } catch (InvalidFileException e) {
            throw new IOException("can't use TLS: " + e.getMessage(), e);
        }
    }

    /** Returns the numbers that other backends show of this one. Does not block. */
    Figures figures() {
        return ops.orElse(http).figures().orElse(Figures.NONE);
    }

    /** Returns the TLS of the public port; null if it speaks plain HTTP. */
    @Nullable
    ReloadedTls tls() {
        return tls;
    }

    /** Serves these features from now on, which were opened after the servers and are closed after them. */
    void use(Features opened) {
        features = opened;
        ops.ifPresent(parts::closeFirst);
        parts.closeFirst(http);
    }

    /** Names the state of these keys in answers to submissions from now on. */
    void name(Signatures keys) {
        headers.name(keys);
    }

    /** Shows in {@code /readyz} what the start waits for. */
    void starting(Supplier<Component> waitsFor) {
        readiness = () -> {
            List<Component> components = new ArrayList<>(unready(STARTING));
            components.add(waitsFor.get());
            return components;
        };
    }

    /** Begins to warm up, unless that is switched off. */
    Optional<WarmUp> warmUp(DecisionRules rules) {
        return config.warmUp() ? WarmUp.begin(used(), rules, config.signing()) : Optional.empty();
    }

    /** Accepts submissions from now on. */
    void accept(Ingest ingest, Readiness ready) {
        readiness = ready;
        gate.open(ingest);
    }

    /** Shows in {@code /readyz} that the backend stops. */
    void stopping() {
        readiness = () -> unready("stopping");
    }

    private static List<Component> unready(String why) {
        return List.of(new Component("log", false, why), new Component("dedup", false, why));
    }

    int port() {
        return port;
    }

    /** Returns the port for metrics and probes; 0 if the public port serves them. */
    int opsPort() {
        return opsPort;
    }
}
