// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.ingest.DecisionRules.Decision;
import dev.flk.backend.limit.Sender;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.wal.Entry;
import java.util.function.Consumer;

/**
 * A submission that parsed, is validly signed and keeps every rule, with what would be decided of it.
 *
 * @param shardId that it is signed for
 * @param keyId of the key that signed it, as it goes into the log
 */
record Candidate(Submission submission, String shardId, String keyId, long arrivalMillis, Decision decision) {

    PcsId id() {
        return decision.recorded().id();
    }

    ContentDigest digest() {
        return decision.recorded().digest();
    }

    Sender sender() {
        return submission.sender();
    }

    Consumer<Outcome> answer() {
        return submission.answer();
    }

    Entry entry(char kind) {
        return new Entry(kind, keyId, arrivalMillis, submission.body());
    }
}
