// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.wal.LogArchive;
import dev.flk.wal.LogArchive.Done;
import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The archive of a running backend: stores each closed segment with {@code WAL_ARCHIVE_COMMAND}, on the thread {@code
 * log-archive}. A command that fails is retried, at first after a second, then at growing intervals up to a minute.
 * Only {@link LogCare} waits for the archive, with the removal of segments. When the inbox is closed, stores the last
 * segment too, as far as {@link Limits#finish} allows. The queries are for any thread, also after the end.
 */
public final class ArchiveCare {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.archive");
    private static final long POLL_MILLIS = 1_000;
    private static final long LONGEST_RETRY_MILLIS = 60_000;
    private static final long REPORT_EVERY_NANOS = TimeUnit.HOURS.toNanos(1);
    private static final long KILL_MILLIS = 2_000;

    private final Inbox inbox;
    private final LogArchive archive;
    private final ArchiveProcess process;
    private final ArchiveMetrics metrics;
    private final Limits limits;
    private final Thread thread = new Thread(this::run, "log-archive");

    // used by the thread only
    private String reported = "";
    private long reportedNanos;
    private long failures;

    private volatile String lastFailure = "no command failed, but the time for the end is over";

    private final CountDownLatch ending = new CountDownLatch(1);

    /**
     * The time limits of the archive.
     *
     * @param command the longest time of one command
     * @param finish the longest time that the end of the backend waits for the archive
     */
    public record Limits(Duration command, Duration finish) {
        /** A segment of 64 MiB can be copied at 1 Mbit/s; the end takes at most ten seconds. */
        public static final Limits USUAL = new Limits(Duration.ofMinutes(10), Duration.ofSeconds(10));
    }

    private ArchiveCare(
            Inbox inbox, LogArchive archive, ArchiveProcess process, ArchiveMetrics metrics, Limits limits) {
        this.inbox = inbox;
        this.archive = archive;
        this.process = process;
        this.metrics = metrics;
        this.limits = limits;
        thread.setDaemon(true);
    }

    /**
     * Starts to archive a log. It ends when the inbox is closed.
     *
     * @param hidden the variables of the environment that the command does not get, because they contain secrets
     * @param clock wall time
     */
    public static ArchiveCare start(
            Inbox inbox,
            ArchiveCommand command,
            Set<String> hidden,
            FileOps files,
            ArchiveMetrics metrics,
            InstantSource clock,
            Limits limits) {
        ArchiveProcess process = new ArchiveProcess(command, hidden, limits.command());
        LogArchive archive = inbox.archive(files, process, System::nanoTime);
        ArchiveCare care = new ArchiveCare(inbox, archive, process, metrics, limits);
        metrics.oldestSeconds.watch(() -> {
            long oldest = archive.oldestMillis();
            return oldest == 0 ? 0 : Math.max(0, clock.millis() - oldest) / 1e3;
        });
        inbox.beforeRelease(care::finish);
        care.thread.start();
        return care;
    }

    /** Notes that a log is not archived any more, so that its segments no longer wait for an archive. */
    public static void forget(Inbox inbox, FileOps files) throws IOException {
        if (inbox.forgetArchive(files)) {
            LOG.info("WAL_ARCHIVE_COMMAND is not set any more: segments of the log are removed without being archived");
        }
    }

    /** Returns the sequence up to which all records are archived; 0 before the first look at the log. */
    public long archivedUpTo() {
        return archive.archivedUpTo();
    }

    /** Returns whether all records of the log are archived; may return false for a second after the last one was. */
    public boolean isComplete() {
        return archive.isComplete();
    }

    private void run() {
        long waitMillis = 0;
        while (await(waitMillis)) {
            waitMillis = archiveAll() ? POLL_MILLIS : retryMillis();
        }
    }

    /** Waits; returns whether the thread is to continue. */
    private boolean await(long millis) {
        try {
            if (hasEnded()) {
                return false;
            } else if (isEnding()) {
                Thread.sleep(Math.min(millis, POLL_MILLIS));
            } else {
                ending.await(millis, TimeUnit.MILLISECONDS);
            }
        } catch (InterruptedException e) {
            return false; // never interrupted
        }
        return !hasEnded();
    }

    private boolean hasEnded() {
        return process.isStopped() || (isEnding() && archive.isComplete());
    }

    private boolean isEnding() {
        return ending.getCount() == 0;
    }

    private long retryMillis() {
        return Math.min(LONGEST_RETRY_MILLIS, POLL_MILLIS << Math.min(failures - 1, 10));
    }

    /** Stores all that is due; returns false after a failure. */
    private boolean archiveAll() {
        try {
            Done done = archive.step();
            while (done != Done.NOTHING && !process.isStopped()) {
                succeeded(done);
                done = archive.step();
            }
            return true;
        } catch (IOException e) {
            failed(String.valueOf(e.getMessage()));
        } catch (RuntimeException | VirtualMachineError e) { // if it propagated, the thread would end silently
            LOG.error("archiving the log failed and will be retried", e);
            failed(String.valueOf(e));
        }
        return false;
    }

    private void succeeded(Done done) {
        if (done == Done.STARTED) {
            LOG.info("the archive of the log begins: all closed segments are archived, oldest first");
            return;
        }
        if (done == Done.ARCHIVED) {
            metrics.archived.increment();
        }
        if (!reported.isEmpty()) {
            LOG.info("the log is archived again, after {} failures", failures);
        }
        reported = "";
        failures = 0;
    }

    private void failed(String message) {
        if (process.isStopped()) {
            return;
        }
        metrics.failures.increment();
        failures++;
        lastFailure = message;
        long now = System.nanoTime();
        if (!message.equals(reported) || now - reportedNanos >= REPORT_EVERY_NANOS) {
            LOG.warn("archiving the log failed and will be retried: {}", message);
            reported = message;
            reportedNanos = now;
        }
    }

    /** Archives what is left, within the limit. Called once all records are in closed segments. */
    private void finish() {
        if (inbox.log().lockLost().isPresent()) {
            process.stop();
            return;
        }
        ending.countDown();
        join(limits.finish().toMillis());
        process.stop();
        join(KILL_MILLIS);
        if (archive.isComplete()) {
            LOG.info("all records up to {} are archived", inbox.last());
        } else {
            LOG.warn(
                    "the records after {}, up to {}, are not archived, and exist only in {} until the next start"
                            + " archives them: {}",
                    archivedUpTo(),
                    inbox.last(),
                    inbox.log().directory(),
                    lastFailure);
        }
    }

    private void join(long millis) {
        try {
            thread.join(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
