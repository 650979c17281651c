// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.embedded;

import dev.flk.backend.outcomes.duckdb.DuckRecord;
import dev.flk.program.logging.Audit;
import dev.flk.view.RocksCopy;
import dev.flk.view.RocksView;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Copies of the outcomes in DEDUP_DIR: the ids of the embedded dedup store, the rows of the embedded record, or both.
 * Each of them continues after its own position in the log when a copy is used, so a copy may be made at any time. A copy
 * does not contain what is still being copied out of files that were set aside, so none is made meanwhile.
 *
 * <p>Calls block, and must not overlap.
 */
public final class OutcomesBackup {
    private static final Logger LOG = LoggerFactory.getLogger(OutcomesBackup.class);
    private static final String COMPLETE_UP_TO = "complete-up-to";
    private static final String LOG_ID = "log-id";
    private static final String MADE_AT = "made-at";

    private final RocksView view;
    private final RocksCopy.Others rows;
    private final String logId;
    private final LongSupplier completeUpTo;
    private final Supplier<Optional<Instant>> incompleteBefore;
    private final InstantSource clock;
    private final Audit audit;

    /**
     * A copy of the outcomes.
     *
     * @param directory the absolute path of the copy
     * @param completeUpTo the sequence in the log up to which the copy has all outcomes; it may have later ones
     * @param logId the id of the log
     * @param madeAt the time at which the copy was begun
     * @param bytes the length of all files, some of which may be hard links
     */
    public record Made(String directory, long completeUpTo, String logId, String madeAt, long bytes) {
        static Made of(Path directory, RocksCopy copy) {
            Map<String, String> about = copy.about();
            return new Made(
                    directory.toString(),
                    Long.parseLong(about.getOrDefault(COMPLETE_UP_TO, "0")),
                    about.getOrDefault(LOG_ID, ""),
                    about.getOrDefault(MADE_AT, ""),
                    copy.bytes());
        }
    }

    /** The record is not complete, so that a copy would lack outcomes. */
    public static final class IncompleteException extends Exception {
        private static final long serialVersionUID = 1;

        IncompleteException(Instant before) {
            super("the record is not complete yet: outcomes from before " + before
                    + " may be missing; try again when /v1/outcomes no longer says X-Flk-Incomplete-Before");
        }
    }

    /**
     * @param rows the rows of the embedded record, if there is one
     * @param completeUpTo the sequence in the log up to which the outcomes are complete
     * @param incompleteBefore the time before which outcomes may be missing; empty if none are
     */
    public OutcomesBackup(
            RocksView view,
            RocksCopy.Others rows,
            String logId,
            LongSupplier completeUpTo,
            Supplier<Optional<Instant>> incompleteBefore,
            InstantSource clock,
            Audit audit) {
        this.view = view;
        this.rows = rows;
        this.logId = logId;
        this.completeUpTo = completeUpTo;
        this.incompleteBefore = incompleteBefore;
        this.clock = clock;
        this.audit = audit;
    }

    /**
     * Copies the outcomes to a directory that does not exist, while the backend uses them.
     *
     * @param user the name of the operator
     * @throws IllegalArgumentException if the directory can't be chosen; the message says why
     * @throws IOException if the copy fails; what remains of it can't be restored
     * @throws dev.flk.view.ViewUnavailableException if the outcomes can't be read at the moment
     */
    public Made make(Path directory, String user) throws IncompleteException, IOException {
        Path parent = directory.getParent();
        if (!directory.isAbsolute() || parent == null) {
            throw new IllegalArgumentException("directory is not an absolute path of a new directory");
        }
        if (Files.exists(directory)) {
            throw new IllegalArgumentException(directory + " already exists; choose another directory");
        }
        if (!Files.isDirectory(parent)) {
            throw new IllegalArgumentException(
                    parent + " is not a directory on the backend's machine; create it first");
        }
        if (parent.toRealPath().startsWith(view.path().toRealPath())) {
            throw new IllegalArgumentException(
                    directory + " is inside DEDUP_DIR, and would be lost with it; choose another directory");
        }
        Optional<Instant> before = incompleteBefore.get();
        if (before.isPresent()) {
            throw new IncompleteException(before.get());
        }
        Map<String, String> about = Map.of(
                COMPLETE_UP_TO, Long.toString(completeUpTo.getAsLong()),
                LOG_ID, logId,
                MADE_AT, clock.instant().truncatedTo(ChronoUnit.SECONDS).toString());
        try {
            Made made = Made.of(directory, RocksCopy.make(view, directory, rows, about));
            audit.operation(
                    "outcomes_backup",
                    Map.of(
                            "directory", made.directory(),
                            "user", user,
                            "complete_up_to", Long.toString(made.completeUpTo())));
            LOG.info(
                    "the outcomes were copied to {}, complete up to record {} of the log",
                    directory,
                    made.completeUpTo());
            return made;
        } catch (IOException e) {
            audit.operation(
                    "outcomes_backup_failed",
                    Map.of("directory", directory.toString(), "user", user, "problem", String.valueOf(e.getMessage())));
            throw e;
        }
    }

    /**
     * Puts a copy into DEDUP_DIR, which must have no outcomes and must not be in use.
     *
     * @return what was restored
     * @throws IOException if {@code copy} is not a complete copy, or {@code target} can't be used; see {@link
     *     RocksCopy#restore}
     */
    public static Made restore(Path copy, Path target) throws IOException {
        RocksCopy found = RocksCopy.read(copy);
        Made made = Made.of(copy, found);
        found.restore(target, DuckRecord.FILES);
        return made;
    }
}
