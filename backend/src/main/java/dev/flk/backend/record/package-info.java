// SPDX-License-Identifier: Apache-2.0
/**
 * The record: what was decided of every certificate, in the state of agents. {@link dev.flk.backend.record.RecordFollower} writes it,
 * behind the inbox log; {@link dev.flk.backend.record.RecordedOutcomes} answers what people ask of it.
 */
@NullMarked
package dev.flk.backend.record;

import org.jspecify.annotations.NullMarked;
