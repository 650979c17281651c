// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import dev.flk.certificate.Certificate;
import dev.flk.verification.Verdict;

/**
 * A submission in the log, with the outcome that was recorded for it first of all.
 *
 * @param sequence the sequence of the submission in the log
 * @param bytes the length of the body
 */
public record DecidedSubmission(
        long sequence,
        long arrivalMillis,
        String keyId,
        int bytes,
        Certificate certificate,
        Verdict.Kind kind,
        StoredOutcome outcome) {}
