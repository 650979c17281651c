// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import dev.flk.certificate.Certificate;
import dev.flk.verification.Verdict;

/**
 * A submission in the log, with the outcome that was recorded for it first of all.
 *
 * @param sequence the sequence of the submission in the log
 * @param body the exact bytes of the certificate; must not be modified
 */
public record DecidedSubmission(
        long sequence,
        long arrivalMillis,
        String keyId,
        byte[] body,
        Certificate certificate,
        Verdict verdict,
        StoredOutcome outcome) {}
