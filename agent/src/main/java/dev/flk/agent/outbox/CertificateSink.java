// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.io.IOException;
import java.util.List;

/** A destination for certificates to be sent: the outbox of this process, or that of a running agent. */
public interface CertificateSink {
    /**
     * Adds all of the certificates or none, and blocks until they are on disk.
     *
     * @throws OutboxFull if the outbox is full, its disk can't keep up, or it is closing; nothing was added
     * @throws IOException if the disk failed, or the result is unknown. The caller must add the certificates again,
     *     although they may already be in the outbox
     */
    void append(List<byte[]> certificates) throws IOException;

    /**
     * Returns the maximum total size of the certificates of one {@link #append}, in bytes. A larger append may fail
     * even if the outbox has room.
     */
    long maxBytes();

    /** Returns the path of the outbox, for messages. */
    String name();

    /**
     * The error that the outbox accepts no certificates now; the certificates in it are safe. The message says why, and
     * what to do.
     */
    final class OutboxFull extends IOException {
        private static final long serialVersionUID = 1;

        /** Creates an exception; the message says why nothing is accepted, and what to do. */
        public OutboxFull(String message) {
            super(message);
        }
    }
}
