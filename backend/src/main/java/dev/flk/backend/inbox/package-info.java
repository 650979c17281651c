// SPDX-License-Identifier: Apache-2.0
/**
 * The inbox log: the records of submissions, how far they are decided, the rules that decide them, and the maintenance
 * of segments. {@code ingest} appends and decides; {@code record}, {@code replay} and {@code ui} read; the command line
 * reads and compacts. This package neither knows the senders nor sends the answers.
 */
@NullMarked
package dev.flk.backend.inbox;

import org.jspecify.annotations.NullMarked;
