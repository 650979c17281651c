// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RowFormat.Meta;
import dev.flk.backend.outcomes.record.RowFormat.StoredPosition;
import dev.flk.backend.outcomes.record.RowFormat.StoredVersion;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;

/**
 * The changes of {@link EmbeddedRows} after a cursor.
 *
 * @param foreignLog the log of the cursor if these rows do not know it; null if they do
 * @param lost why the cursor is no longer valid; null if it is valid
 */
record RowChanges(
        List<Change> changes,
        @Nullable String foreignLog,
        @Nullable String lost) {
    private static final long MOST_CHARS = 2 << 20;
    private static final String NO_LOG = "-";

    /**
     * A cursor.
     *
     * @param row the ROW after which the changes follow
     * @param removed the highest ROW that had been removed when the follower began
     */
    record Cursor(String logId, long history, long row, long removed) {
        private static final String FORMAT = "[^.]{1,64}(\\.[0-9a-f]{16}){3}";

        /** Parses a cursor; returns null for an empty text, which stands for the beginning. */
        static @Nullable Cursor parse(String text) {
            if (text.isEmpty()) {
                return null;
            }
            if (!text.matches(FORMAT)) {
                throw new InvalidCursorException("the cursor was not returned by this call");
            }
            String[] parts = text.split("\\.", -1);
            return new Cursor(parts[0], hex(parts[1]), hex(parts[2]), hex(parts[3]));
        }

        private static long hex(String digits) {
            return Long.parseUnsignedLong(digits, 16);
        }

        String text() {
            return "%s.%016x.%016x.%016x".formatted(logId, history, row, removed);
        }

        Cursor at(long other) {
            return new Cursor(logId, history, other, removed);
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
            String foreignLog = search.position(after.logId()).isEmpty() ? after.logId() : null;
            return new RowChanges(
                    List.of(), foreignLog, "history changed: the log of this cursor went back or was replaced");
        }
        if (after != null
                && (Math.max(after.row(), after.removed()) < meta.removed()
                        || (RowFormat.isOfALog(after.row()) && after.row() < meta.beginning()))) {
            return new RowChanges(
                    List.of(), null, "compacted: outcomes after this cursor were removed after RECORD_HISTORY");
        }
        Cursor from = new Cursor(
                newestLog(search, meta),
                meta.history(),
                after == null ? 0 : after.row(),
                after == null ? meta.removed() : after.removed());
        return new RowChanges(read(search, from, limit), null, null);
    }

    private static List<Change> read(RowSearch search, Cursor after, int limit) throws RocksDBException {
        List<Change> changes = new ArrayList<>();
        long[] chars = {0};
        search.scan(RowFormat.rowKey(after.row() + 1), new byte[] {'r' + 1}, (key, value) -> {
            StoredVersion version = StoredVersion.decode(value);
            changes.add(
                    new Change(after.at(RowFormat.rowAtEnd(key)).text(), new Version(version.key(), version.json())));
            chars[0] += version.json().length();
            return changes.size() < limit && chars[0] < MOST_CHARS;
        });
        return changes;
    }

    /** Returns the cursor after the newest change. */
    static String newest(RowSearch search) throws RocksDBException {
        Meta meta = search.meta();
        byte[] last = search.lastBefore(new byte[] {'r' + 1});
        long newest = last != null && last[0] == 'r' ? RowFormat.rowAtEnd(last) : 0;
        long row = Math.max(meta.beginning(), newest);
        return new Cursor(newestLog(search, meta), meta.history(), row, meta.removed()).text();
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
     */
    List<Change> orThrow() throws ChangesLostException {
        if (foreignLog != null) {
            throw new InvalidCursorException("the cursor belongs to another backend, with the log " + foreignLog);
        }
        if (lost != null) {
            throw new ChangesLostException(lost);
        }
        return changes;
    }
}
