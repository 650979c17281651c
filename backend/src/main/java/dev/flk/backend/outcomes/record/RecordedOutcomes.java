// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.OutcomeJson;
import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.canonical.CanonicalString;
import dev.flk.program.json.Json;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The queries of the record: its shards, the outcomes of a shard by epoch, and outcomes by time or id. Safe for any
 * thread; reads on the caller's thread.
 */
public final class RecordedOutcomes {
    /** The maximum number of lines in an answer. */
    public static final int MAX_LIMIT = 1_000;

    /** The minimum number of hex digits in a query by id. */
    public static final int LEAST_ID_DIGITS = 8;

    private static final Pattern ID = Pattern.compile("[0-9a-f]{" + LEAST_ID_DIGITS + ",64}");
    private static final int MAX_GAPS = 10;

    private final OutcomeRows rows;
    private final boolean coversAllBackends;
    private final Supplier<Optional<Instant>> incompleteBefore;
    private final BooleanSupplier isBehind;
    private final ChangedShards changes;

    /**
     * @param coversAllBackends false if other backends with the same dedup store may have records of their own
     * @param incompleteBefore a supplier of the time before which outcomes may still be missing
     * @param isBehind returns whether outcomes from before the start may still be missing
     * @param changes the comparisons of the shards of these rows
     */
    public RecordedOutcomes(
            OutcomeRows rows,
            boolean coversAllBackends,
            Supplier<Optional<Instant>> incompleteBefore,
            BooleanSupplier isBehind,
            ChangedShards changes) {
        this.rows = rows;
        this.coversAllBackends = coversAllBackends;
        this.incompleteBefore = incompleteBefore;
        this.isBehind = isBehind;
        this.changes = changes;
    }

    /**
     * Returns the time before which outcomes may still be missing, because the record is being copied from damaged
     * files, or derived from the whole log; empty if none are expected.
     */
    public Optional<Instant> incompleteBefore() {
        return incompleteBefore.get();
    }

    /** Returns whether an outcome that is not found may still be added, although it was decided before the start. */
    public boolean mayLack() {
        return isBehind.getAsBoolean() || incompleteBefore().isPresent();
    }

    /** Returns what is missing for good, a phrase for each gap, at most {@value #MAX_GAPS} of them. */
    public List<String> gaps() {
        return rows.notes(OutcomeRows.GAPS).values().stream().limit(MAX_GAPS).toList();
    }

    /** Returns the comparisons of each shard with its past. */
    public ChangedShards changes() {
        return changes;
    }

    public OutcomeRows rows() {
        return rows;
    }

    /** Returns whether the record has the outcomes of all backends with the same dedup store. */
    public boolean coversAllBackends() {
        return coversAllBackends;
    }

    /**
     * A part of the shards.
     *
     * @param cursor the place after which the next part begins; null if nothing follows
     */
    public record Shards(List<String> names, @Nullable String cursor) {}

    /**
     * Returns a part of the shards that have outcomes and begin with {@code prefix}, in the order of their bytes.
     *
     * @param cursor the shard after which the part begins; null for the first part
     */
    public Shards shards(String prefix, @Nullable String cursor, int limit) {
        return part(rows.shards(prefix, cursor, limit + 1), limit);
    }

    /** Returns a part of those of these shards that {@linkplain ChangedShards#list changed}. */
    public Shards changedShards(String prefix, @Nullable String cursor, int limit) {
        return part(changes.names(prefix, cursor, limit + 1), limit);
    }

    private static Shards part(List<String> shards, int limit) {
        return shards.size() > limit
                ? new Shards(shards.subList(0, limit), shards.get(limit - 1))
                : new Shards(shards, null);
    }

    /** Returns whether the record has an outcome of a shard. */
    public boolean hasShard(String shard) {
        return rows.shards(shard, null, 1).contains(shard);
    }

    /**
     * Returns the next part of the outcomes that a query selects. A part may have fewer outcomes than the limit
     * although more follow. For a query with the beginning of an id, at most as many outcomes as its limit are
     * examined; if there may be more, the part has a cursor, which leads nowhere.
     *
     * @throws IllegalArgumentException if the cursor is invalid; the message is a sentence
     */
    public Rows outcomes(OutcomeQuery wanted) {
        String id = wanted.id();
        if (id == null) {
            return rows.find(wanted);
        }
        Comparator<Version> oldestFirst = Comparator.comparing(version -> wanted.time(version.outcome()));
        List<Version> found = rows.withId(id, wanted.limit() + 1);
        List<Version> selected = found.stream()
                .limit(wanted.limit())
                .filter(wanted::passes)
                .sorted(wanted.order() == Order.NEWEST ? oldestFirst.reversed() : oldestFirst)
                .toList();
        return new Rows(selected, found.size() > wanted.limit() ? id : null, null);
    }

    /** Counts the outcomes that a query selects, see {@link OutcomeRows#count}. */
    public OutcomeRows.Counts count(OutcomeQuery wanted, long[] bounds) {
        return rows.count(wanted, bounds);
    }

    /** Returns whether a text is an id of a certificate, or the beginning of an id that is long enough for a query. */
    public static boolean isId(String text) {
        return ID.matcher(text).matches();
    }

    /**
     * Returns the outcomes whose {@code pcs_id} begins with {@code prefix}, in the order of ids.
     *
     * @param prefix {@link #LEAST_ID_DIGITS} to 64 lower-case hex digits
     * @param limit the maximum number of outcomes
     */
    public List<Version> withId(String prefix, int limit) {
        return rows.withId(prefix, limit);
    }

    /** Returns the ids that begin with {@code prefix}, see {@link #withId}. */
    public List<String> idsThatBeginWith(String prefix, int limit) {
        return rows.withId(prefix, limit).stream()
                .map(version -> version.key().pcsId())
                .distinct()
                .toList();
    }

    /** Returns the current version of a row. */
    public Optional<Version> withKey(RowKey key) {
        return rows.versions(key, 1).stream().findFirst();
    }

    /** Renders versions as {@link #line} does, each with the newest review of its row as the member {@code review}. */
    public List<String> linesWithReviews(List<Version> versions) {
        Map<RowKey, Review> reviews =
                rows.newestReviews(versions.stream().map(Version::key).toList());
        return versions.stream()
                .map(version -> line(version, reviews.get(version.key())))
                .toList();
    }

    /** Renders a version as a line, a JSON object: the members of the key, followed by those of the outcome. */
    public static String line(Version version) {
        return line(version, null);
    }

    private static String line(Version version, @Nullable Review review) {
        RowKey key = version.key();
        StringBuilder line = new StringBuilder(1_024).append("{\"shard_id\":");
        CanonicalString.appendQuoted(line, key.shard());
        line.append(",\"epoch\":")
                .append(key.epoch())
                .append(",\"pcs_id\":\"")
                .append(key.pcsId())
                .append("\",");
        OutcomeJson.appendMembers(line, version.outcome());
        if (review != null) {
            line.append(",\"review\":").append(Json.line(review).strip());
        }
        return line.append('}').toString();
    }
}
