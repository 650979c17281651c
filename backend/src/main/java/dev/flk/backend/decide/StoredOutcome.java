// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * The outcome of an id, with the time at which it expires. The log (in overruled records), the embedded store and
 * Redis encode an outcome as follows:
 *
 * <pre>
 * pcs_id status expires_at_millis content_digest signed_digest   ASCII with single spaces, ended by a line feed
 * body                                                           the exact bytes of the answer
 * </pre>
 *
 * <p>In Redis, a colon and the id of the log follow {@code signed_digest}. A version that does not know them takes them
 * for a part of that digest, and so calls the contents of a conflict different in the signed fields.
 *
 * @param status 200 or 202
 * @param body the exact bytes of the answer; must not be modified
 * @param digest the digest of the content that was decided
 * @param signedDigest the first 16 hex digits of a digest of the signed fields; comparing two of these digests
 *     shows whether the contents differ in the signed fields
 * @param expiresAtMillis the wall time at which the outcome expires, milliseconds since the epoch
 * @param logId the id of the log that has the body of the certificate, according to a shared store; empty if it is not
 *     known. Not a part of the outcome: equal outcomes may have different logs
 */
public record StoredOutcome(
        PcsId id,
        int status,
        byte[] body,
        ContentDigest digest,
        String signedDigest,
        long expiresAtMillis,
        String logId) {

    /** Creates an outcome whose log is not known. */
    public StoredOutcome(
            PcsId id, int status, byte[] body, ContentDigest digest, String signedDigest, long expiresAtMillis) {
        this(id, status, body, digest, signedDigest, expiresAtMillis, "");
    }

    /** Returns whether both outcomes give the same answer: status and body are equal. */
    public boolean isAnsweredAs(StoredOutcome other) {
        return status == other.status && Arrays.equals(body, other.body);
    }

    /** Returns whether the outcome has expired at {@code nowMillis}. */
    public boolean isExpired(long nowMillis) {
        return expiresAtMillis <= nowMillis;
    }

    /** Encodes the outcome in the format above, without its log. */
    public byte[] encode() {
        return encode("");
    }

    /** Encodes the outcome in the format above, with the id of a log; empty for none. */
    public byte[] encode(String log) {
        byte[] line = (id + " " + status + " " + expiresAtMillis + " " + digest.hex() + " " + signedDigest
                        + (log.isEmpty() ? "" : ":" + log) + "\n")
                .getBytes(StandardCharsets.US_ASCII);
        byte[] bytes = Arrays.copyOf(line, line.length + body.length);
        System.arraycopy(body, 0, bytes, line.length, body.length);
        return bytes;
    }

    /**
     * Decodes the output of {@link #encode(String)}.
     *
     * @throws IllegalArgumentException if the bytes do not have that format
     */
    public static StoredOutcome decode(byte[] bytes) {
        int lineEnd = 0;
        while (lineEnd < bytes.length && bytes[lineEnd] != '\n') {
            lineEnd++;
        }
        String line = new String(bytes, 0, lineEnd, StandardCharsets.US_ASCII);
        String[] fields = line.split(" ", -1);
        if (lineEnd == bytes.length || fields.length != 5) {
            throw new IllegalArgumentException("not a recorded outcome");
        }
        int colon = fields[4].indexOf(':');
        int status = Integer.parseInt(fields[1]);
        if (status != 200 && status != 202) {
            throw new IllegalArgumentException("not the status of an outcome: " + status);
        }
        return new StoredOutcome(
                PcsId.parse(fields[0])
                        .orElseThrow(() -> new IllegalArgumentException("not the id of a recorded outcome")),
                status,
                Arrays.copyOfRange(bytes, lineEnd + 1, bytes.length),
                ContentDigest.of(HexFormat.of().parseHex(fields[3])),
                colon < 0 ? fields[4] : fields[4].substring(0, colon),
                Long.parseLong(fields[2]),
                colon < 0 ? "" : fields[4].substring(colon + 1));
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

    /** Returns a description without the body. */
    @Override
    public String toString() {
        return "Recorded[" + id + " " + status + " until " + expiresAtMillis + "]";
    }
}
