// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

/** The SQL statements of the storage. Names have the collation "C", which orders them by their bytes. */
final class Sql {
    static final String BEGIN = """
            INSERT INTO flk_state (format, history_id, revision, committed_at, floor, floor_at, removed)
            VALUES (?, ?, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING""";

    static final String FORMAT = "SELECT format FROM flk_state";

    /**
     * A query for the head, for the commit time of a given revision if that revision is before the head, for the
     * server's time, for the newest touch, and for the time of a given touch if that touch is before the newest.
     */
    static final String HEAD = """
            SELECT history_id, revision, committed_at, floor, floor_at, CASE WHEN revision > ? THEN (
                SELECT earlier.committed_at FROM flk_state_events AS earlier WHERE earlier.revision = ?) END,
                (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, touches, touched_at, CASE WHEN touches > ? THEN (
                SELECT earlier.touched_at FROM flk_state_touches AS earlier WHERE earlier.number = ?) END
            FROM flk_state""";

    static final String LOCKED = " FOR UPDATE";
    static final String RAISE = "UPDATE flk_state SET revision = ?, committed_at = ?";

    /** The number of touches whose times are kept. */
    static final int TOUCHES_KEPT = 10_000;

    static final String COUNT_TOUCH = """
            WITH counted AS (UPDATE flk_state SET touches = ?, touched_at = ? RETURNING touches, touched_at),
            forgotten AS (DELETE FROM flk_state_touches WHERE number <= (SELECT touches FROM counted) - %d)
            INSERT INTO flk_state_touches SELECT touches, touched_at FROM counted""".formatted(TOUCHES_KEPT);

    static final String RENAME = "UPDATE flk_state SET history_id = ? WHERE history_id = ?";

    /** A query for the identity of the server and for the timeline, which changes when a standby is promoted. */
    static final String SERVER =
            "SELECT system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) FROM pg_control_system()";

    static final String STANDING = """
            SELECT asked.i, newest.version, newest.is_there, coalesce(newest.expires_at, 0)
            FROM unnest(?::text[], ?::text[], ?::text[]) WITH ORDINALITY AS asked (namespace, agent_id, key, i)
            JOIN flk_state_newest AS newest USING (namespace, agent_id, key)""";

    static final String ANSWERED = """
            SELECT asked.i, content, revision, committed_at, versions, expires_at
            FROM unnest(?::bytea[], ?::bytea[]) WITH ORDINALITY AS asked (caller, request_id, i)
            JOIN flk_state_requests USING (caller, request_id)""";

    static final String INSERT_EVENTS =
            "INSERT INTO flk_state_events SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::int[])";

    static final String INSERT_VERSIONS = """
            INSERT INTO flk_state_versions
            SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::int[], ?::bigint[], ?::text[], ?::bigint[])""";

    static final String PUT_NEWEST = """
            INSERT INTO flk_state_newest
            SELECT namespace, agent_id, key, version, revision, value IS NOT NULL, flk_state_document(value)
            FROM unnest(?::text[], ?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::text[])
                AS given (namespace, agent_id, key, version, revision, value)
            ON CONFLICT (namespace, agent_id, key) DO UPDATE SET version = EXCLUDED.version, revision = EXCLUDED.revision,
                is_there = EXCLUDED.is_there, document = EXCLUDED.document""";

    static final String PUT_EXPIRIES = """
            UPDATE flk_state_newest AS newest SET expires_at = nullif(given.expires_at, 0)
            FROM unnest(?::text[], ?::text[], ?::text[], ?::bigint[]) AS given (namespace, agent_id, key, expires_at)
            WHERE newest.namespace = given.namespace AND newest.agent_id = given.agent_id AND newest.key = given.key""";

    static final String VALUES = """
            SELECT newest.agent_id, newest.key, v.version, v.revision, v.committed_at, v.ttl, v.value
            FROM flk_state_newest AS newest JOIN flk_state_versions AS v USING (namespace, agent_id, key, version)
            WHERE newest.namespace = ? AND newest.agent_id >= ? AND newest.agent_id < ? AND newest.is_there
                AND (newest.agent_id, newest.key) > (?, ?)
            ORDER BY newest.agent_id, newest.key LIMIT ?""";

    static final String EXPIRED = """
            SELECT namespace, agent_id, key FROM flk_state_newest
            WHERE expires_at <= least(?, (extract(epoch FROM now()) * 1000000)::bigint) ORDER BY expires_at, namespace, agent_id, key LIMIT ?""";

    /** A query for the ends of lifetimes, and for the number of touches that they include. */
    static final String EXPIRIES = """
            SELECT asked.i, newest.expires_at, (SELECT touches FROM flk_state)
            FROM unnest(?::text[], ?::text[], ?::text[]) WITH ORDINALITY AS asked (namespace, agent_id, key, i)
            JOIN flk_state_newest AS newest USING (namespace, agent_id, key)
            WHERE newest.expires_at IS NOT NULL""";

