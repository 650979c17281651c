// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.decide.Review;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Rows in memory that lose what a crash takes from the embedded rows: some of the last groups that were applied since
 * the last sync. They can also be lost entirely, restored from an older copy, and replaced by those of another log, and
 * their calls fail at random. Everything that is applied is checked.
 */
public final class SimulatedRows implements OutcomeRows {
    private static final Pattern GAP = Pattern.compile("log records ([0-9]+) to ([0-9]+)");

    private final Random random;
    private final LongSupplier firstInLog;
    private final Listener listener;

    private Content live = new Content();
    private Content synced = live;
    private Content older = live;
    private final List<Content> unsynced = new ArrayList<>();
    private Mood mood = Mood.UP;
    private boolean mustReopen;
    private Set<RowKey> toKeep = Set.of();

    /** The way in which the rows answer calls. */
    public enum Mood {
        UP,
        /** Some calls fail, and some of these have taken effect. */
        FLAKY,
        DOWN
    }

    /** Checks what is written. */
    public interface Listener {
        /** Hears about a group that is about to be applied. */
        void applies(Group group);

        /** Hears that the follower takes the log for one that went back. */
        void wentBack();
    }

    /** What the rows contain; never changed. */
    private static final class Content {
        final Map<String, Position> positions = new HashMap<>();
        final Map<RowKey, List<Placed>> rows = new LinkedHashMap<>();
        final Map<String, String> notes = new TreeMap<>();
        final Map<RowKey, NavigableMap<Long, Review>> reviews = new HashMap<>();

        /** For each log, the sequence before the first record that was read. */
        final Map<String, Long> unread = new HashMap<>();

        Content copy() {
            Content copy = new Content();
            copy.positions.putAll(positions);
            rows.forEach((key, versions) -> copy.rows.put(key, new ArrayList<>(versions)));
            copy.notes.putAll(notes);
            reviews.forEach((key, versions) -> copy.reviews.put(key, new TreeMap<>(versions)));
            copy.unread.putAll(unread);
            return copy;
        }
    }

    /** @param firstInLog the sequence of the first record that the log has at the moment */
    public SimulatedRows(Random random, LongSupplier firstInLog, Listener listener) {
        this.random = random;
        this.firstInLog = firstInLog;
        this.listener = listener;
    }

    public void setMood(Mood to) {
        mood = to;
    }

    /** Loses some of the groups that were applied last, unless they were synced. */
    public void processDied() {
        int kept = random.nextInt(unsynced.size() + 1);
        live = kept == 0 ? synced : unsynced.get(kept - 1);
        synced = live;
        unsynced.clear();
        mustReopen = false;
    }

    public void takeCopy() {
        older = live;
    }

    /** Restores the rows from a copy; a process that runs notices it when its next call fails. */
    public void putBackCopy() {
        replaceBy(older);
    }

    public void lose() {
        replaceBy(new Content());
    }

    /** Replaces the rows by some that were derived from another log. */
    public void replaceByForeign(List<Version> versions) {
        Content foreign = new Content();
        foreign.positions.put("another log", new Position("another log", 7, "0123456789abcdef"));
        versions.forEach(version -> foreign.rows.put(version.key(), List.of(new Placed(1, version))));
        replaceBy(foreign);
    }

    private void replaceBy(Content content) {
        live = content;
        synced = content;
        unsynced.clear();
        mustReopen = true;
        toKeep = Set.of();
    }

    /** Notes that the log lost its end: the rows that are durable now must be kept. */
    public void logLostItsEnd() {
        toKeep = new HashSet<>(synced.rows.keySet());
    }

    /** Returns the rows that must have been kept, since the log lost its end, but were not. */
    public Set<RowKey> wronglyRemoved() {
        Set<RowKey> missing = new HashSet<>(toKeep);
        missing.removeAll(live.rows.keySet());
        return missing;
    }

    /** Returns the sequence up to which the rows are durably complete. */
    public long durablyCompleteUpTo(String logId) {
        Position position = synced.positions.get(logId);
        return position == null ? 0 : position.sequence();
    }

    /** Returns the current values of the rows. */
    public Map<RowKey, RecordedOutcome> current() {
        Map<RowKey, RecordedOutcome> current = new LinkedHashMap<>();
        live.rows.forEach((key, versions) -> current.put(key, newest(versions)));
        return current;
    }

    /** Returns whether a record was missing in the log when the rows were derived from it. */
    public boolean wasMissing(String logId, long sequence) {
        return sequence <= live.unread.getOrDefault(logId, 0L)
                || notes(OutcomeRows.GAPS + logId + "/").values().stream().anyMatch(note -> {
                    Matcher gap = GAP.matcher(note);
                    assertThat(gap.matches()).as(note).isTrue();
                    return Long.parseLong(gap.group(1)) <= sequence && sequence <= Long.parseLong(gap.group(2));
                });
    }

    private static RecordedOutcome newest(List<Placed> versions) {
        return versions.get(versions.size() - 1).version().outcome();
    }

    /** Returns all reviews, the newest first. */
    public Map<RowKey, List<Review>> allReviews() {
        Map<RowKey, List<Review>> all = new HashMap<>();
        live.reviews.forEach((key, versions) ->
                all.put(key, List.copyOf(versions.descendingMap().values())));
        return all;
    }

    private interface Edit {
        void of(Content content);
    }

