// SPDX-License-Identifier: Apache-2.0
/**
 * The record: the outcome of every certificate, and the reviews of those that were escalated or rejected, as rows next
 * to the ids in {@code DEDUP_DIR} or in Postgres. A follower of the inbox log writes {@link
 * dev.flk.backend.outcomes.record.OutcomeRows}; {@link dev.flk.backend.outcomes.record.RecordedOutcomes} answers
 * queries.
 */
@NullMarked
package dev.flk.backend.outcomes.record;

import org.jspecify.annotations.NullMarked;
