// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.LoggedOutcomes.Compared;
import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.decide.RecordedOutcome.Claims;
import dev.flk.backend.decide.Review;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.Certificate;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Kind;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The rows of the record. A row is what was decided for a certificate: a shard, an epoch and a {@code pcs_id}. A row has
 * versions, of which the newest is current. Rows are derived from logs; what was derived from a log is written together
 * with the position up to which this log was read.
 *
 * <p>One thread writes; any thread reads. Calls block.
 */
public interface OutcomeRows extends AutoCloseable {
    /** The prefix of the names of {@link #notes} about records that are missing for good. */
    String GAPS = "gap/";

    /**
     * The row that a version belongs to.
     *
     * @param shard the shard; a valid shard id, whatever its characters
     * @param epoch at least 0
     * @param pcsId 64 lower-case hex digits
     */
    record RowKey(String shard, long epoch, String pcsId) {}

    /** The result of a change: a version of a row, or a review. */
    sealed interface Changed {
        RowKey key();
    }

    /** A version of a row. */
    record Version(RowKey key, RecordedOutcome outcome) implements Changed {}

    /** A review of a row, which the rows may lack. */
    record Reviewed(RowKey key, Review review) implements Changed {
        /** Returns the review that a log record has made. */
        public static Reviewed of(LoggedReview logged) {
            return new Reviewed(new RowKey(logged.shardId(), logged.epoch(), logged.pcsId()), logged.review());
        }

        /** Returns the time of the decision, in milliseconds since the epoch; 0 if the review has no valid time. */
        public long atMillis() {
            try {
                return Instant.parse(review.at()).toEpochMilli();
            } catch (DateTimeException | ArithmeticException e) {
                return 0;
            }
        }

        /** Returns this review as it is logged. */
        public LoggedReview logged() {
            return new LoggedReview(key.shard(), key.epoch(), key.pcsId(), review);
        }
    }

    /**
     * A version at its place in a log.
     *
     * @param sequence the sequence of the log record that has led to this version: the submission, or the overruled
     *     record; 0 for a version that was salvaged
     */
    record Placed(long sequence, Version version) {
        /** Returns the version to which a submission leads whose outcome was the first of its id. */
        public static Placed of(DecidedSubmission decided) {
            return of(
                    decided.sequence(),
                    decided.certificate(),
                    decided.verdict(),
                    false,
                    decided.arrivalMillis(),
                    decided.keyId());
        }

        /** Returns the version to which a submission in the log leads, at the place {@code sequence}. */
        public static Placed of(long sequence, LogRecord submission, Compared decided) {
            return of(
                    sequence,
                    decided.certificate(),
                    decided.given().verdict(),
                    decided.isOfOtherContent(),
                    submission.arrivalMillis(),
                    submission.keyId());
        }

        private static Placed of(
                long sequence,
                Certificate certificate,
                Verdict given,
                boolean isOfOtherContent,
                long arrivalMillis,
                String keyId) {
            SignedFields signed = certificate.signed();
            return new Placed(
                    sequence,
                    new Version(
                            new RowKey(signed.shardId(), signed.epoch(), signed.pcsId()),
                            RecordedOutcome.of(certificate, given, isOfOtherContent, arrivalMillis, keyId)));
        }
    }

    /**
     * The place in a log up to which the rows are complete.
     *
     * @param digest identifies the log record at this place, so that a log that went back is noticed
     */
    record Position(String logId, long sequence, String digest) {}

    /**
     * A review at its place in a log.
     *
     * @param sequence the sequence of the log record that has made it; 0 for a review that was salvaged
     */
    record PlacedReview(long sequence, Reviewed reviewed) {}

    /**
     * A group of changes, which takes effect completely or not at all.
     *
     * @param position the position after this group; null for a group that comes from no log
     * @param reviews the reviews in their order. One that the row has already takes no effect; any other is added, even
     *     if the row does not exist, or if it has later ones. The one with the highest version is current
     * @param placed the versions in their order. A version takes effect unless it {@linkplain
     *     RecordedOutcome#isChangedFrom equals} the current version of its row, or comes from no log although the current
     *     version comes from one
     * @param notes named texts to store with the group, see {@link #notes}
     */
    record Group(
            @Nullable Position position, List<Placed> placed, List<PlacedReview> reviews, Map<String, String> notes) {}

    /**
     * Opens the rows, or opens them again if they have failed. Called by the thread that writes, before its first use and
     * after each failure.
     */
    default void reopen() {}