    private void change(Edit edit) {
        boolean fails = mustReopen || mood == Mood.DOWN || (mood == Mood.FLAKY && random.nextInt(3) == 0);
        if (!fails || (!mustReopen && mood == Mood.FLAKY && random.nextBoolean())) {
            Content changed = live.copy();
            edit.of(changed);
            live = changed;
            unsynced.add(changed);
        }
        if (fails) {
            throw new RecordUnavailableException("simulated: out of reach", null);
        }
    }

    private void requireUp() {
        if (mustReopen || mood == Mood.DOWN || (mood == Mood.FLAKY && random.nextInt(3) == 0)) {
            throw new RecordUnavailableException("simulated: out of reach", null);
        }
    }

    @Override
    public Optional<Position> position(String logId) {
        mustReopen = false;
        requireUp();
        return Optional.ofNullable(live.positions.get(logId));
    }

    @Override
    public List<PlacedReview> apply(Group group) {
        listener.applies(group);
        Content tried = live.copy();
        List<PlacedReview> losers = group.reviews().stream()
                .filter(each -> !put(each.reviewed(), tried))
                .toList();
        if (losers.isEmpty()) {
            change(content -> apply(group, content));
        }
        return losers;
    }

    /** Returns false if the row has another review of the same version. */
    private static boolean put(Reviewed reviewed, Content content) {
        Review same = content.reviews
                .computeIfAbsent(reviewed.key(), key -> new TreeMap<>())
                .putIfAbsent(reviewed.review().version(), reviewed.review());
        return same == null || same.equals(reviewed.review());
    }

    private void apply(Group group, Content content) {
        Position next = group.position();
        Position before = content.positions.put(next.logId(), next);
        long last = before == null ? 0 : before.sequence();
        if (before == null) {
            long first = group.placed().isEmpty()
                    ? Long.MAX_VALUE
                    : group.placed().get(0).sequence();
            content.unread.put(next.logId(), Math.min(first, firstInLog.getAsLong()) - 1);
        }
        assertThat(next.sequence()).as("a group is applied once").isGreaterThan(last);
        for (Placed placed : group.placed()) {
            assertThat(placed.sequence())
                    .as("versions are in the order of the log")
                    .isGreaterThan(last)
                    .isLessThanOrEqualTo(next.sequence());
            last = placed.sequence();
            List<Placed> versions =
                    content.rows.computeIfAbsent(placed.version().key(), key -> new ArrayList<>());
            if (placed.version().outcome().isChangedFrom(versions.isEmpty() ? null : newest(versions))) {
                versions.add(placed);
            }
        }
        group.reviews().forEach(each -> put(each.reviewed(), content));
        content.notes.putAll(group.notes());
    }

    @Override
    public void wentBack(String logId) {
        listener.wentBack();
        change(content -> {
            content.positions.remove(logId);
            content.unread.remove(logId);
            content.notes.keySet().removeIf(name -> name.startsWith(OutcomeRows.GAPS + logId));
        });
    }

    @Override
    public void sync() {
        requireUp();
        synced = live;
        unsynced.clear();
    }

    @Override
    public Map<String, String> notes(String prefix) {
        Map<String, String> notes = new TreeMap<>(live.notes);
        notes.keySet().removeIf(name -> !name.startsWith(prefix));
        return notes;
    }

    @Override
    public boolean sweep(Instant before) {
        requireUp();
        return false;
    }

    @Override
    public boolean areShared() {
        return false;
    }

    private static UnsupportedOperationException notSimulated() {
        return new UnsupportedOperationException("queries are not simulated");
    }

    @Override
    public List<String> shards(String prefix, String after, int limit) {
        throw notSimulated();
    }

    @Override
    public Map<String, List<Shape>> shapes(Collection<String> shards, int most) {
        throw notSimulated();
    }

    @Override
    public Rows find(OutcomeQuery wanted) {
        throw notSimulated();
    }

    @Override
    public Counts count(OutcomeQuery wanted, long[] bounds) {
        throw notSimulated();
    }

    @Override
    public List<Version> withId(String prefix, int limit) {
        requireUp();
        return live.rows.entrySet().stream()
                .filter(row -> row.getKey().pcsId().startsWith(prefix))
                .map(row -> new Version(row.getKey(), newest(row.getValue())))
                .toList();
    }

    @Override
    public List<Review> reviews(RowKey key, int limit) {
        requireUp();
        return allReviews().getOrDefault(key, List.of());
    }

    @Override
    public Map<RowKey, Review> newestReviews(Collection<RowKey> keys) {
        requireUp();
        Map<RowKey, Review> newest = new HashMap<>();
        allReviews().forEach((key, reviews) -> newest.put(key, reviews.get(0)));
        newest.keySet().retainAll(keys);
        return newest;
    }

    @Override
    public ReviewedPart reviewed(String cursor, int limit) {
        throw notSimulated();
    }

    @Override
    public Map<String, Long> faults(int most) {
        throw notSimulated();
    }

    @Override
    public List<Waiting> waiting(int most) {
        throw notSimulated();
    }

    @Override
    public Map<Long, Version> at(Collection<Long> numbers) {
        throw notSimulated();
    }

    @Override
    public List<Version> versions(RowKey key, int limit) {
        throw notSimulated();
    }

    @Override
    public List<Change> changes(String cursor, int limit) {
        throw notSimulated();
    }

    @Override
    public String newest() {
        throw notSimulated();
    }

    @Override
    public void close() {
        // memory only
    }
}
