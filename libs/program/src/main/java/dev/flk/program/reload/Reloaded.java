// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.reload;

import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.time.DaemonThreads;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A value that is read from files, and read again when one of these files has changed. The files are checked once a
 * second after {@link #startChecks}. If they have a mistake, the value that was read before stays in force. A mistake
 * is not reported yet if the files have changed while they were read: the next check reads them again. A reported
 * mistake is reported again only after a change, after a reload signal, or if it is another mistake. The watching
 * thread calls {@link #step} and all abstract methods; all other methods are safe for any thread.
 *
 * @param <T> the type of the value, which is immutable
 */
public abstract class Reloaded<T> implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.files");
    private static final long CHECK_EVERY_MILLIS = 1_000;

    private final String threadName;
    private final Replacement replacement;
    private final LongSupplier nanoTicker;
    private final Source<T> source;
    private final ScheduledExecutorService thread;
    private volatile long checkedNanos;
    private volatile T inForce;
    private volatile boolean isBad;
    // used only by the watching thread
    private FileFingerprints fingerprints = new FileFingerprints();
    private boolean isInDoubt;
    private int checksWhileBad;
    private List<String> reported = List.of();

    /** The way in which the files are usually replaced. */
    protected enum Replacement {
        /**
         * All files together: a mistake is reported at once. While it lasts, unchanged files are read again at every
         * tenth check, because perhaps only reading them has failed.
         */
        TOGETHER(10),
        /**
         * One file after the other: a mistake after a change is reported only if the next check finds one, too. While
         * it lasts, every check reads the files, which should be small.
         */
        ONE_BY_ONE(1);

        private final int checksPerRetry;

        Replacement(int checksPerRetry) {
            this.checksPerRetry = checksPerRetry;
        }
    }

    /** The reader of the files. */
    @FunctionalInterface
    public interface Source<T> {
        /**
         * Adds each file to {@code fingerprints}, even if it can't be read, and then reads it.
         *
         * @throws InvalidFileException with all problems of the files
         */
        T read(FileFingerprints fingerprints) throws InvalidFileException;
    }

    /**
     * Reads the files; starts no thread.
     *
     * @param nanoTicker monotonic time, for {@link #secondsSinceCheck}
     * @throws InvalidFileException with all problems of the files
     */
    protected Reloaded(String threadName, Replacement replacement, LongSupplier nanoTicker, Source<T> source)
            throws InvalidFileException {
        this.threadName = threadName;
        this.replacement = replacement;
        this.nanoTicker = nanoTicker;
        this.source = source;
        this.inForce = source.read(fingerprints);
        this.checkedNanos = nanoTicker.getAsLong();
        this.thread = Executors.newSingleThreadScheduledExecutor(DaemonThreads.named(threadName));
    }

    /** Starts to check the files once a second. */
    public final void startChecks() {
        thread.scheduleWithFixedDelay(
                () -> {
                    step();
                    checkedNanos = nanoTicker.getAsLong();
                },
                CHECK_EVERY_MILLIS,
                CHECK_EVERY_MILLIS,
                TimeUnit.MILLISECONDS);
    }

    /** Reads the files again, even if they seem unchanged, as soon as the watching thread is free. */
    public final void onReloadSignal() {
        try {
            thread.execute(() -> check(true));
        } catch (RejectedExecutionException e) {
            LOG.info("{}: files are not read again because the backend is stopping", threadName);
        }
    }

    /** Reads the files again if they have changed or if it is time to read files with a mistake again. */
    public final void step() {
        check(false);
    }

    private void check(boolean isSignal) {
        try {
            beforeCheck();
            boolean hasChanged = fingerprints.haveChanged();
            boolean isRetry = isBad && ++checksWhileBad % replacement.checksPerRetry == 0;
            if (isSignal || hasChanged || isInDoubt || isRetry) {
                readAgain(isSignal, hasChanged);
            }
        } catch (RuntimeException e) {
            isBad = true;
            List<String> problems = List.of(e.toString());
            if (!problems.equals(reported)) { // else a failure that remains would be logged every second
                reported = problems;
                failed(e);
            }
        }
    }

    private void readAgain(boolean isSignal, boolean hasChanged) {
        boolean wasInDoubt = isInDoubt;
        isInDoubt = false;
        fingerprints = new FileFingerprints();
        try {
            T before = inForce;
            T read = source.read(fingerprints);
            requireBetter(read, before);
            inForce = read;
            isBad = false;
            reported = List.of();
            replaced(before, read);
        } catch (InvalidFileException e) {
            boolean isIncomplete = hasChanged && !isSignal && replacement == Replacement.ONE_BY_ONE;
            isInDoubt = !wasInDoubt && (isIncomplete || fingerprints.haveChanged());
            boolean isNew =
                    isSignal || wasInDoubt || hasChanged || !e.problems().equals(reported);
            if (isNew && !isInDoubt) {
                isBad = true;
                reported = e.problems();
                refused(e.problems());
            }
        }
    }

    /** Prepares a check. Called before each check of the files, even if they have not changed. */
    protected void beforeCheck() {}

    /**
     * Decides whether a value that was read again may replace the value in force.
     *
     * @throws InvalidFileException if the value in force is better
     */
    protected void requireBetter(T read, T before) throws InvalidFileException {}

    /** Reports that {@code now} is in force in place of {@code before}. */
    protected abstract void replaced(T before, T now);

    /** Reports the problems of the files; the value that was read before stays in force. */
    protected abstract void refused(List<String> problems);

    /** Reports that a check of the files failed unexpectedly and will be retried; called once for the same failure. */
    protected abstract void failed(RuntimeException e);

    /** Returns the value in force. */
    protected final T inForce() {
        return inForce;
    }

    /** Returns 1 while the files can't be used, else 0. */
    protected final double bad() {
        return isBad ? 1 : 0;
    }

    /**
     * Returns the seconds since the end of the last regular check, or since the creation if no regular check has ended.
     * The number grows while a hanging file system blocks the thread.
     */
    protected final double secondsSinceCheck() {
        return (nanoTicker.getAsLong() - checkedNanos) / 1e9;
    }

    @Override
    public void close() {
        thread.shutdown();
    }
}
