// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tls;

import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.Reloaded;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * TLS from files that are read again when they change. New connections use the identity in force; open connections
 * continue unchanged. Certificate and key are seldom replaced at the same moment. Safe for any thread.
 */
public final class ReloadedTls extends Reloaded<TlsIdentity> implements Supplier<SSLEngine> {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.tls");

    private final Path certificate;
    private final InstantSource clock;
    private final TlsMetrics metrics;
    private volatile Audit audit = Audit.none();

    /**
     * Reads the files; starts no thread. A certificate that is not valid now is used with a warning, so that a backend
     * can start on any date.
     *
     * @param clock the wall time
     * @throws InvalidFileException with all problems of the files
     */
    public ReloadedTls(TlsFiles files, InstantSource clock, TlsMetrics metrics) throws InvalidFileException {
        super(
                "tls-watch",
                Replacement.ONE_BY_ONE,
                System::nanoTime,
                fingerprints -> TlsIdentity.read(files, fingerprints));
        this.certificate = files.certificate();
        this.clock = clock;
        this.metrics = metrics;
        metrics.notAfterSeconds.watch(() -> inForce().notAfter().getEpochSecond());
        metrics.filesBad.watch(this::bad);
        if (!inForce().isValidAt(clock.instant())) {
            LOG.warn(
                    "TLS_CERT: {}: the certificate is not valid now and clients will refuse it; replace it, or"
                            + " correct the clock of this host. It is the certificate of {}",
                    certificate,
                    inForce());
        }
    }

    /**
     * Starts to check the files once a second. From now on, the audit log records when new files are used or refused.
     */
    public ReloadedTls start(Audit writtenTo) {
        audit = writtenTo;
        startChecks();
        metrics.watchSeconds.watch(this::secondsSinceCheck);
        return this;
    }

    /**
     * Rejects an expired or not yet valid identity while the current one is valid. An identity that is not valid yet is
     * used as soon as it is.
     */
    @Override
    protected void requireBetter(TlsIdentity read, TlsIdentity before) throws InvalidFileException {
        Instant now = clock.instant();
        if (!read.isValidAt(now) && before.isValidAt(now)) {
            throw new InvalidFileException(
                    List.of("TLS_CERT: %s: it is not valid now: %s".formatted(certificate, read)));
        }
    }

    @Override
    protected void replaced(TlsIdentity before, TlsIdentity now) {
        LOG.info("new connections use the certificate in TLS_CERT, {}: {}", certificate, now);
        audit.operation("tls_changed", Map.of("file", certificate.toString(), "certificate", now.toString()));
    }

    @Override
    protected void refused(List<String> problems) {
        String problem = String.join("; ", problems);
        audit.operation("tls_refused", Map.of("file", certificate.toString(), "problem", problem));
        LOG.error(
                "TLS can't be renewed: the certificate that was read before stays in use; its validity ends at {}."
                        + " Fix the files, which are read again when they change. The problem is: {}",
                inForce().notAfter(),
                problem);
    }

    @Override
    protected void failed(RuntimeException e) {
        LOG.error(
                "checking the TLS files failed and will be retried; the certificate that was read before stays in use",
                e);
    }

    /** Returns an engine for one connection. */
    @Override
    public SSLEngine get() {
        return inForce().newEngine();
    }

    /** Returns the identity for new connections; the same object until the identity is replaced. */
    public TlsIdentity identity() {
        return inForce();
    }

    /** Describes the identity in force for a log line. */
    @Override
    public String toString() {
        return inForce().toString();
    }

    /** The gauges of the TLS files; all are 0 without TLS. */
    public static final class TlsMetrics extends Metrics.Feature {
        private final Gauge notAfterSeconds = gauge(
                "flk_tls_not_after_seconds",
                "Unix time until which the backend's TLS certificate and its chain are valid; 0 without TLS.");
        private final Gauge filesBad = gauge(
                "flk_tls_files_bad",
                "1 while the TLS files can't be used and the certificate read before is in force, else 0.");
        private final Gauge watchSeconds = gauge(
                "flk_tls_watch_age_seconds",
                "Time since the last check of the TLS files, which runs every second. 0 without TLS.");

        public TlsMetrics(Metrics metrics) {
            super(metrics);
        }
    }
}
