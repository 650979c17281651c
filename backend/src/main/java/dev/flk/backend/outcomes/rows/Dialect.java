// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

/** The differences between the engines; everything else is one SQL. */
enum Dialect {
    /** Reads whole columns fast; a scan that keeps only {@code rowid} needs little memory. */
    DUCKDB(
            "",
            50_000,
            """
            SELECT %1$s FROM flk_record_outcomes WHERE rowid IN (
                SELECT unnest(arg_max(rowid, received::HUGEINT * 1152921504606846976 + n, %3$d)) -- 2^60 is more than any n
                FROM flk_record_outcomes WHERE %4$s AND shard IN (%2$s) GROUP BY shard)
            ORDER BY received DESC, n DESC""",
            """
            SELECT DISTINCT shard FROM flk_record_outcomes
            WHERE is_current AND shard >= ? AND shard > ? AND starts_with(shard, ?) ORDER BY shard LIMIT %d""",
            "SELECT %s FROM flk_record_outcomes WHERE rowid IN (SELECT rowid FROM flk_record_outcomes WHERE n IN (%s))"),

    /** Reads single rows fast, by indexes. */
    POSTGRES(" FOR UPDATE", 2_000, """
            SELECT %1$s FROM unnest(ARRAY[%2$s]) AS wanted (name) CROSS JOIN LATERAL (
                SELECT * FROM flk_record_outcomes WHERE %4$s AND shard = wanted.name
                ORDER BY received DESC, n DESC LIMIT %3$d) AS newest
            ORDER BY received DESC, n DESC""", """
            WITH RECURSIVE wanted (least, after, prefix) AS (SELECT ?::text, ?::text, ?::text), found (shard) AS (
                (SELECT shard FROM flk_record_outcomes
                    WHERE is_current AND shard >= (SELECT least FROM wanted) AND shard > (SELECT after FROM wanted)
                    ORDER BY shard LIMIT 1)
                UNION ALL
                SELECT (SELECT next.shard FROM flk_record_outcomes AS next
                    WHERE next.is_current AND next.shard > found.shard ORDER BY next.shard LIMIT 1)
                FROM found WHERE starts_with(found.shard, (SELECT prefix FROM wanted)))
            SELECT shard FROM found WHERE starts_with(shard, (SELECT prefix FROM wanted)) LIMIT %d""", "SELECT %s FROM flk_record_outcomes WHERE n IN (%s)");

    /** The end of a query for values of {@code flk_record} that are going to be changed. */
    final String lock;
    /** The number of rows that a sweep removes at once. */
    final int removedAtOnce;
    /** A query for the newest rows of each shard: the columns, the parameters for shards, the number, the condition. */
    final String newestOfShards;
    /** A query for at most some shards from a name on, after a name, and with a prefix. */
    final String shards;
    /** A query for columns of rows by their {@code n}. */
    final String byNumbers;

    Dialect(String lock, int removedAtOnce, String newestOfShards, String shards, String byNumbers) {
        this.lock = lock;
        this.removedAtOnce = removedAtOnce;
        this.newestOfShards = newestOfShards;
        this.shards = shards;
        this.byNumbers = byNumbers;
    }
}
