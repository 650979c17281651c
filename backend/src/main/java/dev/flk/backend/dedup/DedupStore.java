// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * The store of outcomes: the first outcome of an id remains until it expires. Safe for any thread. A stage that fails
 * with {@link StoreUnavailableException} says nothing about the stored data: after a failed read, an outcome may exist,
 * and a failed write may have taken effect.
 */
public interface DedupStore extends AutoCloseable {

    /** Returns the stored outcome of each id, in the order of {@code ids}; empty for an id without an outcome. */
    CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids);

    /**
     * Records each outcome, unless its id already has an outcome that has not expired.
     *
     * @param decisions outcomes with distinct ids
     * @param completeUpTo the low-water mark: everything in the log up to this sequence is decided and recorded in this
     *     store. The mark is stored atomically with the outcomes, even if it is lower than the previous mark
     * @return for each decision, in order, the outcome that is now stored under its id: the decision itself, or an
     *     outcome that was recorded earlier
     */
    CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo);

    /**
     * Returns whether the log contains evidence with this id and content digest, according to a note of {@link
     * #noteEvidence} that has not expired.
     */
    default CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return CompletableFuture.completedFuture(false);
    }

    /**
     * Notes that the log contains evidence with this id and content digest. The note expires at {@code
     * expiresAtMillis}, in milliseconds since the epoch. Returns false if the store keeps no such notes because it is
     * rebuilt from the entire log at each start.
     */
    default CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return CompletableFuture.completedFuture(false);
    }

    /**
     * Connects the store. Must be called at startup and after any failure, before any other call. Outstanding calls of
     * an earlier connection fail, now or at their own time-outs ({@link GuardedStore} does not wait for them).
     *
     * <p>A store that other processes can change keeps a position for this log: the sequence up to which the store is
     * complete, together with a value that differs for each write. This call reads the position. From now on, a put
     * first compares the stored position with the position that this connection last read or wrote. If the two
     * positions differ, the put fails and writes nothing. This check detects that the store was emptied or restored
     * from an older copy. It also detects a put of an earlier connection that arrives late: either the late put fails,
     * or the next put of this connection.
     *
     * @return the sequence up to which the store is complete for this log; empty if the store knows no such sequence,
     *     for example because it is new
     */
    CompletionStage<OptionalLong> connect();

    /**
     * Makes recorded outcomes and the position durable; does nothing in a store whose puts are durable by themselves.
     *
     * @throws StoreUnavailableException if the store can't make them durable
     */
    default void sync() {}

    /** Returns whether the store has room for {@code more} additional outcomes. */
    default boolean hasRoomFor(long more) {
        return true;
    }

    /** Makes all recorded outcomes and the position durable, and releases all resources. Idempotent. */
    @Override
    void close();

    /**
     * The outcome of an id, with the time at which it expires. The log (in overruled records), the embedded store and
     * Redis encode an outcome as follows:
     *
     * <pre>
     * pcs_id status expires_at_millis content_digest signed_digest   ASCII with single spaces, ended by a line feed
     * body                                                           the exact bytes of the answer
     * </pre>
     *
     * @param status 200 or 202
     * @param body the exact bytes of the answer; must not be modified
     * @param digest the digest of the content that was decided
     * @param signedDigest the first 16 hex digits of a digest of the signed fields; comparing two of these digests
     *     shows whether the contents differ in the signed fields
     * @param expiresAtMillis the wall time at which the outcome expires, milliseconds since the epoch
     */
    record StoredOutcome(
            PcsId id, int status, byte[] body, ContentDigest digest, String signedDigest, long expiresAtMillis) {

        /** Returns whether both outcomes give the same answer: status and body are equal. */
        public boolean isAnsweredAs(StoredOutcome other) {
            return status == other.status && Arrays.equals(body, other.body);
        }

        /** Returns whether the outcome has expired at {@code nowMillis}. */
        public boolean isExpired(long nowMillis) {
            return expiresAtMillis <= nowMillis;
        }

        /** Encodes the outcome in the format above. */
        public byte[] encode() {
            byte[] line = (id + " " + status + " " + expiresAtMillis + " " + digest.hex() + " " + signedDigest + "\n")
                    .getBytes(StandardCharsets.US_ASCII);
            byte[] bytes = Arrays.copyOf(line, line.length + body.length);
            System.arraycopy(body, 0, bytes, line.length, body.length);
            return bytes;
        }

        /**
         * Decodes the output of {@link #encode}.
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
                throw new IllegalArgumentException("not a recorded outcome: " + line);
            }
            return new StoredOutcome(
                    PcsId.parse(fields[0])
                            .orElseThrow(() ->
                                    new IllegalArgumentException("not the id of a recorded outcome: " + fields[0])),
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

        /** Returns a description without the body. */
        @Override
        public String toString() {
            return "Recorded[" + id + " " + status + " until " + expiresAtMillis + "]";
        }
    }

    /**
     * The failure of a call to a store. The store could not be reached, did not answer in time, reported an error, or
     * contains invalid data.
     */
    final class StoreUnavailableException extends RuntimeException {
        private static final long serialVersionUID = 1;

        /** Creates an exception for a failure that the store itself detected; the message names the store. */
        public StoreUnavailableException(String message) {
            super(message);
        }

        /** Creates an exception; the message names the store and describes the failure. */
        public StoreUnavailableException(String message, Throwable cause) {
            super(message, cause);
        }
    }
}
