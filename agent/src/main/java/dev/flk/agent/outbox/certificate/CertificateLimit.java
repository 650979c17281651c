// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox.certificate;

import java.util.concurrent.Semaphore;

/**
 * The share of the heap that certificates may take. To parse, stamp and sign a certificate takes up to 19 times its
 * length, and every other buffer for certificates is a multiple of {@link #BYTES}, so that all of them fit into the
 * heap together. Safe for several threads.
 */
public final class CertificateLimit {
    /** The limit of an agent with a large heap. The default of {@code MAX_BODY_BYTES} in a backend is lower. */
    static final int MOST_BYTES = 8 << 20;

    private static final int PART_OF_HEAP = 48;

    /** The maximum length of a certificate that this process parses. */
    public static final int BYTES = bytes(Runtime.getRuntime().maxMemory());

    /** The bytes of the certificates and answers that may still be parsed at the same time. */
    private static final Semaphore UNPARSED = new Semaphore(BYTES, true);

    private CertificateLimit() {}

    static int bytes(long heap) {
        return (int) Math.min(MOST_BYTES, heap / PART_OF_HEAP);
    }

    /** A task that parses. */
    @FunctionalInterface
    public interface Parsing<T, E extends Exception> {
        T parse() throws E;
    }

    /**
     * Parses a text of {@code length} bytes. First waits until the texts that other threads parse leave room for it.
     * The task must not call this method.
     */
    public static <T, E extends Exception> T parsing(int length, Parsing<T, E> task) throws E {
        int bytes = Math.min(length, BYTES);
        UNPARSED.acquireUninterruptibly(bytes);
        try {
            return task.parse();
        } finally {
            UNPARSED.release(bytes);
        }
    }

    /** Returns the reason for which a certificate of this length is not parsed. */
    public static String tooLong(long length) {
        return "has " + length + " bytes; with its heap (-Xmx), this process parses at most " + BYTES;
    }
}
