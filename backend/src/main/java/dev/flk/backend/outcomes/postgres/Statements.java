// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import static dev.flk.backend.outcomes.postgres.SqlCalls.each;
import static dev.flk.backend.outcomes.postgres.SqlCalls.query;
import static dev.flk.backend.outcomes.postgres.SqlCalls.update;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.WriteMark;
import dev.flk.backend.outcomes.postgres.SqlCalls.Columns;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * All SQL statements of the store. An id is stored as a {@code bytea} of 32 bytes, because its index is half as large
 * as an index over 64 hex digits, and the order of such ids does not depend on the collation of the database.
 */
final class Statements {
    private static final String GIVEN = "pcs_id, status, body, digest, signed_digest, expires_at_millis";
    private static final String COLUMNS = GIVEN + ", log_id";

    /**
     * A statement that inserts rows and replaces expired rows, in the order of their ids, so that two transactions
     * can't deadlock. A row that is still valid is locked but not changed, so that no other backend can remove it
     * before {@link #STANDING} reads it in the same transaction.
     */
    static final String INSERT = """
            INSERT INTO flk_outcomes AS present (%s)
            SELECT given.*, ? FROM unnest(?::bytea[], ?::smallint[], ?::bytea[], ?::bytea[], ?::text[], ?::bigint[]) AS given (%s)
            ORDER BY given.pcs_id
            ON CONFLICT (pcs_id) DO UPDATE SET status = EXCLUDED.status, body = EXCLUDED.body, digest = EXCLUDED.digest,
                signed_digest = EXCLUDED.signed_digest, expires_at_millis = EXCLUDED.expires_at_millis,
                log_id = EXCLUDED.log_id
            WHERE present.expires_at_millis <= ?
            RETURNING pcs_id""".formatted(COLUMNS, GIVEN);

    private static final String ADOPT = "UPDATE flk_outcomes SET log_id = ? WHERE pcs_id = ? AND log_id = ?";

    static final String STANDING = "SELECT %s FROM flk_outcomes WHERE pcs_id = ANY (?)".formatted(COLUMNS);

    /**
     * A query that reads outcomes and the token of the position in one snapshot. An outcome that is not in the result
     * was therefore missing or expired while this token was current.
     */
    static final String LOOK_UP = """
            SELECT position.token, outcome.*
            FROM (SELECT 1) AS always
            LEFT JOIN flk_positions AS position ON position.log_id = ?
            LEFT JOIN (SELECT %s FROM flk_outcomes) AS outcome
                ON outcome.pcs_id = ANY (?) AND outcome.expires_at_millis > ?""".formatted(COLUMNS);

    /** The maximum number of rows in one statement; a put seldom has more rows. */
    private static final int ROWS_AT_ONCE = 1_000;

    /**
     * A query for a note that evidence is in the log. Unlike {@link #LOOK_UP}, this query does not read the token of
     * the position. The token would show that the database has lost rows, but a lost note only causes the evidence to
     * be appended to the log again.
     */
    static final String LOOK_UP_EVIDENCE =
            "SELECT 1 FROM flk_evidence WHERE pcs_id = ? AND digest = ? AND expires_at_millis > ?";

    static final String NOTE_EVIDENCE = """
            INSERT INTO flk_evidence (pcs_id, digest, expires_at_millis) VALUES (?, ?, ?)
            ON CONFLICT (pcs_id, digest) DO UPDATE SET expires_at_millis = EXCLUDED.expires_at_millis""";

    /**
     * A statement that removes expired rows, oldest first. Backends share the work: each backend skips rows that
     * another backend is removing or replacing.
     */
    private static final String REMOVE = """
            DELETE FROM %1$s WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM %1$s WHERE expires_at_millis <= ?
                ORDER BY expires_at_millis LIMIT ? FOR UPDATE SKIP LOCKED))""";

    static final String REMOVE_OUTCOMES = REMOVE.formatted("flk_outcomes");
    static final String REMOVE_EVIDENCE = REMOVE.formatted("flk_evidence");