    /** A statement that begins the lifetimes of restored keys. */
    static final String BEGIN_LIFETIMES = """
            UPDATE flk_state_newest AS newest SET expires_at = ? + v.ttl FROM flk_state_versions AS v
            WHERE v.ttl IS NOT NULL AND newest.namespace = v.namespace AND newest.agent_id = v.agent_id
                AND newest.key = v.key AND newest.version = v.version""";

    static final String PUT_ANSWER = """
            INSERT INTO flk_state_requests VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (caller, request_id) DO UPDATE SET content = EXCLUDED.content, revision = EXCLUDED.revision,
                committed_at = EXCLUDED.committed_at, versions = EXCLUDED.versions, expires_at = EXCLUDED.expires_at""";

    static final String NEWEST = """
            SELECT asked.i, found.*
            FROM unnest(?::text[], ?::text[], ?::text[]) WITH ORDINALITY AS asked (namespace, agent_id, key, i)
            CROSS JOIN LATERAL (
                SELECT version, revision, committed_at, ttl, value FROM flk_state_versions AS v
                WHERE v.namespace = asked.namespace AND v.agent_id = asked.agent_id AND v.key = asked.key AND v.revision <= ?
                ORDER BY version DESC LIMIT 1) AS found""";

    /** A query for the size of the values of NEWEST. The length of a long value is stored apart from it. */
    static final String NEWEST_BYTES = """
            SELECT coalesce(sum(octet_length(found.value)), 0)
            FROM unnest(?::text[], ?::text[], ?::text[]) AS asked (namespace, agent_id, key)
            CROSS JOIN LATERAL (
                SELECT value FROM flk_state_versions AS v
                WHERE v.namespace = asked.namespace AND v.agent_id = asked.agent_id AND v.key = asked.key AND v.revision <= ?
                ORDER BY version DESC LIMIT 1) AS found""";

    static final String HISTORY = """
            SELECT version, revision, committed_at, ttl, value FROM flk_state_versions
            WHERE namespace = ? AND agent_id = ? AND key = ? AND version < ? ORDER BY version DESC LIMIT ?""";

    /**
     * A query for the keys that exist at a revision, among at most the next 10,000 keys. The last column marks the
     * 10,000th key, which is returned even if it does not exist at the revision, because the next page begins after it.
     */
    static final String KEYS = """
            SELECT looked.key, existing.version, existing.revision, coalesce(existing.is_there, false), looked.n = 10000
            FROM (
                SELECT namespace, agent_id, key, row_number() OVER (ORDER BY key) AS n FROM flk_state_newest
                WHERE namespace = ? AND agent_id = ? AND key >= ? AND key <> ? AND key < ?
                ORDER BY key LIMIT 10000) AS looked
            LEFT JOIN LATERAL (
                SELECT version, revision, value IS NOT NULL AS is_there FROM flk_state_versions AS v
                WHERE v.namespace = looked.namespace AND v.agent_id = looked.agent_id AND v.key = looked.key AND v.revision <= ?
                ORDER BY version DESC LIMIT 1) AS existing ON true
            WHERE existing.is_there OR looked.n = 10000
            ORDER BY looked.key LIMIT ?""";

    static final String AGENTS = names("agent_id", "namespace = ?");
    static final String NAMESPACES = names("namespace", "'' = ?");

    static final String EVENTS = """
            SELECT event.revision, event.committed_at, event.changes, namespace, agent_id, key, version, ttl, value
            FROM flk_state_events AS event LEFT JOIN flk_state_versions AS v ON v.revision = event.revision
            WHERE event.revision >= ? AND event.revision < ? ORDER BY event.revision, v.place""";

    /**
     * A query for the places of an agent's changes in a range of revisions, including all those of the last revision.
     * Because the inner query is materialized, Postgres chooses between the index of the agent's versions and the index
     * of the revisions by the number of rows in each; the limit would make it walk all revisions in order.
     */
    static final String PLACES = """
            WITH found AS MATERIALIZED (
                SELECT revision, place FROM flk_state_versions
                WHERE namespace = ? AND agent_id = ? AND revision >= ? AND revision < ?),
            lowest AS (SELECT revision, place FROM found ORDER BY revision FETCH FIRST (?) ROWS WITH TIES)
            SELECT revision, place FROM lowest ORDER BY revision, place""";

    static final String EVENTS_AT_PLACES = """
            SELECT event.revision, event.committed_at, event.changes, namespace, agent_id, key, version, ttl, value
            FROM unnest(?::bigint[], ?::int[]) AS wanted (revision, place)
            JOIN flk_state_versions AS v ON v.revision = wanted.revision AND v.place = wanted.place
            JOIN flk_state_events AS event ON event.revision = v.revision
            ORDER BY event.revision, v.place""";

