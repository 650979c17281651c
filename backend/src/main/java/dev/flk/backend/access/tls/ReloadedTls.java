// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tls;

import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.FileFingerprints;
import dev.flk.program.reload.FileWatch;
import java.time.InstantSource;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * TLS from files that are read again when they change. New connections use the identity in force; open connections
 * continue unchanged. If the files have a mistake, the previous identity stays in force, and a log line and a metric
 * report the mistake. Certificate and key are seldom replaced at the same moment. Therefore, a mistake is reported only
 * if the next check, a second later, finds a mistake, too. After a reload signal, a mistake is reported at once. One
 * thread calls {@link #step}; all other methods are safe for any thread.
 */
public final class ReloadedTls implements Supplier<SSLEngine>, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.tls");

    private final TlsFiles files;
    private final InstantSource clock;
    private final FileWatch watch = new FileWatch("tls-watch", System::nanoTime);
    private final TlsMetrics metrics;
    private volatile TlsIdentity inForce;
    private volatile boolean isBad;
    private volatile Audit audit = Audit.none();
    // used only by the watching thread
    private FileFingerprints fingerprints = new FileFingerprints();
    private boolean isDoubtful;
    private int stepsWhileBad;
    private @Nullable String reported;
    /**
     * The identity that was read last, if it is not used yet because its certificate was not valid; null otherwise. The
     * identity before it is still in force.
     */
    private @Nullable TlsIdentity notNowValid;

    /** The condition for reporting a mistake. */
    private enum Mistake {
        AT_ONCE,
        IF_IT_STAYS,
        IF_IT_IS_NEW
    }

    /**
     * Reads the files; starts no thread. A certificate that is not valid now is used with a warning, so that a backend
     * can start on any date.
     *
     * @param clock the wall time
     * @throws InvalidFileException with all problems of the files
     */
    public ReloadedTls(TlsFiles files, InstantSource clock, TlsMetrics metrics) throws InvalidFileException {
        this.files = files;
        this.clock = clock;
        this.metrics = metrics;
        this.inForce = TlsIdentity.read(files, fingerprints);
        metrics.notAfterSeconds.watch(() -> inForce.notAfter().getEpochSecond());
        metrics.filesBad.watch(() -> isBad ? 1 : 0);
        if (!inForce.isValidAt(clock.instant())) {
            LOG.warn(
                    "TLS_CERT: {}: the certificate is not valid now and clients will refuse it; replace it, or"
                            + " correct the clock of this host. It is the certificate of {}",
                    files.certificate(),
                    inForce);
        }
    }

    /**
     * Starts to check the files once a second. From now on, the audit log records when new files are used or refused.
     */
    public ReloadedTls start(Audit writtenTo) {
        audit = writtenTo;
        watch.every(this::step);
        metrics.watchSeconds.watch(watch::secondsSinceLook);
        return this;
    }

    /** Reads the files again, even if they seem unchanged. */
    public void onReloadSignal() {
        watch.now(() -> lookAgain(true, Mistake.AT_ONCE));
    }

    /**
     * Reads the files again if they have changed, if the last reading found a mistake that was not reported, or if ten
     * more checks have passed since a reported mistake. Otherwise, starts to use an identity that has become valid since
     * it was read.
     */
    void step() {
        boolean isRetry = isBad && ++stepsWhileBad % FileWatch.LOOKS_PER_RETRY == 0;
        if (fingerprints.haveChanged() && !isDoubtful) {
            lookAgain(true, Mistake.IF_IT_STAYS);
        } else {
            lookAgain(isDoubtful || isRetry, isDoubtful ? Mistake.AT_ONCE : Mistake.IF_IT_IS_NEW);
        }
    }

    private void lookAgain(boolean mayHaveChanged, Mistake mistake) {
        try {
            if (mayHaveChanged) {
                readAgain(mistake);
            } else if (notNowValid != null && notNowValid.isValidAt(clock.instant())) {
                take(notNowValid);
            }
        } catch (RuntimeException e) {
            isBad = true;
            LOG.error(
                    "checking the TLS files failed and will be retried; the certificate that was read before stays in"
                            + " use",
                    e);
        }
    }

    private void readAgain(Mistake mistake) {
        fingerprints = new FileFingerprints();
        notNowValid = null;
        try {
            TlsIdentity read = TlsIdentity.read(files, fingerprints);
            if (read.isValidAt(clock.instant()) || !inForce.isValidAt(clock.instant())) {
                take(read);
            } else {
                notNowValid = read;
                mistake(mistake, "TLS_CERT: %s: it is not valid now: %s".formatted(files.certificate(), read));
            }
        } catch (InvalidFileException e) {
            mistake(mistake, e.getMessage());
        }
    }

    private void take(TlsIdentity read) {
        inForce = read;
        notNowValid = null;
        isBad = false;
        isDoubtful = false;
        LOG.info("new connections use the certificate in TLS_CERT, {}: {}", files.certificate(), read);
        audit.operation("tls_changed", Map.of("file", files.certificate().toString(), "certificate", read.toString()));
    }

    private void mistake(Mistake mistake, @Nullable String problem) {
        isDoubtful = mistake == Mistake.IF_IT_STAYS;
        if (mistake == Mistake.AT_ONCE || (mistake == Mistake.IF_IT_IS_NEW && !Objects.equals(problem, reported))) {
            isBad = true;
            reported = problem;
            audit.operation(
                    "tls_refused", Map.of("file", files.certificate().toString(), "problem", String.valueOf(problem)));
            LOG.error(
                    "TLS can't be renewed: the certificate that was read before stays in use; its validity ends at {}."
                            + " Fix the files, which are read again when they change. The problem is: {}",
                    inForce.notAfter(),
                    problem);
        }
    }

    /** Returns an engine for one connection. */
    @Override
    public SSLEngine get() {
        return inForce.newEngine();
    }

    /** Returns the identity for new connections; the same object until the identity is replaced. */
    public TlsIdentity identity() {
        return inForce;
    }

    /** Describes the identity in force for a log line. */
    @Override
    public String toString() {
        return inForce.toString();
    }

    @Override
    public void close() {
        watch.close();
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
