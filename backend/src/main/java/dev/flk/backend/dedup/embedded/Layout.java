// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.embedded;

import dev.flk.backend.dedup.Recorded;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.nio.ByteBuffer;

/**
 * Keys and values in RocksDB; integers are big-endian.
 *
 * <pre>
 * key                                bytes   value
 * the id                             32      {@link Recorded#encode}
 * the id, then the content digest    64      when this note of evidence ends, milliseconds since the epoch, 8 bytes
 * zero                               1       the log position, 8 bytes
 * </pre>
 */
final class Layout {
    static final byte[] POSITION_KEY = {0};

    private static final int ID_BYTES = PcsId.LENGTH / 2;
    private static final int EVIDENCE_BYTES = ID_BYTES + ContentDigest.LENGTH_BYTES;

    private Layout() {}

    static byte[] evidenceKey(PcsId id, ContentDigest digest) {
        return ByteBuffer.allocate(EVIDENCE_BYTES)
                .put(id.toBytes())
                .put(digest.toBytes())
                .array();
    }

    static byte[] encode(long value) {
        return ByteBuffer.allocate(Long.BYTES).putLong(value).array();
    }

    static long decode(byte[] value) {
        return ByteBuffer.wrap(value).getLong();
    }

    /** When an entry has expired, milliseconds since the epoch; never for one that does not expire. */
    static long expiryMillis(byte[] key, byte[] value) {
        return switch (key.length) {
            case ID_BYTES -> Recorded.decode(value).expiresAtMillis();
            case EVIDENCE_BYTES -> decode(value);
            default -> Long.MAX_VALUE;
        };
    }
}