    static final String CHANGES =
            "SELECT coalesce(sum(changes), 0) FROM flk_state_events WHERE revision >= ? AND revision < ?";

    static final String COMMITTED_AT = "SELECT committed_at FROM flk_state_events WHERE revision = ?";

    static final String REVISION_AT = """
            SELECT greatest(floor, (
                SELECT revision FROM flk_state_events WHERE committed_at <= ? ORDER BY committed_at DESC LIMIT 1))
            FROM flk_state""";

    /**
     * A query that returns whether a path is a predicate. A predicate has one boolean result (true, false or unknown)
     * for any value, so the path is tried on an empty object. Any other path has no such result for the empty object,
     * unless the path is a constant.
     */
    static final String IS_PREDICATE = """
            SELECT jsonb_path_query_array('{}', ?::jsonpath, '{}', true)
                IN ('[true]'::jsonb, '[false]'::jsonb, '[null]'::jsonb)""";

    /**
     * The beginning of a search in newest values, to which conditions and an order are appended. Each condition on the
     * document can use the index of the documents.
     */
    static final String FIND = """
            SELECT newest.agent_id, newest.key, v.version, v.revision, v.committed_at, v.ttl, v.value
            FROM flk_state_newest AS newest JOIN flk_state_versions AS v USING (namespace, agent_id, key, version)
            WHERE newest.namespace = ? AND (? = '' OR newest.agent_id = ?)""";

    /** A condition: the path finds something. The question mark of the operator is escaped for the driver. */
    static final String EXISTS = " AND newest.document @?? ?::jsonpath";

    /** A condition: the predicate is true. */
    static final String HOLDS = " AND newest.document @@ ?::jsonpath";

    static final String CONTAINS = " AND newest.document @> ?::jsonb";

    static final String AFTER_KEY = " AND (newest.agent_id, newest.key) > (?, ?)";
    static final String AFTER_OLDER = " AND (newest.revision, newest.agent_id, newest.key) > (?, ?, ?)";
    static final String AFTER_NEWER =
            " AND (newest.revision < ? OR newest.revision = ? AND (newest.agent_id, newest.key) > (?, ?))";

    static final String BY_KEY = " ORDER BY newest.agent_id, newest.key LIMIT ?";

    /** The order by revision, which is also the order by commit time. */
    static final String OLDEST_FIRST = " ORDER BY newest.revision, newest.agent_id, newest.key LIMIT ?";

    static final String NEWEST_FIRST = " ORDER BY newest.revision DESC, newest.agent_id, newest.key LIMIT ?";

    static final String RAISE_FLOOR = """
            UPDATE flk_state SET floor = ?, floor_at = (SELECT committed_at FROM flk_state_events WHERE revision = ?)
            WHERE floor < ?""";

    /**
     * A query for the last revision of the next part of a removal. The part has at most a given number of versions, but
     * always includes the next revision that has versions, even if that revision alone has more. Returns no row if at
     * most that number of versions is left.
     */
    static final String PART = """
            SELECT greatest(revision - 1, (SELECT min(revision) FROM flk_state_versions WHERE revision > ?))
            FROM flk_state_versions WHERE revision > ? ORDER BY revision, place OFFSET ? LIMIT 1""";

    /** Statements that turn off the timeouts of the current transaction. */
    static final String TAKE_TIME =
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

    static final String MOVE_PENDING =
            "SET statement_timeout = 0; SELECT gin_clean_pending_list('flk_state_newest_documents'::regclass)";

    static final String REMOVED = "SELECT removed FROM flk_state";
    static final String NOTE_REMOVED = "UPDATE flk_state SET removed = ?";

    /**
     * A statement that removes old versions. Only keys that were changed in the given range of revisions can have old
     * versions to remove.
     */
    static final String REMOVE_VERSIONS = """
            WITH existing AS (
                SELECT changed.*, newest.version, newest.revision, newest.is_deleted
                FROM (
                    SELECT DISTINCT namespace, agent_id, key FROM flk_state_versions
                    WHERE revision > ? AND revision <= ?) AS changed
                CROSS JOIN LATERAL (
                    SELECT version, revision, value IS NULL AS is_deleted FROM flk_state_versions AS v
                    WHERE v.namespace = changed.namespace AND v.agent_id = changed.agent_id AND v.key = changed.key
                        AND v.revision <= ?
                    ORDER BY version DESC LIMIT 1) AS newest),
            forgotten AS (
                DELETE FROM flk_state_newest AS newest USING existing
                WHERE existing.is_deleted AND newest.namespace = existing.namespace AND newest.agent_id = existing.agent_id
                    AND newest.key = existing.key AND newest.version = existing.version),
            noted AS (
                INSERT INTO flk_state_removed AS before
                SELECT namespace, agent_id, max(revision) FROM existing WHERE is_deleted GROUP BY namespace, agent_id
                ON CONFLICT (namespace, agent_id) DO UPDATE SET revision = greatest(before.revision, EXCLUDED.revision))
            DELETE FROM flk_state_versions AS v USING existing
            WHERE v.namespace = existing.namespace AND v.agent_id = existing.agent_id AND v.key = existing.key
                AND (v.version < existing.version OR existing.is_deleted AND v.version = existing.version)""";

