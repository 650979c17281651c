// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.io.IOException;

/** Another process owns the outbox. The message names it. */
public final class OutboxLocked extends IOException {
    private static final long serialVersionUID = 1;

    OutboxLocked(IOException cause) {
        super(cause.getMessage(), cause);
    }
}
