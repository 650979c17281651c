// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.StoredText.nullable;
import static dev.flk.backend.outcomes.rows.StoredText.stored;
import static dev.flk.backend.outcomes.rows.StoredText.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.flk.backend.decide.ReasonKind;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.decide.RecordedOutcome.Boxes;
import dev.flk.backend.decide.RecordedOutcome.Claims;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.certificate.BoxCounts;
import dev.flk.certificate.Certificate.FaultTolerance.Window;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.PcsId;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Recomputed;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A version as a row of the table {@code flk_record_outcomes}.
 *
 * @param n the generation of the log in the upper bits, the sequence in the log in the lower {@value #SEQUENCE_BITS};
 *     the generation 0 has versions that come from no log, which are numbered
 * @param before the {@code n} of the version before; 0 for the first version
 */
record StoredRow(long n, long before, boolean isCurrent, boolean waits, Version version) {
    static final int SEQUENCE_BITS = 44;

    /**
     * The statement that creates the table. Verdicts are 0 accepted, 1 escalated and 2 rejected. {@code pcs_id} is null
     * if it is the hash of Merkle root, epoch and shard.
     */
    static final String DDL = """
            CREATE TABLE flk_record_outcomes (
                n BIGINT NOT NULL, before BIGINT NOT NULL, is_current BOOLEAN NOT NULL, waits BOOLEAN NOT NULL,
                verdict SMALLINT NOT NULL, regime VARCHAR, shard VARCHAR NOT NULL, epoch BIGINT NOT NULL,
                id BIGINT NOT NULL, pcs_id BLOB, merkle_root BLOB, policy VARCHAR NOT NULL, key_id VARCHAR,
                cause VARCHAR, reason VARCHAR, received BIGINT NOT NULL, measured BIGINT,
                start_seconds BIGINT, start_nanos INTEGER, end_seconds BIGINT, end_nanos INTEGER,
                claimed_d_hat DOUBLE NOT NULL, d_hat DOUBLE, budget DOUBLE, recomputed_budget DOUBLE,
                coh_star DOUBLE, r DOUBLE, scales VARCHAR, names VARCHAR, counts VARCHAR,
                summary_name VARCHAR, summary_count BIGINT, summary_least DOUBLE, summary_greatest DOUBLE,
                summary_mean DOUBLE, summary_deviation DOUBLE)""";

    /** The columns that {@link #read} needs, in their order. */
    static final String COLUMNS = "n, before, is_current, waits, verdict, regime, shard, epoch, pcs_id, merkle_root,"
            + " policy, key_id, reason, received, start_seconds, start_nanos, end_seconds, end_nanos, claimed_d_hat,"
            + " d_hat, budget, recomputed_budget, coh_star, r, scales, names, counts";

    static final int COLUMNS_IN_TABLE = 36;
    private static final int COLUMNS_OF_SUMMARY = 6;

    private static final List<Kind> KINDS = List.of(Kind.ACCEPTED, Kind.ESCALATED, Kind.REJECTED);
    private static final HexFormat HEX = HexFormat.of();
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final TypeReference<List<String>> TEXTS = new TypeReference<>() {};

    static long n(int generation, long sequence) {
        return ((long) generation << SEQUENCE_BITS) | sequence;
    }

    static long generation(long n) {
        return n >>> SEQUENCE_BITS;
    }

    /** Returns the first bytes of an id, by which rows are found, in the order of ids. */
    static long head(String digits) {
        return Long.parseUnsignedLong(digits, 0, 2 * Long.BYTES, 16) ^ Long.MIN_VALUE;
    }

    static long head(RowKey key) {
        return head(key.pcsId());
    }

    RowKey key() {
        return version.key();
    }

    StoredRow superseded() {
        return new StoredRow(n, before, false, false, version);
    }

    StoredRow waiting(boolean doesWait) {
        return new StoredRow(n, before, isCurrent, doesWait, version);
    }

    /** Returns whether a version may wait for a review. */
    static boolean mayWait(Version version) {
        return version.outcome().verdict().kind() != Kind.ACCEPTED;
    }

    /** Returns about how many bytes the row has. */
    long about() {
        Claims claims = version.outcome().claims();
        Boxes boxes = claims == null ? null : claims.boxes();
        long bytes = 300L + version.outcome().reason().length();
        if (boxes != null) {
            bytes += 8L * boxes.scales().size();
            for (String name : boxes.counts().scales()) {
                bytes += name.length();
            }
        }
        return bytes;
    }

    static short code(Kind kind) {
        return (short) KINDS.indexOf(kind);
    }

    static Kind kind(short code) {
        return KINDS.get(code);
    }

    /** Returns the values of all columns of the table, in their order. */
    List<@Nullable Object> values() {
        RecordedOutcome outcome = version.outcome();
        Verdict verdict = outcome.verdict();
        Recomputed recomputed = verdict.recomputed();
        Claims claims = outcome.claims();
        Window window = claims == null ? null : claims.window();
        Boxes boxes = claims == null ? null : claims.boxes();
        boolean isDerived =
                claims != null && verdict.id().equals(PcsId.of(claims.merkleRoot(), key().epoch(), key().shard()));
        List<@Nullable Object> values = new ArrayList<>(COLUMNS_IN_TABLE);
        Collections.addAll(values, n, before, isCurrent, waits, code(verdict.kind()));
        values.add(recomputed == null ? null : recomputed.regime().wireName());
        Collections.addAll(values, stored(key().shard()), key().epoch(), head(key()));
        values.add(isDerived ? null : HEX.parseHex(key().pcsId()));
        values.add(claims == null ? null : HEX.parseHex(claims.merkleRoot()));
        values.add(verdict.policyHash());
        values.add(claims == null ? null : stored(claims.keyId()));
        values.add(verdict.reason() == null ? null : stored(outcome.cause()));
        values.add(verdict.reason() == null ? null : stored(outcome.reason()));
        Collections.addAll(values, outcome.receivedMillis(), outcome.measuredMillis());
        addTime(values, window == null ? null : window.start());
        addTime(values, window == null ? null : window.end());
        values.add(verdict.claimedDHat());
        values.add(recomputed == null ? null : recomputed.dHat());
        values.add(claims == null ? null : claims.budget());
        values.add(recomputed == null ? null : recomputed.budget());
        values.add(claims == null ? null : claims.cohStar());
        values.add(claims == null ? null : claims.r());
        values.add(boxes == null ? null : joined(boxes.scales()));
        values.add(
                boxes == null || areNames(boxes.counts().scales(), boxes.scales())
                        ? null
                        : json(boxes.counts().scales()));
        values.add(boxes == null ? null : joined(boxes.counts().counts()));
        values.addAll(Collections.nCopies(COLUMNS_OF_SUMMARY, null));
        return values;
    }

    private static void addTime(List<@Nullable Object> values, @Nullable Instant time) {
        values.add(time == null ? null : time.getEpochSecond());
        values.add(time == null ? null : time.getNano());
    }

    private static String joined(List<?> numbers) {
        StringBuilder joined = new StringBuilder(8 * numbers.size());
        for (Object each : numbers) {
            joined.append(joined.isEmpty() ? "" : ",").append(each);
        }
        return joined.toString();
    }

    private static List<String> names(List<Integer> scales) {
        return scales.stream().map(scale -> Integer.toString(scale)).toList();
    }

    /** Returns whether the names are those that scales have by default. */
    private static boolean areNames(List<String> names, List<Integer> scales) {
        boolean are = names.size() == scales.size();
        for (int i = 0; are && i < names.size(); i++) {
            are = names.get(i).equals(Integer.toString(scales.get(i)));
        }
        return are;
    }

    private static String json(List<String> texts) {
        try {
            return JSON.writeValueAsString(texts);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("names of scales can't be written as JSON", e);
        }
    }

    /** Reads the {@link #COLUMNS} of a row. */
    static StoredRow read(ResultSet row) throws SQLException {
        String regime = row.getString(6);
        byte[] id = row.getBytes(9);
        byte[] root = row.getBytes(10);
        String reason = nullable(row, 13);
        String scales = row.getString(25);
        PcsId pcsId = id == null
                ? PcsId.of(HEX.formatHex(root), row.getLong(8), text(row, 7))
                : PcsId.parse(HEX.formatHex(id)).orElseThrow();
        Window window = row.getObject(17) == null
                ? null
                : new Window(
                        Instant.ofEpochSecond(row.getLong(15), row.getInt(16)),
                        Instant.ofEpochSecond(row.getLong(17), row.getInt(18)));
        Claims claims = root == null
                ? null
                : new Claims(
                        row.getDouble(21),
                        row.getDouble(23),
                        row.getDouble(24),
                        HEX.formatHex(root),
                        scales == null ? null : boxes(scales, row.getString(26), row.getString(27)),
                        window,
                        text(row, 12));
        Verdict verdict = new Verdict(
                pcsId,
                row.getDouble(19),
                kind(row.getShort(5)),
                regime == null ? null : new Recomputed(row.getDouble(20), row.getDouble(22), regime(regime)),
                reason == null ? null : ReasonKind.reason(reason),
                row.getString(11));
        return new StoredRow(
                row.getLong(1),
                row.getLong(2),
                row.getBoolean(3),
                row.getBoolean(4),
                new Version(
                        new RowKey(text(row, 7), row.getLong(8), pcsId.toString()),
                        new RecordedOutcome(verdict, row.getLong(14), claims)));
    }

    private static Regime regime(String name) {
        return Stream.of(Regime.values())
                .filter(each -> each.wireName().equals(name))
                .findAny()
                .orElseThrow(() -> new IllegalArgumentException("a row has the unknown regime " + name));
    }

    private static Boxes boxes(String scales, @Nullable String names, String counts) throws SQLException {
        List<Integer> numbers = numbers(scales).map(Integer::valueOf).toList();
        try {
            return new Boxes(
                    new BoxCounts(
                            names == null ? names(numbers) : JSON.readValue(names, TEXTS),
                            new ArrayList<>(numbers(counts).map(Long::valueOf).toList())),
                    numbers);
        } catch (JsonProcessingException e) {
            throw new SQLException("a row has names of scales that are no JSON", e);
        }
    }

    private static Stream<String> numbers(String joined) {
        return joined.isEmpty() ? Stream.of() : Stream.of(joined.split(",", -1));
    }
}
