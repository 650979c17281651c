// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.sample.Pcs;
import java.nio.charset.StandardCharsets;

/** Helpers for outcomes in tests of ingest. */
final class Outcomes {
    private Outcomes() {}

    static void assertDecided(Outcome outcome, int status, Relation relation) {
        assertThat(outcome).isInstanceOf(Decided.class);
        assertThat(((Decided) outcome).status()).isEqualTo(status);
        assertThat(((Decided) outcome).relation()).isEqualTo(relation);
    }

    static void assertUnavailable(Outcome outcome, Refusal why) {
        assertThat(outcome).isInstanceOf(Refused.class);
        assertThat(((Refused) outcome).why()).isEqualTo(why);
    }

    static Relation relation(Outcome outcome) {
        assertThat(outcome).isInstanceOf(Decided.class);
        return ((Decided) outcome).relation();
    }

    static byte[] body(Outcome outcome) {
        return ((Decided) outcome).body();
    }

    /** Returns the outcome that a certificate gets if it is the first of its id. */
    static StoredOutcome own(Pcs pcs, DecisionRules rules, long arrivalMillis) {
        try {
            return rules.decide(CertificateReader.parse(pcs.bytes()).checkIgnoringClock(), arrivalMillis)
                    .recorded();
        } catch (MalformedCertificate e) {
            throw new AssertionError(e);
        }
    }

    /**
     * Returns an outcome of another backend for this id, with different content, valid for about a quarter of an hour.
     */
    static StoredOutcome theirs(Pcs pcs, long nowMillis) {
        byte[] digest = new byte[32];
        return new StoredOutcome(
                pcs.id(),
                202,
                "{\"theirs\":true}".getBytes(StandardCharsets.UTF_8),
                ContentDigest.of(digest),
                "0011223344556677",
                nowMillis + 1_000_000);
    }
}
