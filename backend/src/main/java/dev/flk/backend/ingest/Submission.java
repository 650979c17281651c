// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.inbox.DecisionRules.Decision;
import dev.flk.backend.limit.Submitter;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.wal.segment.Entry;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * One received certificate.
 *
 * @param bodyBytes the length of the body
 * @param body a supplier of the raw bytes, which must not change later; called at most once, before {@code submit}
 *     returns, and not for a throttled submission
 * @param answer called exactly once, on any thread; must hand over and return, and must not throw
 */
public record Submission(int bodyBytes, Supplier<byte[]> body, Submitter sender, Consumer<Outcome> answer) {

    /** Creates a submission from bytes that the pipeline owns from now on. */
    public Submission(byte[] body, Submitter sender, Consumer<Outcome> answer) {
        this(body.length, () -> body, sender, answer);
    }

    /**
     * A submission that parses, has a valid signature and satisfies every rule, with the decision on it.
     *
     * @param keyId the id of the key that signed it, as written to the log
     */
    record Candidate(
            byte[] body,
            Submitter sender,
            Consumer<Outcome> answer,
            String keyId,
            long arrivalMillis,
            Decision decision) {

        PcsId id() {
            return decision.recorded().id();
        }

        ContentDigest digest() {
            return decision.recorded().digest();
        }

        Entry entry(char kind) {
            return new Entry(kind, keyId, arrivalMillis, body);
        }
    }
}
