// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.outcomes.record.OutcomeRows.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Shape;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.canonical.Sha256;
import dev.flk.verification.Verdict.Kind;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values of {@link EmbeddedRows} in RocksDB. Numbers are big-endian. ROW identifies a version: the generation
 * of the log in the upper bits, and the sequence in the log in the lower {@value #SEQUENCE_BITS} bits. ID is the first 8
 * bytes of the {@code pcs_id}. HASH is the first 8 bytes of the SHA-256 of a shard or of the id of a signing key.
 *
 * <pre>
 * key                              value
 * r ROW                            a version: {@link StoredVersion}; or a review: the letter r, then its JSON
 * i ID                             the ROWs of the current versions of the ids that begin with ID
 * e HASH EPOCH ID ROW              none: the current versions of a shard by epoch
 * t SCOPE CLOCK [HASH] KIND TIME ROW   none: the current versions by time, see {@link #times}. Of all versions that wait
 *                                  for a review, by arrival: {@link OutcomeRows#waitingGroup}. Of the versions of a
 *                                  shard, by arrival: {@link #encode(Shape)}
 * t a v DECISION TIME ROW          the shard: the newest review of each row, by the time of the decision
 * v KEY                            the ROW of the newest review of the row with this key, see {@link #reviewKey(RowKey)}
 * v KEY VERSION                    the ROW of each review of the row
 * s SHARD                          none: a shard that has rows
 * n NAME                           a note
 * p LOG_ID                         the position in a log: generation, sequence, digest
 * m                                {@link Meta}
 * </pre>
 */
final class RowFormat {
    static final int SEQUENCE_BITS = 44;
    static final int FIRST_GENERATION = 1;
    /** The generation of a log that went back, until more is derived from it. */
    static final int ENDED = 0;

    static final byte[] META_KEY = {'m'};

    /** The first byte of a review; a version begins with another byte. */
    static final byte REVIEW = 'r';

    private static final int ID_DIGITS = 2 * Long.BYTES;

    /** The last {@link #place}. */
    static final byte[] LAST = place(Long.MAX_VALUE, -1);

    private RowFormat() {}

    /** The versions that a query selects from. Those of a key are indexed by arrival only. */
    enum Scope {
        ALL('a'),
        SHARD('s'),
        KEY('k');

        private final byte code;

        Scope(char code) {
            this.code = (byte) code;
        }
    }

    /** The time by which versions are ordered. */
    enum Clock {
        RECEIVED('r'),
        MEASURED('m'),
        REVIEWED('v');

        private final byte code;

        Clock(char code) {
            this.code = (byte) code;
        }
    }

    /**
     * The values that exist once, under {@link #META_KEY}.
     *
     * @param history differs for each history of changes; cursors contain it
     * @param generation the newest generation; 0 contains the versions that come from no log
     * @param beginning the ROW before the first one of the newest generation
     * @param removed the highest ROW that was removed; 0 if none was
     * @param salvaged the number of versions of generation 0
     */
    record Meta(long history, int generation, long beginning, long removed, long salvaged) {
        static final Meta NONE = new Meta(0, 0, 0, 0, 0);

        /** The number of the format of all keys and values, the first byte of the encoded values. */
        static final byte FORMAT = 2;

        private static final int BYTES = 1 + 4 * Long.BYTES + Integer.BYTES;

        /** Returns the number of the format of these values; 0 for a format without a number. */
        static int format(byte[] value) {
            return value.length == BYTES ? value[0] : 0;
        }

        static Meta decode(byte[] value) {
            ByteBuffer in = ByteBuffer.wrap(value, 1, value.length - 1);
            return new Meta(in.getLong(), in.getInt(), in.getLong(), in.getLong(), in.getLong());
        }

        byte[] encode() {
            return ByteBuffer.allocate(BYTES)
                    .put(FORMAT)
                    .putLong(history)
                    .putInt(generation)
                    .putLong(beginning)
                    .putLong(removed)
                    .putLong(salvaged)
                    .array();
        }

        Meta withHistory(long other) {
            return new Meta(other, generation, beginning, removed, salvaged);
        }

        Meta withRemoved(long row) {
            return new Meta(history, generation, beginning, Math.max(removed, row), salvaged);
        }

        Meta withOneMoreSalvaged() {
            return new Meta(history, generation, beginning, removed, salvaged + 1);
        }
    }

    /**
     * A position as it is stored.
     *
     * @param generation {@link #ENDED} for a log that went back, until more is derived from it
     */
    record StoredPosition(int generation, Position position) {
        static StoredPosition decode(String logId, byte[] value) {
            ByteBuffer in = ByteBuffer.wrap(value);
            int generation = in.getInt();
            long sequence = in.getLong();
            String digest = new String(value, in.position(), value.length - in.position(), StandardCharsets.US_ASCII);
            return new StoredPosition(generation, new Position(logId, sequence, digest));
        }

        byte[] encode() {
            byte[] digest = utf8(position.digest());
            return ByteBuffer.allocate(Integer.BYTES + Long.BYTES + digest.length)
                    .putInt(generation)
                    .putLong(position.sequence())
                    .put(digest)
                    .array();
        }
    }

    static long row(int generation, long sequence) {
        return ((long) generation << SEQUENCE_BITS) | sequence;
    }

    static long generation(long row) {
        return row >>> SEQUENCE_BITS;
    }

    static boolean isOfALog(long row) {
        return generation(row) != 0;
    }

    static byte[] rowKey(long row) {
        return ByteBuffer.allocate(1 + Long.BYTES).put((byte) 'r').putLong(row).array();
    }

    /** Returns the key of the ids that begin with the first 16 of these hex digits. */
    static byte[] idKey(String digits) {
        return ByteBuffer.allocate(1 + Long.BYTES)
                .put((byte) 'i')
                .putLong(Long.parseUnsignedLong(digits, 0, ID_DIGITS, 16))
                .array();
    }

    static byte[] shardKey(String shard) {
        return prefixed('s', shard);
    }

    static byte[] noteKey(String name) {
        return prefixed('n', name);
    }

    static byte[] positionKey(String logId) {
        return prefixed('p', logId);
    }

    private static byte[] prefixed(char kind, String name) {
        byte[] text = utf8(name);
        return ByteBuffer.allocate(1 + text.length).put((byte) kind).put(text).array();
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Returns the beginning of the keys of a shard by epoch. */
    static byte[] epochHead(String shard) {
        return ByteBuffer.allocate(1 + Long.BYTES)
                .put((byte) 'e')
                .putLong(hash(shard))
                .array();
    }

    private static byte[] epochKey(RowKey key, long row) {
        return ByteBuffer.allocate(1 + 4 * Long.BYTES)
                .put(epochHead(key.shard()))
                .putLong(key.epoch())
                .putLong(Long.parseUnsignedLong(key.pcsId(), 0, ID_DIGITS, 16))
                .putLong(row)
                .array();
    }

    /** Returns the key of the newest review of an outcome, with which the keys of all its reviews begin. */
    static byte[] reviewKey(RowKey key) {
        return join(new byte[] {'v'}, Sha256.of(utf8(key.pcsId() + '/' + key.epoch() + '/' + key.shard())));
    }

    static byte[] reviewKey(RowKey key, long version) {
        return join(reviewKey(key), bytes(version));
    }

    static byte[] bytes(long number) {
        return ByteBuffer.allocate(Long.BYTES).putLong(number).array();
    }

    /** Returns the key under which the newest review of an outcome is found by its time. */
    static byte[] reviewedKey(Reviewed newest, long row) {
        byte[] head =
                times(Scope.ALL, Clock.REVIEWED, 0, RowKind.code(newest.review().verdict()));
        return join(head, place(newest.atMillis(), row));
    }

    static byte[] encode(Reviewed reviewed) {
        return join(new byte[] {REVIEW}, reviewed.logged().encode());
    }

    /**
     * Returns the version or the review that a row contains.
     *
     * @throws IllegalArgumentException if the value is damaged, or of a format that this version does not know
     */
    static Changed decode(byte[] value) {
        return value.length > 0 && value[0] == REVIEW
                ? Reviewed.of(LoggedReview.decode(Arrays.copyOfRange(value, 1, value.length)))
                : StoredVersion.decode(value).version();
    }

    /** Encodes D̂, coh★ and r as floats; for a version without a shape, the value is empty. */
    static byte[] encode(@Nullable Shape shape) {
        return shape == null
                ? new byte[0]
                : ByteBuffer.allocate(3 * Float.BYTES)
                        .putFloat(shape.dHat())
                        .putFloat(shape.cohStar())
                        .putFloat(shape.r())
                        .array();
    }

    /** Returns the shape in an entry of the index of a shard by arrival, whose value is not empty. */
    static Shape shape(byte[] key, byte[] value) {
        ByteBuffer in = ByteBuffer.wrap(value);
        return new Shape(
                RowKind.verdict(kindBeforePlace(key)) == Kind.ACCEPTED,
                in.getFloat(),
                in.getFloat(),
                in.getFloat(),
                millisBeforeRow(key));
    }

    static long hash(String name) {
        return ByteBuffer.wrap(Sha256.of(utf8(name))).getLong();
    }

    /**
     * Returns all keys under which a current version is found, besides {@code i}. The first key finds it among all
     * versions by arrival, the third one among the versions of its shard by arrival.
     */
    static List<byte[]> indexKeys(Version version, long row, int kind) {
        RecordedOutcome outcome = version.outcome();
        long shard = hash(version.key().shard());
        List<byte[]> keys = new ArrayList<>(6);
        byte[] received = place(outcome.receivedMillis(), row);
        keys.add(join(times(Scope.ALL, Clock.RECEIVED, 0, kind), received));
        keys.add(epochKey(version.key(), row));
        keys.add(join(times(Scope.SHARD, Clock.RECEIVED, shard, kind), received));
        if (!outcome.keyId().isEmpty()) {
            keys.add(join(times(Scope.KEY, Clock.RECEIVED, hash(outcome.keyId()), kind), received));
        }
        Long measuredMillis = outcome.measuredMillis();
        if (measuredMillis != null) {
            byte[] measured = place(measuredMillis, row);
            keys.add(join(times(Scope.ALL, Clock.MEASURED, 0, kind), measured));
            keys.add(join(times(Scope.SHARD, Clock.MEASURED, shard, kind), measured));
        }
        return keys;
    }

    /**
     * Returns the beginning of all keys that have this scope, clock, hash and kind: everything before TIME. {@code hash}
     * is ignored if the scope is {@link Scope#ALL}.
     */
    static byte[] times(Scope scope, Clock clock, long hash, int kind) {
        ByteBuffer head = ByteBuffer.allocate(4 + Long.BYTES)
                .put((byte) 't')
                .put(scope.code)
                .put(clock.code);
        if (scope != Scope.ALL) {
            head.putLong(hash);
        }
        return Arrays.copyOf(head.put((byte) kind).array(), head.position());
    }

    /** Returns the last part of a key, TIME and ROW. */
    static byte[] place(long millis, long row) {
        return ByteBuffer.allocate(2 * Long.BYTES)
                .put(time(millis))
                .putLong(row)
                .array();
    }

    /** Encodes a time as 8 bytes that sort in the order of time. */
    static byte[] time(long millis) {
        return ByteBuffer.allocate(Long.BYTES).putLong(millis ^ Long.MIN_VALUE).array();
    }

    /** Returns the time before the ROW at the end of a key, as {@link #place} encodes both. */
    static long millisBeforeRow(byte[] key) {
        return ByteBuffer.wrap(key, key.length - 2 * Long.BYTES, Long.BYTES).getLong() ^ Long.MIN_VALUE;
    }

    /** Returns the ROW at the end of a key. */
    static long rowAtEnd(byte[] key) {
        return ByteBuffer.wrap(key, key.length - Long.BYTES, Long.BYTES).getLong();
    }

    /** Returns the kind before the {@link #place} at the end of a key. */
    static int kindBeforePlace(byte[] key) {
        return key[key.length - 2 * Long.BYTES - 1];
    }

    /** Returns the {@link #place} at the end of a key. */
    static byte[] placeAtEnd(byte[] key) {
        return Arrays.copyOfRange(key, key.length - 2 * Long.BYTES, key.length);
    }

    static List<Long> rows(byte[] value) {
        ByteBuffer in = ByteBuffer.wrap(value);
        List<Long> rows = new ArrayList<>();
        while (in.hasRemaining()) {
            rows.add(in.getLong());
        }
        return rows;
    }

    static byte[] rows(List<Long> rows) {
        ByteBuffer out = ByteBuffer.allocate(rows.size() * Long.BYTES);
        rows.forEach(out::putLong);
        return out.array();
    }

    static byte[] join(byte[] first, byte[] second) {
        byte[] joined = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, joined, first.length, second.length);
        return joined;
    }
}
