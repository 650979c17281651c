// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.embedded;

import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.rocksdb.Status;

/**
 * What has failed in the embedded store since it was connected, and what that says of its files. The first failure of a connection
 * counts; a second read that fails within a minute spoils the files. Safe for any thread.
 */
final class EmbeddedFailures {
    private static final long FAILS_AGAIN_WITHIN_NANOS = TimeUnit.MINUTES.toNanos(1);

    /** Failures that are closer together may have one cause, which passes. */
    private static final long FAILS_AGAIN_AFTER_NANOS = TimeUnit.SECONDS.toNanos(2);

    private final LongSupplier nanoTicker;

    /** What ended the last connection; null while nothing has. */
    private volatile @Nullable Problem problem;

    // guarded by this
    private OptionalLong failedToReadNanos = OptionalLong.empty();

    /** @param isSpoiled whether the files are no longer to be used; else they are opened again */
    record Problem(String what, boolean isSpoiled) {}

    /** What a failure says of the files. */
    enum Failure {
        /** They don't hold what was written. */
        DAMAGED,
        /** They could not be read; perhaps they can be another time. */
        UNREADABLE,
        /** The disk is full, a limit is reached, another process has them: nothing is wrong with the files. */
        ELSEWHERE;

        static Failure of(Exception e) {
            if (!(e instanceof RocksDBException rocks)) {
                return DAMAGED; // what was read is none of our values
            }
            String message = String.valueOf(rocks.getMessage());
            Status status = rocks.getStatus();
            if (status == null || isElsewhere(status, message)) {
                return ELSEWHERE;
            }
            return switch (status.getCode()) {
                // a file that can't be asked for its size counts as corruption there, whatever the reason
                case Corruption -> message.contains(CANT_ACCESS) && !message.contains(MISSING) ? UNREADABLE : DAMAGED;
                case IOError -> message.contains(MISSING) ? DAMAGED : UNREADABLE;
                // so it calls a CURRENT that can't be opened
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

        /** As strerror has them. */
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

    EmbeddedFailures(LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
    }

    /** What ended the connection; null while nothing has. */
    @Nullable
    Problem problem() {
        return problem;
    }

    /** Notes a failure, and returns what ended the connection: the first one. */
    synchronized Problem note(Exception e, Failure failure) {
        Problem before = problem;
        if (before != null) {
            return before;
        }
        return end(
                String.valueOf(e.getMessage()),
                failure == Failure.DAMAGED || (failure == Failure.UNREADABLE && failsAgain()));
    }

    /** Ends the connection. */
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

    /** The files are about to be opened again. */
    void reconnecting() {
        problem = null;
    }

    /** The files that failed are set aside. */
    synchronized void setAside() {
        failedToReadNanos = OptionalLong.empty();
    }
}
