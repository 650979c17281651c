// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import dev.flk.view.OpenDatabase.WriteFailedException;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.rocksdb.Status;

/**
 * The failures of a database, and their meaning for its files. The first failure ends an opening; later failures of that
 * opening are ignored. The files count as spoiled, so that they must no longer be used, if they are damaged. They also
 * count as spoiled if reads fail in two openings, at least two seconds and less than a minute apart. Safe for any
 * thread.
 */
final class RocksFailures {
    private static final long FAILS_AGAIN_WITHIN_NANOS = TimeUnit.MINUTES.toNanos(1);

    /**
     * The minimum time between two failed reads that count as two failures. Reads that fail within a shorter time may
     * share a transient cause.
     */
    private static final long FAILS_AGAIN_AFTER_NANOS = TimeUnit.SECONDS.toNanos(2);

    private final LongSupplier nanoTicker;

    /** The problem that ended the last opening; null while the opening lasts. */
    private volatile @Nullable Problem problem;

    // guarded by this
    private OptionalLong failedToReadNanos = OptionalLong.empty();

    /** @param isSpoiled whether the files must no longer be used; otherwise, the files are opened again */
    record Problem(String what, boolean isSpoiled) {}

    /** The meaning of a failure for the files. */
    enum Failure {
        /** The files do not contain what was written. */
        DAMAGED,
        /** The files could not be read, but may be readable later. */
        UNREADABLE,
        /**
         * The files are intact; the cause is elsewhere, such as a full disk, a reached limit or another process that
         * uses them.
         */
        ELSEWHERE;

        static Failure of(Exception e) {
            if (!(e instanceof RocksDBException rocks)) {
                return DAMAGED; // the bytes that were read are not in the expected format
            }
            if (e instanceof WriteFailedException && e.getCause() instanceof RocksDBException refusal) {
                return of(refusal) == DAMAGED ? DAMAGED : ELSEWHERE;
            }
            String message = String.valueOf(rocks.getMessage());
            Status status = rocks.getStatus();
            if (status == null || isElsewhere(status, message)) {
                return ELSEWHERE;
            }
            return switch (status.getCode()) {
                // RocksDB reports a failure to get a file's size as corruption, whatever the reason
                case Corruption -> message.contains(CANT_ACCESS) && !message.contains(MISSING) ? UNREADABLE : DAMAGED;
                case IOError -> message.contains(MISSING) ? DAMAGED : UNREADABLE;
                // with the text INCOMPATIBLE, RocksDB reports that it could not open its file CURRENT
                case InvalidArgument -> message.contains(INCOMPATIBLE) ? UNREADABLE : ELSEWHERE;
                default -> ELSEWHERE;
            };
        }

        private static boolean isElsewhere(Status status, String message) {
            return status.getSubCode() == Status.SubCode.NoSpace
                    || ELSEWHERE_WORDS.stream().anyMatch(message::contains);
        }

        private static final String MISSING = "No such file";
        private static final String CANT_ACCESS = "Can't access";
        private static final String INCOMPATIBLE = "incompatible with filesystem";

        /** Parts of error messages, most of them texts of {@code strerror}, that show that the files are intact. */
        private static final List<String> ELSEWHERE_WORDS = List.of(
                "/LOCK: ",
                "No space left",
                "Disk quota exceeded",
                "File too large",
                "Too many open files",
                "Permission denied",
                "Read-only file system",
                "Cannot allocate memory");
    }

    RocksFailures(LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
    }

    /** Returns the problem that ended the last opening; null while the opening lasts. */
    @Nullable
    Problem problem() {
        return problem;
    }

    /**
     * Notes a failure. The failure ends the opening unless an earlier failure has already ended it. Returns the problem
     * that ended the opening.
     */
    synchronized Problem note(Exception e, Failure failure) {
        Problem before = problem;
        if (before != null) {
            return before;
        }
        return end(
                String.valueOf(e.getMessage()),
                failure == Failure.DAMAGED || (failure == Failure.UNREADABLE && failsAgain()));
    }

    /** Ends the opening with a problem, and returns the problem. */
    synchronized Problem end(String what, boolean isSpoiled) {
        Problem met = new Problem(what, isSpoiled);
        problem = met;
        return met;
    }

    private boolean failsAgain() {
        long now = nanoTicker.getAsLong();
        long sinceFirst = failedToReadNanos.isEmpty() ? Long.MAX_VALUE : now - failedToReadNanos.getAsLong();
        if (sinceFirst >= FAILS_AGAIN_WITHIN_NANOS) {
            failedToReadNanos = OptionalLong.of(now);
            return false;
        }
        return sinceFirst >= FAILS_AGAIN_AFTER_NANOS;
    }

    /** Clears the problem. Called before the files are opened again. */
    void reconnecting() {
        problem = null;
    }

    /** Forgets the time of the first failed read, after the files were set aside. */
    synchronized void setAside() {
        failedToReadNanos = OptionalLong.empty();
    }
}
