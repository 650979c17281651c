// SPDX-License-Identifier: Apache-2.0
/**
 * The record: the outcome of every certificate, in the state of agents. {@link dev.flk.backend.record.RecordFollower}
 * writes the record by following the inbox log; {@link dev.flk.backend.record.RecordedOutcomes} answers queries.
 */
@NullMarked
package dev.flk.backend.record;

import org.jspecify.annotations.NullMarked;
