// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.limit.Sender;
import java.util.function.Consumer;

/**
 * One certificate as it came in.
 *
 * @param body the raw bytes; owned by the pipeline from now on, never changed by anyone
 * @param sender who sent it
 * @param answer called exactly once, on any thread; must hand over and return, and must not throw
 */
public record Submission(byte[] body, Sender sender, Consumer<Outcome> answer) {}
