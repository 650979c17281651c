// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.io.IOException;
import java.util.List;

/** A destination for certificates to be sent: the outbox of this process, or that of a running agent. */
public interface CertificateSink {
    /**
     * Adds all of the certificates or none, and blocks until they are on disk.
     *
     * @throws OutboxFull if there is no room; nothing was added
     * @throws IOException if the disk failed or the result is unknown; none counts as added
     */
    void append(List<byte[]> certificates) throws IOException;

    /** Returns the capacity in bytes. */
    long maxBytes();

    /** Returns the location for messages. */
    String name();

    /**
     * The outbox has no room for more certificates; those in it are safe. The message says which bound was reached and
     * what to do.
     */
    final class OutboxFull extends IOException {
        private static final long serialVersionUID = 1;

        /** Creates an exception; the message says what is full and what to do. */
        public OutboxFull(String message) {
            super(message);
        }
    }
}
