// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.io.IOException;

/** The outbox accepts nothing now; what it has is safe. The message says which bound was reached and what to do. */
public final class OutboxFull extends IOException {
    private static final long serialVersionUID = 1;

    /** Saying what is full, and what to do. */
    public OutboxFull(String message) {
        super(message);
    }
}
