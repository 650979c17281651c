// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.ingest.DecisionRules.Decision;
import dev.flk.backend.limit.Submitter;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.wal.Entry;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One certificate as received. Handed from thread to thread; the submitting thread reads it first, before {@code submit} returns.
 */
public final class Submission {
    private final int bodyBytes;
    private final Submitter sender;
    private final Consumer<Outcome> answer;
    private @Nullable Supplier<byte[]> source;
    private byte @Nullable [] body;

    /**
     * A submission.
     *
     * @param bodyBytes how many there are
     * @param body supplies the raw bytes, which do not change any more; asked at most once, and not for a submission that is throttled
     * @param sender who sent it
     * @param answer called exactly once, on any thread; must hand over and return, and must not throw
     */
    public Submission(int bodyBytes, Supplier<byte[]> body, Submitter sender, Consumer<Outcome> answer) {
        this.bodyBytes = bodyBytes;
        this.source = body;
        this.sender = sender;
        this.answer = answer;
    }

    /** A submission whose bytes are there, and owned by the pipeline from now on. */
    public Submission(byte[] body, Submitter sender, Consumer<Outcome> answer) {
        this.bodyBytes = body.length;
        this.body = body;
        this.sender = sender;
        this.answer = answer;
    }

    public int bodyBytes() {
        return bodyBytes;
    }

    /** The raw bytes. */
    public byte[] body() {
        byte[] bytes = body;
        if (bytes == null) {
            bytes = Objects.requireNonNull(source).get();
            body = bytes;
            source = null;
        }
        return bytes;
    }

    public Submitter sender() {
        return sender;
    }

    public Consumer<Outcome> answer() {
        return answer;
    }

    /**
     * A submission that parsed, is validly signed and keeps every rule, with what would be decided of it.
     *
     * @param keyId of the key that signed it, as it goes into the log
     */
    record Candidate(Submission submission, String keyId, long arrivalMillis, Decision decision) {

        PcsId id() {
            return decision.recorded().id();
        }

        ContentDigest digest() {
            return decision.recorded().digest();
        }

        String shardId() {
            return decision.shardId();
        }

        Submitter sender() {
            return submission.sender();
        }

        Consumer<Outcome> answer() {
            return submission.answer();
        }

        Entry entry(char kind) {
            return new Entry(kind, keyId, arrivalMillis, submission.body());
        }
    }
}