    static final String REMOVE_EVENTS = "DELETE FROM flk_state_events WHERE revision > ? AND revision <= ?";

    static final String RAISE_TRIMMED = """
            INSERT INTO flk_state_trimmed AS present VALUES (?, ?, 0)
            ON CONFLICT (namespace) DO UPDATE SET up_to = greatest(present.up_to, EXCLUDED.up_to)""";

    static final String TRIMMED = "SELECT up_to, removed FROM flk_state_trimmed WHERE namespace = ?";
    static final String NOTE_TRIMMED = "UPDATE flk_state_trimmed SET removed = ? WHERE namespace = ?";

    static final String TRIM = """
            WITH gone AS (
                DELETE FROM flk_state_versions WHERE namespace = ? AND revision > ? AND revision <= ?
                RETURNING namespace, agent_id, key, version, revision),
            noted AS (
                INSERT INTO flk_state_removed AS before
                SELECT namespace, agent_id, max(revision) FROM gone GROUP BY namespace, agent_id
                ON CONFLICT (namespace, agent_id) DO UPDATE SET revision = greatest(before.revision, EXCLUDED.revision))
            DELETE FROM flk_state_newest AS newest USING gone
            WHERE newest.namespace = ? AND newest.agent_id = gone.agent_id AND newest.key = gone.key
                AND newest.version = gone.version""";

    static final String FLOOR = "SELECT floor FROM flk_state";

    static final String CHANGED = """
            SELECT namespace, agent_id FROM (
                SELECT namespace, agent_id FROM flk_state_versions WHERE revision > ? AND revision <= ?
                UNION
                SELECT namespace, agent_id FROM flk_state_removed WHERE revision > ?) AS changed
            WHERE (? = '' OR namespace = ?) AND (? = '' OR agent_id = ?)""";

    static final String STOOD = """
            SELECT * FROM (
                SELECT DISTINCT ON (namespace, agent_id, key)
                    namespace, agent_id, key, version, revision, committed_at, ttl, value
                FROM flk_state_versions
                WHERE revision <= ? AND (? = '' OR namespace = ?) AND (? = '' OR agent_id = ?)
                    AND (namespace, agent_id, key) > (?, ?, ?)
                ORDER BY namespace, agent_id, key, version DESC) AS existing
            WHERE value IS NOT NULL ORDER BY namespace, agent_id, key LIMIT ?""";

    static final String RESTORED = """
            UPDATE flk_state
            SET history_id = ?, revision = ?, committed_at = ?, floor = ?, floor_at = ?, removed = ?""";

    static final int FORGOTTEN_AT_ONCE = 10_000;

    static final String FORGET = """
            DELETE FROM flk_state_requests WHERE ctid IN (
                SELECT ctid FROM flk_state_requests WHERE expires_at <= ? ORDER BY expires_at LIMIT 10000
                FOR UPDATE SKIP LOCKED)""";

    /** A query for the approximate number of keys, as of the server's last analysis of the table. */
    static final String KEY_COUNT =
            "SELECT greatest(0, reltuples)::bigint FROM pg_class WHERE oid = 'flk_state_newest'::regclass";

    static final String BYTES = """
            SELECT sum(pg_total_relation_size(name::regclass))
            FROM unnest(ARRAY['flk_state_events', 'flk_state_versions', 'flk_state_newest', 'flk_state_requests']) AS name""";

    private Sql() {}

    /** Returns a query for the distinct values of a column. The query jumps from value to value through the index. */
    private static String names(String column, String scope) {
        return """
            WITH RECURSIVE names AS (
                (SELECT {column} AS name FROM flk_state_newest
                    WHERE {scope} AND is_there AND {column} >= ? AND {column} <> ? AND {column} < ? ORDER BY {column} LIMIT 1)
                UNION ALL
                SELECT (SELECT {column} FROM flk_state_newest
                    WHERE {scope} AND is_there AND {column} > names.name AND {column} < ? ORDER BY {column} LIMIT 1)
                FROM names WHERE names.name IS NOT NULL)
            SELECT name FROM names WHERE name IS NOT NULL LIMIT ?""".replace("{column}", column).replace("{scope}", scope);
    }
}
