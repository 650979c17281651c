// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
import dev.flk.verification.Verdict;

/** What was decided of a certificate, and what of it is to be recorded. */
record Decision(Verdict verdict, double cohStar, Recorded recorded) {}
