// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RowFormat.Meta;
import dev.flk.backend.outcomes.record.RowFormat.StoredPosition;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;

/**
 * The changes of {@link EmbeddedRows} after a cursor.
 *
 * @param refusal why the cursor can't be used here, or not yet; null if it can be used
 * @param lost why the cursor is no longer valid; null if it is valid
 */
record RowChanges(
        List<Change> changes,
        @Nullable RuntimeException refusal,
        @Nullable String lost) {
    private static final long MOST_BYTES = 2 << 20;
    private static final String HISTORY_CHANGED = "history changed: the log of this cursor went back or was replaced";
    private static final String NO_LOG = "-";

    /**
     * A cursor.
     *
     * @param row the ROW after which the changes follow
     * @param removed the highest ROW that had been removed when the follower began
     * @param token identifies the version at this ROW: a log that went back has another one there; 0 if unknown
     */
    record Cursor(String logId, long history, long row, long removed, long token) {
        private static final String FORMAT = "[^.]{1,64}(\\.[0-9a-f]{16}){4}";

        /** Parses a cursor; returns null for an empty text, which stands for the beginning. */
        static @Nullable Cursor parse(String text) {
            if (text.isEmpty()) {
                return null;
            }
            if (!text.matches(FORMAT)) {
                throw new InvalidCursorException("the cursor was not returned by this call");
            }
            String[] parts = text.split("\\.", -1);
            return new Cursor(parts[0], hex(parts[1]), hex(parts[2]), hex(parts[3]), hex(parts[4]));
        }

        private static long hex(String digits) {
            return Long.parseUnsignedLong(digits, 16);
        }

        String text() {
            return "%s.%016x.%016x.%016x.%016x".formatted(logId, history, row, removed, token);
        }

        Cursor at(long other, Changed changed) {
            return new Cursor(logId, history, other, removed, tokenOf(changed));
        }

        /** Returns a token that stays the same if the version or the review is derived from the log again. */
        static long tokenOf(Changed changed) {
            String content =
                    changed instanceof Version version ? "" + version.outcome().receivedMillis() : changed.toString();
            return RowFormat.hash(changed.key().pcsId() + content) | 1; // not 0
        }

        /** Returns whether the cursor was returned before anything was derived from a log. */
        boolean isOfNoLog() {
            return logId.equals(NO_LOG);
        }
    }

    /** Reads at most {@code limit} changes after a cursor, or from the beginning. */
    static RowChanges after(RowSearch search, @Nullable Cursor after, int limit) throws RocksDBException {
        Meta meta = search.meta();
        boolean isBeforeAll = after != null && after.isOfNoLog() && meta.generation() <= RowFormat.FIRST_GENERATION;
        if (after != null && after.history() != meta.history() && !isBeforeAll) {
            return new RowChanges(List.of(), refusal(search, meta, after), HISTORY_CHANGED);
        }
        if (after != null
                && (Math.max(after.row(), after.removed()) < meta.removed()
                        // rows of earlier generations remain when a log goes back or is replaced
                        || (RowFormat.generation(after.row()) == meta.generation()
                                && after.row() < meta.beginning()))) {
            return new RowChanges(
                    List.of(), null, "compacted: outcomes after this cursor were removed after RECORD_HISTORY");
        }
        if (after != null && after.row() > meta.removed() && isReplaced(search, after)) {
            return new RowChanges(List.of(), null, HISTORY_CHANGED);
        }
        Cursor from = new Cursor(
                newestLog(search, meta),
                meta.history(),
                after == null ? 0 : after.row(),
                after == null ? meta.removed() : after.removed(),
                after == null ? 0 : after.token());
        return new RowChanges(read(search, from, limit), null, null);
    }

    /** Returns why a cursor of a history that these rows do not have can't be used; null if they know its log. */
    private static @Nullable RuntimeException refusal(RowSearch search, Meta meta, Cursor after)
            throws RocksDBException {
        if (meta.generation() < RowFormat.FIRST_GENERATION) { // as after a loss of DEDUP_DIR, until the log is read
            return new RecordUnavailableException(
                    "nothing has been read from the log yet, so the cursor can't be checked", null);
        }
        return search.position(after.logId()).isEmpty()
                ? new InvalidCursorException("the cursor belongs to another backend, with the log " + after.logId())
                : null;
    }

    /**
     * Returns whether there are later versions, but not the one of the cursor: the log and these rows were both replaced
     * by older copies. Until later versions exist, the one of the cursor may still be read from the log.
     */
    private static boolean isReplaced(RowSearch search, Cursor after) throws RocksDBException {
        if (after.token() == 0 || !RowFormat.isOfALog(after.row())) {
            return false;
        }
        byte[] value = search.get(RowFormat.rowKey(after.row()));
        if (value != null) {
            return Cursor.tokenOf(RowFormat.decode(value)) != after.token();
        }
        byte[] last = search.lastBefore(new byte[] {'r' + 1});
        return last != null && last[0] == 'r' && RowFormat.rowAtEnd(last) > after.row();
    }

    private static List<Change> read(RowSearch search, Cursor after, int limit) throws RocksDBException {
        List<Change> changes = new ArrayList<>();
        long[] bytes = {0};
        search.scan(RowFormat.rowKey(after.row() + 1), new byte[] {'r' + 1}, (key, value) -> {
            Changed changed = RowFormat.decode(value);
            changes.add(new Change(after.at(RowFormat.rowAtEnd(key), changed).text(), changed));
            bytes[0] += value.length;
            return changes.size() < limit && bytes[0] < MOST_BYTES;
        });
        return changes;
    }

    /** Returns the cursor after the newest change. */
    static String newest(RowSearch search) throws RocksDBException {
        Meta meta = search.meta();
        Cursor beginning = new Cursor(newestLog(search, meta), meta.history(), meta.beginning(), meta.removed(), 0);
        byte[] last = search.lastBefore(new byte[] {'r' + 1});
        if (last == null || last[0] != 'r' || RowFormat.rowAtEnd(last) <= meta.beginning()) {
            return beginning.text();
        }
        byte[] value = search.get(last);
        long row = RowFormat.rowAtEnd(last);
        return (value == null ? beginning : beginning.at(row, RowFormat.decode(value))).text();
    }

    /** Returns the id of the log of the newest generation; a hyphen if nothing was derived from a log. */
    private static String newestLog(RowSearch search, Meta meta) throws RocksDBException {
        String[] newest = {NO_LOG};
        search.scan(new byte[] {'p'}, new byte[] {'p' + 1}, (key, value) -> {
            String logId = new String(key, 1, key.length - 1, StandardCharsets.UTF_8);
            if (StoredPosition.decode(logId, value).generation() == meta.generation()) {
                newest[0] = logId;
            }
            return true;
        });
        return newest[0];
    }

    /**
     * Returns the changes.
     *
     * @throws InvalidCursorException if the cursor belongs to another backend
     * @throws RecordUnavailableException if the cursor can't be checked yet
     */
    List<Change> orThrow() throws ChangesLostException {
        if (refusal != null) {
            throw refusal;
        }
        if (lost != null) {
            throw new ChangesLostException(lost);
        }
        return changes;
    }
}
