// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import org.jspecify.annotations.Nullable;

/** A mistake on the command line. {@link Failures} prints the message and how to get help on the command. */
final class UsageError extends RuntimeException {
    private static final long serialVersionUID = 1;

    UsageError(@Nullable String message) {
        super(message);
    }

    UsageError(String message, Throwable cause) {
        super(message, cause);
    }
}
