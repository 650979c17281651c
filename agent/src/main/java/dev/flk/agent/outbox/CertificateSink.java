// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.io.IOException;
import java.util.List;

/** Accepts certificates to be sent: an outbox of this process, or that of a running agent. */
public interface CertificateSink {
    /**
     * Adds certificates, all of them or none, and waits until they are on disk.
     *
     * @throws OutboxFull if there is no room; nothing was added
     * @throws IOException if the disk refused, or nobody knows; nothing counts as added
     */
    void append(List<byte[]> certificates) throws IOException;

    /** Its capacity in bytes. */
    long maxBytes();

    /** Where it is, for people. */
    String name();

    /** The outbox accepts nothing now; what it has is safe. The message says which bound was reached and what to do. */
    final class OutboxFull extends IOException {
        private static final long serialVersionUID = 1;

        /** Saying what is full, and what to do. */
        public OutboxFull(String message) {
            super(message);
        }
    }
}
