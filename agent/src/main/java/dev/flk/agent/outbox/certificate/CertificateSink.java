// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox.certificate;

import java.io.IOException;
import java.util.List;

/**
 * A destination for certificates that are to be sent: an outbox of this process, or the outbox of an agent that runs in
 * another process.
 */
public interface CertificateSink {
    /**
     * Adds all of the certificates or none of them, and blocks until the certificates are on disk.
     *
     * @throws OutboxFull if the outbox is full, its disk can't keep up, no file can be opened, or it is closing; nothing
     *     was added
     * @throws IOException if the disk failed, or if the result is unknown. The caller must add the certificates again,
     *     although the outbox may already contain them
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
     * The exception for an outbox that accepts no certificates at the moment. The certificates in the outbox are safe.
     * The message says why no certificates are accepted, and what to do.
     */
    final class OutboxFull extends IOException {
        private static final long serialVersionUID = 1;

        /** Creates an exception. The message must say why no certificates are accepted, and what to do. */
        public OutboxFull(String message) {
            super(message);
        }
    }
}
