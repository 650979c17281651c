// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.audit;

import dev.flk.backend.audit.RefusalTally.Kind;
import dev.flk.backend.metrics.Meters;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The audit log of a running backend. {@code operations.jsonl} has what happens to it, {@code refusals.jsonl} what strangers try: refused
 * signatures and conflicts, where they come from, the first three of each kind and minute in full and the rest counted, at most 32 MiB.
 *
 * <p>A line of operations is on disk when {@link #operation} returns; those of refusals are written once a second, and are not
 * forced. A line that can't be written is lost: the service goes on, an ERROR line and {@code flk_audit_errors_total} tell. Safe for
 * any thread.
 */
public final class AuditLog implements Audit, AutoCloseable {
    static final String REFUSALS = "refusals";
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.audit");
    private static final long MOST_BYTES = 32L << 20;
    private static final int PERIOD_SECONDS = 60;
    private static final long LONGEST_END_SECONDS = 2;
    private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(60);

    private final OperationsFile operations;
    private final BoundedFile refusals;
    private final SettingsTrail trail;
    private final RefusalTally tally = new RefusalTally();
    private final InstantSource clock;
    private final Meters meters;
    private final ScheduledExecutorService ticks = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "audit");
        thread.setDaemon(true);
        return thread;
    });
    private volatile boolean isStarted;
    private int secondsOfPeriod;
    private long complainedNanos = System.nanoTime() - QUIET_NANOS;

    /**
     * Nothing is written yet, and nothing runs.
     *
     * @param directory of the files; made with the first line
     * @param environment of this process, which tells who runs it
     */
    public AuditLog(Path directory, Map<String, String> environment, InstantSource clock, Meters meters) {
        this.operations = new OperationsFile(directory, environment, clock);
        this.refusals = new BoundedFile(directory, REFUSALS, MOST_BYTES);
        this.trail = new SettingsTrail(directory);
        this.clock = clock;
        this.meters = meters;
    }

    /**
     * The backend starts: tells so, and writes refusals once a second from now on.
     *
     * @param settings what is set, by name, without secrets; what differs from the start before is told as a line of its own
     */
    public void start(String version, Map<String, String> settings) {
        isStarted = true;
        Future<?> unused = ticks.scheduleWithFixedDelay(this::step, 1, 1, TimeUnit.SECONDS);
        operation("started", Map.of("version", version));
        try {
            Map<String, String> changes = trail.changes(settings).orElse(Map.of());
            if (!changes.isEmpty()) {
                operation("configuration_changed", changes);
            }
            trail.keep(settings);
        } catch (IOException | RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void operation(String event, Map<String, String> details) {
        try {
            operations.write(event, details);
        } catch (IOException | RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void signatureRefused(String address, String reason, @Nullable String keyId, @Nullable String claimedId) {
        refused(new Kind("signature_refused", address, reason, keyId), claimedId);
    }

    @Override
    public void conflict(String address, String reason, String keyId, String id) {
        refused(new Kind("conflict", address, reason, keyId), id);
    }

    private void refused(Kind kind, @Nullable String id) {
        Instant now = clock.instant().truncatedTo(ChronoUnit.MILLIS);
        tally.add(kind, now, () -> {
            var line = kind.on(OperationsFile.begun(() -> now, kind.event()));
            return (id == null ? line : line.text("pcs_id", id)).end();
        });
    }

    /** What the thread does each second. */
    void step() {
        secondsOfPeriod++;
        write(tally.takeTold());
        if (secondsOfPeriod >= PERIOD_SECONDS) {
            secondsOfPeriod = 0;
            write(tally.endPeriod());
        }
    }

    private void write(List<String> lines) {
        if (lines.isEmpty()) {
            return;
        }
        try {
            refusals.append(lines, false);
        } catch (IOException | RuntimeException e) {
            failed(e);
        }
    }

    private synchronized void failed(Exception e) {
        meters.auditError();
        if (System.nanoTime() - complainedNanos > QUIET_NANOS) {
            complainedNanos = System.nanoTime();
            LOG.error("the audit log can't be written, what it should say is lost: {}", e.toString());
        }
    }

    /** Writes what is left, within bounds of time. */
    @Override
    public void close() {
        ticks.shutdown();
        if (!isStarted) {
            return;
        }
        try {
            if (!ticks.awaitTermination(LONGEST_END_SECONDS, TimeUnit.SECONDS)) {
                LOG.error("the audit log can't be written, its last lines are lost: the disk does not answer");
                return;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return;
        }
        write(tally.takeTold());
        write(tally.endPeriod());
        operation("stopped", Map.of());
    }
}