    /** Returns the position for a log; empty if nothing was derived from this log. */
    Optional<Position> position(String logId);

    /**
     * Applies a group. Once this method returns, readers see it; it is durable after {@link #sync}.
     *
     * @return the reviews whose versions their rows have with other content. If there are any, nothing was applied
     */
    List<PlacedReview> apply(Group group);

    /**
     * Applies a group like {@link #apply}, except that readers may see it only after {@link #sync}, or another change.
     * After a failure, the position says what is left of it.
     */
    default List<PlacedReview> add(Group group) {
        return apply(group);
    }

    /**
     * Forgets the position for a log that went back or was replaced: its next records may have sequences that were already
     * applied. Cursors of {@link #changes} that were returned before are refused from
     * now on.
     */
    void wentBack(String logId);

    /**
     * Checks that the rows have the position of a log that was read or written last.
     *
     * @throws RecordUnavailableException if they have another one, because the rows went back
     */
    default void requirePosition(String logId) {}

    /** Makes everything that was applied durable. */
    void sync();

    /**
     * Copies the rows into an existing directory, as files from which they can be opened: for a backup. Rows on a server
     * have none.
     */
    default void copyTo(Path directory) throws IOException {}

    /** Returns the notes whose names begin with a prefix, in the order of names. */
    Map<String, String> notes(String prefix);

    /**
     * Removes some of the rows whose current version was received before {@code before}, with all their versions; and
     * the reviews of some missing rows, if the newest review is from before {@code before}.
     *
     * @return whether there may be more to remove
     */
    boolean sweep(Instant before);

    /** Returns whether there is something to {@link #salvage}, so that outcomes may be missing. */
    default boolean isIncomplete() {
        return false;
    }

    /**
     * Copies what can still be read of rows that became unusable, and names as gaps what can't be read. Called after
     * everything in the log was applied.
     *
     * @param oldest the arrival of the oldest outcome that is still kept
     * @param continues asked now and then; the copy fails if it returns false
     */
    default void salvage(Instant oldest, BooleanSupplier continues) {}

    /**
     * A part of the rows that a query selects.
     *
     * @param cursor the place after which the next part begins; null if nothing follows
     * @param first the place of the first row; null if the part is empty or in the order of epochs. With the opposite
     *     order, it is the cursor of the rows before this part
     */
    record Rows(
            List<Version> rows,
            @Nullable String cursor,
            @Nullable String first) {}

    /** Returns whether the rows are those of all backends, which share them. */
    boolean areShared();

    /**
     * Returns at most {@code limit} shards that have rows, in the order of their UTF-8 bytes.
     *
     * @param prefix the beginning of all returned shards
     * @param after a shard; the returned shards come after it. Null for the first ones
     */
    List<String> shards(String prefix, @Nullable String after, int limit);

    /**
     * Returns the current versions that a query selects, in its order. A part may have fewer rows than the limit
     * although more follow.
     *
     * @throws RecordUnavailableException if the rows can't be read
     * @throws InvalidCursorException if the cursor is not one of this query
     */
    Rows find(OutcomeQuery wanted);

    /**
     * The values of a current version by which a shard is compared with its past.
     *
     * @param isAccepted whether it was accepted; otherwise, it was escalated
     */
    record Shape(boolean isAccepted, float dHat, float cohStar, float r, long receivedMillis) {
        /** Returns the shape of a version; null if the version was rejected, or lacks one of the values. */
        public static @Nullable Shape of(Version version) {
            Verdict verdict = version.outcome().verdict();
            Claims claims = version.outcome().claims();
            return verdict.kind() == Kind.REJECTED || verdict.recomputed() == null || claims == null
                    ? null
                    : new Shape(
                            verdict.kind() == Kind.ACCEPTED,
                            (float) verdict.recomputed().dHat(),
                            (float) claims.cohStar(),
                            (float) claims.r(),
                            version.outcome().receivedMillis());
        }

        /** Returns whether all points of the window are on a line in one slice: nothing but the time varies. */
        boolean isConstant() {
            return cohStar >= 1 && dHat <= 1;
        }
    }

    /**
     * Returns for each of some shards the shapes of its newest {@code most} current versions that were not rejected and
     * whose D̂ could be recomputed, the newest first. Those without claims are left out.
     */
    Map<String, List<Shape>> shapes(Collection<String> shards, int most);