    private Statements() {}

    /**
     * The result of a look-up.
     *
     * @param token the token in the log's row of {@code flk_positions}, read in the same snapshot as the outcomes; null
     *     if the log has no such row
     */
    record Found(@Nullable String token, Map<PcsId, StoredOutcome> outcomes) {
        List<Optional<StoredOutcome>> inOrderOf(List<PcsId> ids) {
            return ids.stream().map(id -> Optional.ofNullable(outcomes.get(id))).toList();
        }
    }

    static Found lookUp(Connection connection, String logId, List<PcsId> ids, long nowMillis) throws SQLException {
        @Nullable String[] token = {null};
        Map<PcsId, StoredOutcome> outcomes = new HashMap<>();
        each(
                connection,
                LOOK_UP,
                row -> {
                    token[0] = row.getString(1);
                    if (row.getBytes(2) != null) {
                        StoredOutcome outcome = read(row, 2);
                        outcomes.put(outcome.id(), outcome);
                    }
                },
                logId,
                new Columns<>(connection, ids).bytes(PcsId::toBytes),
                nowMillis);
        return new Found(token[0], outcomes);
    }

    /**
     * Records each outcome within the caller's transaction, unless its id already has a valid outcome. Returns the
     * stored outcome of each id, in the order of {@code decisions}.
     */
    static List<StoredOutcome> putIfAbsent(
            Connection connection, String logId, List<StoredOutcome> decisions, long nowMillis) throws SQLException {
        List<StoredOutcome> sorted = decisions.stream()
                .sorted(Comparator.comparing(StoredOutcome::id))
                .toList();
        Map<PcsId, StoredOutcome> existing = new HashMap<>();
        for (int from = 0; from < sorted.size(); from += ROWS_AT_ONCE) {
            List<StoredOutcome> part = sorted.subList(from, Math.min(sorted.size(), from + ROWS_AT_ONCE));
            insert(connection, logId, part, nowMillis, existing);
        }
        List<PcsId> others = sorted.stream()
                .map(StoredOutcome::id)
                .filter(id -> !existing.containsKey(id))
                .toList();
        if (!others.isEmpty()) {
            readExisting(connection, others, existing);
        }
        List<StoredOutcome> inOrder = new ArrayList<>(decisions.size());
        for (StoredOutcome decision : decisions) {
            StoredOutcome winner = existing.get(decision.id());
            if (winner == null) {
                throw new IllegalStateException("the outcome of " + decision.id() + " was neither inserted nor found");
            }
            inOrder.add(winner);
        }
        return inOrder;
    }

    private static void insert(
            Connection connection,
            String logId,
            List<StoredOutcome> decisions,
            long nowMillis,
            Map<PcsId, StoredOutcome> existing)
            throws SQLException {
        Map<PcsId, StoredOutcome> given = new HashMap<>();
        decisions.forEach(decision -> given.put(decision.id(), decision));
        Columns<StoredOutcome> columns = new Columns<>(connection, decisions);
        each(
                connection,
                INSERT,
                row -> {
                    PcsId id = id(row.getBytes(1));
                    existing.put(id, given.get(id));
                },
                logId,
                columns.bytes(each -> each.id().toBytes()),
                columns.shorts(each -> (short) each.status()),
                columns.bytes(StoredOutcome::body),
                columns.bytes(each -> each.digest().toBytes()),
                columns.texts(StoredOutcome::signedDigest),
                columns.longs(StoredOutcome::expiresAtMillis),
                nowMillis);
    }

    private static void readExisting(Connection connection, List<PcsId> ids, Map<PcsId, StoredOutcome> existing)
            throws SQLException {
        each(
                connection,
                STANDING,
                row -> {
                    StoredOutcome present = read(row, 1);
                    existing.put(present.id(), present);
                },
                new Columns<>(connection, ids).bytes(PcsId::toBytes));
    }

