// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * An outcome as it stands for an id until it expires. Its bytes, in the log and in every store that keeps bytes:
 *
 * <pre>
 * pcs_id status expires_at_millis content_digest signed_digest   one line of ASCII, single spaces, ended by a line feed
 * body                                                           the exact bytes of the answer
 * </pre>
 *
 * @param status 200 or 202
 * @param body the exact bytes of the answer; not to be changed
 * @param digest of the content that was decided
 * @param signedDigest 16 hex digits that tell whether other content differs in what is signed
 * @param expiresAtMillis wall time at which it ends, milliseconds since the epoch
 */
public record StoredOutcome(
        PcsId id, int status, byte[] body, ContentDigest digest, String signedDigest, long expiresAtMillis) {

    /** Whether both give the same answer: status and body are equal. */
    public boolean isAnsweredAs(StoredOutcome other) {
        return status == other.status && Arrays.equals(body, other.body);
    }

    /** Whether it stands no more at {@code nowMillis}. */
    public boolean isExpired(long nowMillis) {
        return expiresAtMillis <= nowMillis;
    }

    /** The bytes given above. */
    public byte[] encode() {
        byte[] line = (id + " " + status + " " + expiresAtMillis + " " + digest.hex() + " " + signedDigest + "\n")
                .getBytes(StandardCharsets.US_ASCII);
        byte[] bytes = Arrays.copyOf(line, line.length + body.length);
        System.arraycopy(body, 0, bytes, line.length, body.length);
        return bytes;
    }

    /**
     * The inverse of {@link #encode}.
     *
     * @throws IllegalArgumentException if these are no such bytes
     */
    public static StoredOutcome decode(byte[] bytes) {
        int lineEnd = 0;
        while (lineEnd < bytes.length && bytes[lineEnd] != '\n') {
            lineEnd++;
        }
        String line = new String(bytes, 0, lineEnd, StandardCharsets.US_ASCII);
        String[] fields = line.split(" ", -1);
        if (lineEnd == bytes.length || fields.length != 5) {
            throw new IllegalArgumentException("not a recorded outcome: " + line);
        }
        return new StoredOutcome(
                PcsId.parse(fields[0])
                        .orElseThrow(() -> new IllegalArgumentException("not a recorded outcome's id: " + fields[0])),
                Integer.parseInt(fields[1]),
                Arrays.copyOfRange(bytes, lineEnd + 1, bytes.length),
                ContentDigest.of(HexFormat.of().parseHex(fields[3])),
                fields[4],
                Long.parseLong(fields[2]));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof StoredOutcome that
                && id.equals(that.id)
                && status == that.status
                && Arrays.equals(body, that.body)
                && digest.equals(that.digest)
                && signedDigest.equals(that.signedDigest)
                && expiresAtMillis == that.expiresAtMillis;
    }

    @Override
    public int hashCode() {
        return id.hashCode();
    }

    /** Without the body. */
    @Override
    public String toString() {
        return "Recorded[" + id + " " + status + " until " + expiresAtMillis + "]";
    }
}
