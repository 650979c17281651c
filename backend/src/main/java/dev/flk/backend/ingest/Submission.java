// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.ingest.DecisionRules.Decision;
import dev.flk.backend.limit.Submitter;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.wal.segment.Entry;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One received certificate. It is handed from thread to thread; the submitting thread reads it first, before
 * {@code submit} returns.
 */
public final class Submission {
    private final int bodyBytes;
    private final Submitter sender;
    private final Consumer<Outcome> answer;
    private @Nullable Supplier<byte[]> source;
    private byte @Nullable [] body;

    /**
     * Creates a submission whose body is read on demand.
     *
     * @param bodyBytes the length of the body
     * @param body a supplier of the raw bytes, which must not change later; called at most once, and not for a
     *     throttled submission
     * @param sender the sender
     * @param answer called exactly once, on any thread; must hand over and return, and must not throw
     */
    public Submission(int bodyBytes, Supplier<byte[]> body, Submitter sender, Consumer<Outcome> answer) {
        this.bodyBytes = bodyBytes;
        this.source = body;
        this.sender = sender;
        this.answer = answer;
    }

    /** Creates a submission from bytes that the pipeline owns from now on. */
    public Submission(byte[] body, Submitter sender, Consumer<Outcome> answer) {
        this.bodyBytes = body.length;
        this.body = body;
        this.sender = sender;
        this.answer = answer;
    }

    public int bodyBytes() {
        return bodyBytes;
    }

    /** Returns the raw bytes. */
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
     * A submission that parses, has a valid signature and satisfies every rule, with the decision on it.
     *
     * @param keyId the id of the key that signed it, as written to the log
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
