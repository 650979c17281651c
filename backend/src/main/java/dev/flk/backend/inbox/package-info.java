// SPDX-License-Identifier: Apache-2.0
/**
 * The inbox log: the records of submissions, how far they are decided, and the maintenance of segments. {@code ingest}
 * appends and decides; {@code outcomes}, {@code serve} and {@code operate} read; the command line also compacts. This
 * package neither knows the senders nor sends the answers.
 */
@NullMarked
package dev.flk.backend.inbox;

import org.jspecify.annotations.NullMarked;
