// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.embedded;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.WriteMark;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Optional;

/**
 * Keys and values in RocksDB; integers are big-endian.
 *
 * <pre>
 * key                                bytes   value
 * the id                             32      {@link StoredOutcome#encode}
 * the id, then the content digest    64      expiry of the note of evidence, milliseconds since the epoch, 8 bytes
 * zero                               1       {@link Position}
 * one                                1       the id of the log, 16 bytes, from the first connection on; the id in the
 *                                            position counts if there is one
 * </pre>
 */
final class StoreFormat {
    static final byte[] POSITION_KEY = {0};
    static final byte[] LOG_ID_KEY = {1};

    private static final int LOG_ID_BYTES = 16;
    private static final int ID_BYTES = PcsId.LENGTH / 2;
    private static final int EVIDENCE_BYTES = ID_BYTES + ContentDigest.LENGTH_BYTES;

    private StoreFormat() {}

    /**
     * The sequence up to which the store is complete, the id of the log, and the mark of the write.
     *
     * <pre>
     * complete up to   8 bytes: the sequence
     * log id          16 bytes: the id in the log's inbox.mark; a store that has no id yet lacks this and the following
     *                 fields
     * incarnation      8 bytes, drawn at random at each connect
     * counter          8 bytes, the number of the write within the incarnation
     * </pre>
     */
    record Position(long completeUpTo, Optional<String> logId, WriteMark mark) {
        static final int INCARNATION_BYTES = Long.BYTES;

        private static final int LENGTH = Long.BYTES + LOG_ID_BYTES + 2 * Long.BYTES;

        /**
         * Returns the position to store with the write after this one: complete up to {@code nowCompleteUpTo}, with the
         * same log, and the next mark.
         */
        Position next(long nowCompleteUpTo) {
            return new Position(nowCompleteUpTo, logId, mark.next());
        }

        /** @throws IllegalArgumentException if {@code value} does not encode a position */
        static Position decode(byte[] value) {
            ByteBuffer bytes = ByteBuffer.wrap(value);
            if (value.length == Long.BYTES) {
                return new Position(bytes.getLong(), Optional.empty(), new WriteMark("", 0));
            }
            if (value.length != LENGTH) {
                throw new IllegalArgumentException(
                        "the position has " + value.length + " bytes, not " + Long.BYTES + " or " + LENGTH);
            }
            long completeUpTo = bytes.getLong();
            byte[] logId = new byte[LOG_ID_BYTES];
            bytes.get(logId);
            WriteMark mark = new WriteMark(HexFormat.of().toHexDigits(bytes.getLong()), bytes.getLong());
            return new Position(completeUpTo, Optional.of(decodeLogId(logId)), mark);
        }

        /** Encodes the position in the format above; requires a log id. */
        byte[] encode() {
            return ByteBuffer.allocate(LENGTH)
                    .putLong(completeUpTo)
                    .put(encodeLogId(logId.orElseThrow()))
                    .putLong(HexFormat.fromHexDigitsToLong(mark.incarnation()))
                    .putLong(mark.counter())
                    .array();
        }
    }

    static byte[] encodeLogId(String logId) {
        return HexFormat.of().parseHex(logId);
    }

    /** @throws IllegalArgumentException if the value does not have 16 bytes */
    static String decodeLogId(byte[] value) {
        if (value.length != LOG_ID_BYTES) {
            throw new IllegalArgumentException("the id of the log has " + value.length + " bytes, not " + LOG_ID_BYTES);
        }
        return HexFormat.of().formatHex(value);
    }

    static byte[] evidenceKey(PcsId id, ContentDigest digest) {
        return ByteBuffer.allocate(EVIDENCE_BYTES)
                .put(id.toBytes())
                .put(digest.toBytes())
                .array();
    }

    static byte[] encode(long value) {
        return ByteBuffer.allocate(Long.BYTES).putLong(value).array();
    }

    /** @throws IllegalArgumentException if the value does not have 8 bytes */
    static long decode(byte[] value) {
        if (value.length != Long.BYTES) {
            throw new IllegalArgumentException(
                    "the expiry of an entry has " + value.length + " bytes, not " + Long.BYTES);
        }
        return ByteBuffer.wrap(value).getLong();
    }

    /**
     * Returns the outcome stored under an id.
     *
     * @throws IllegalArgumentException if the value is not an outcome, or is the outcome of another id
     */
    static StoredOutcome outcome(PcsId id, byte[] value) {
        StoredOutcome recorded = StoredOutcome.decode(value);
        if (!recorded.id().equals(id)) {
            throw new IllegalArgumentException("the outcome of " + recorded.id() + " is stored under " + id);
        }
        return recorded;
    }

    /** Returns when an entry expires, in milliseconds since the epoch; {@code Long.MAX_VALUE} if it never expires. */
    static long expiryMillis(byte[] key, byte[] value) {
        return switch (key.length) {
            case ID_BYTES -> StoredOutcome.decode(value).expiresAtMillis();
            case EVIDENCE_BYTES -> decode(value);
            default -> Long.MAX_VALUE;
        };
    }
}
