// SPDX-License-Identifier: Apache-2.0
/**
 * The inbox log: the records of submissions, how far they are decided, the rules to decide them again, and the
 * maintenance of segments. {@code ingest} appends and decides; {@code record} and the command line read. This package
 * knows nothing of senders and answers.
 */
@NullMarked
package dev.flk.backend.inbox;

import org.jspecify.annotations.NullMarked;