    private static StoredOutcome read(ResultSet row, int first) throws SQLException {
        return new StoredOutcome(
                id(row.getBytes(first)),
                row.getInt(first + 1),
                row.getBytes(first + 2),
                ContentDigest.of(row.getBytes(first + 3)),
                row.getString(first + 4),
                row.getLong(first + 5),
                Objects.requireNonNullElse(row.getString(first + 6), ""));
    }

    private static PcsId id(byte[] bytes) {
        return PcsId.parse(HexFormat.of().formatHex(bytes)).orElseThrow();
    }

    /** Gives an outcome to another log, unless it has changed since it was read. */
    static boolean adopt(Connection connection, StoredOutcome existing, String logId) throws SQLException {
        return update(connection, ADOPT, logId, existing.id().toBytes(), existing.logId()) == 1;
    }

    static boolean knowsEvidence(Connection connection, PcsId id, ContentDigest digest, long nowMillis)
            throws SQLException {
        return !query(connection, LOOK_UP_EVIDENCE, row -> true, id.toBytes(), digest.toBytes(), nowMillis)
                .isEmpty();
    }

    static void noteEvidence(Connection connection, PcsId id, ContentDigest digest, long expiresAtMillis)
            throws SQLException {
        update(connection, NOTE_EVIDENCE, id.toBytes(), digest.toBytes(), expiresAtMillis);
    }

    /**
     * Removes expired rows, at most {@code most} from {@code flk_outcomes} and at most {@code most} from {@code
     * flk_evidence}; a row is expired if its expiry is not later than {@code expiredByMillis}. Returns the total number
     * of removed rows.
     */
    static int removeExpired(Connection connection, long expiredByMillis, int most) throws SQLException {
        return update(connection, REMOVE_OUTCOMES, expiredByMillis, most)
                + update(connection, REMOVE_EVIDENCE, expiredByMillis, most);
    }

    /**
     * The row of one log in {@code flk_positions}: the sequence up to which the database contains the outcomes of the
     * log, and the token of the last write, which is its {@link WriteMark}.
     */
    record PositionRow(String logId) {
        static final String READ = "SELECT complete_up_to, token FROM flk_positions WHERE log_id = ?";
        static final String MOVE =
                "UPDATE flk_positions SET complete_up_to = ?, token = ? WHERE log_id = ? AND token = ?";
        static final String BEGIN = """
                INSERT INTO flk_positions (complete_up_to, token, log_id) VALUES (?, ?, ?)
                ON CONFLICT (log_id) DO NOTHING""";

        static final int INCARNATION_BYTES = 16;

        /** Renders a mark as a token: {@code incarnation.counter}. */
        static String token(WriteMark mark) {
            return mark.incarnation() + "." + mark.counter();
        }

        /** Parses the output of {@link #token}; returns empty if the text has no dot followed by a number. */
        static Optional<WriteMark> markIn(String token) {
            int dot = token.indexOf('.');
            try {
                return dot < 0
                        ? Optional.empty()
                        : Optional.of(new WriteMark(token.substring(0, dot), Long.parseLong(token.substring(dot + 1))));
            } catch (NumberFormatException e) {
                return Optional.empty();
            }
        }

        /** The content of the row. */
        record Position(long completeUpTo, String token) {}

        Optional<Position> read(Connection connection) throws SQLException {
            return query(connection, READ, row -> new Position(row.getLong(1), row.getString(2)), logId).stream()
                    .findFirst();
        }

        /**
         * Writes the position if its row has the expected token. If no token is expected, writes the position if the
         * log has no row yet. A written row remains locked until the transaction ends.
         *
         * @return whether the position was written
         */
        boolean move(Connection connection, Optional<String> expected, long completeUpTo, WriteMark next)
                throws SQLException {
            int written = expected.isPresent()
                    ? update(connection, MOVE, completeUpTo, token(next), logId, expected.get())
                    : update(connection, BEGIN, completeUpTo, token(next), logId);
            return written == 1;
        }
    }
}