    /** Numbers of versions in consecutive ranges of time: one for each range, for each verdict. */
    record Counts(Map<Kind, long[]> byVerdict) {
        /** Returns a 0 for each of the ranges, for each verdict. */
        public static Map<Kind, long[]> zeros(int ranges) {
            Map<Kind, long[]> zeros = new EnumMap<>(Kind.class);
            for (Kind verdict : Kind.values()) {
                zeros.put(verdict, new long[ranges]);
            }
            return zeros;
        }

        /** Returns the number of all versions that were counted. */
        public long total() {
            return byVerdict.values().stream().flatMapToLong(Arrays::stream).sum();
        }
    }

    /**
     * Counts the current versions that a query selects, by the time of its order. Times count in whole milliseconds, so
     * the bounds of the query should be whole milliseconds. Ignores the order, limit and cursor of the query.
     *
     * @param bounds the beginning of each range, in ascending order, and the end of the last one, in milliseconds since
     *     the epoch
     * @throws RecordUnavailableException if the rows can't be read
     */
    Counts count(OutcomeQuery wanted, long[] bounds);

    /** Returns at most {@code limit} current versions whose ids begin with these hex digits, in the order of ids. */
    List<Version> withId(String prefix, int limit);

    /** Returns all versions of a row, the newest first, at most {@code limit}. */
    List<Version> versions(RowKey key, int limit);

    /** Returns the reviews of a row, the newest first, at most {@code limit}; the row itself may be missing. */
    List<Review> reviews(RowKey key, int limit);

    /** Returns the newest reviews of rows; rows without a review are left out. */
    Map<RowKey, Review> newestReviews(Collection<RowKey> keys);

    /**
     * A part of the newest reviews.
     *
     * @param cursor the place after which the next part begins; null if nothing follows
     */
    record ReviewedPart(List<Reviewed> reviews, @Nullable String cursor) {}

    /**
     * Returns the newest reviews of all rows, except withdrawals, the newest first by their time.
     *
     * @param cursor the cursor of the part before; null for the first part
     * @throws InvalidCursorException if the cursor is not one of this method
     */
    ReviewedPart reviewed(@Nullable String cursor, int limit);

    /**
     * Returns for each shard the number of rows whose newest review says that they show a fault; counts at most {@code
     * most}.
     */
    Map<String, Long> faults(int most);

    /**
     * A row that waits for a review.
     *
     * @param group identifies the shard and the cause: see {@link #waitingGroup}
     * @param receivedMillis the arrival, in milliseconds since the epoch
     * @param number identifies the current version, see {@link #at}
     */
    record Waiting(long group, long receivedMillis, long number) {}

    /** Returns what identifies the rows of a shard that wait for the same {@linkplain RecordedOutcome#cause cause}. */
    static long waitingGroup(String shard, String cause) {
        return NameHash.of(shard + '\0' + cause);
    }

    /** Returns the rows that wait for a review in any order, at most {@code most}. */
    List<Waiting> waiting(int most);

    /** Returns versions by their numbers; those that were removed meanwhile are left out. */
    Map<Long, Version> at(Collection<Long> numbers);

    /**
     * A version or a review as an event.
     *
     * @param cursor the cursor after this event, which {@link #changes} accepts
     */
    record Change(String cursor, Changed changed) {}

    /**
     * Returns the next versions and reviews after a cursor, in the order in which they were applied, at most {@code
     * limit}. Rows that are not shared are ordered by their logs. Only what survives a crash is returned, if need be by
     * being derived from the log again.
     *
     * @param cursor empty for the oldest version or review that exists
     * @throws ChangesLostException if a version or review after the cursor was removed, or the log of the cursor went
     *     back or was replaced
     * @throws InvalidCursorException if the cursor is not one of these rows
     */
    List<Change> changes(String cursor, int limit) throws ChangesLostException;

    /** Returns the cursor after the newest version or review. */
    String newest();

    /** The cursor of a follower is no longer valid; the message says why, and what to do. */
    final class ChangesLostException extends Exception {
        private static final long serialVersionUID = 1;

        public ChangesLostException(String message) {
            super(message);
        }
    }

    /** A cursor that can't be used; the message is a sentence for the client. */
    final class InvalidCursorException extends IllegalArgumentException {
        private static final long serialVersionUID = 1;

        public InvalidCursorException(String message) {
            super(message);
        }
    }

    /** The rows can't be read or written at the moment; the message names the problem. */
    final class RecordUnavailableException extends RuntimeException {
        private static final long serialVersionUID = 1;

        public RecordUnavailableException(String message, @Nullable Throwable cause) {
            super(message, cause);
        }
    }

    @Override
    void close();
}
