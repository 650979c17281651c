// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletionStage;

/**
 * A topic with one partition that contains the copy of a log. Offsets number its entries from 0; an entry that was
 * acknowledged keeps its offset, and is on at least two machines. Blocking methods wait for a bounded time. Every method
 * fails with {@link CopyUnavailableException}. One thread, except that stages complete on any thread.
 */
public interface CopyTopic extends AutoCloseable {

    /** Returns what identifies the topic: other clusters and topics, also one that was created again, have another. */
    String identity();

    /** Returns a message about the topic, which names the brokers and the topic. */
    String message(String what);

    /** Returns the command that removes all entries before an offset; without one, the command that removes the topic. */
    String removalCommand(OptionalLong before);

    /** Returns the offset of the first entry. */
    long begin();

    /** Returns the offset after the last entry. */
    long end();

    /** An entry. */
    record Entry(long offset, byte[] value) {}

    /**
     * Returns entries from an offset on, in order; at least one if {@code from} is below {@code end}. Offsets may be
     * missing between them.
     */
    List<Entry> read(long from, long end);

    /**
     * Appends an entry after those that were sent before. The stage completes with the entry's offset once it is
     * acknowledged. An entry whose stage fails may have been appended.
     */
    CompletionStage<Long> send(byte[] value);

    /** Removes all entries before an offset. */
    void trim(long before);

    @Override
    void close();

    /** The failure of a call. */
    final class CopyUnavailableException extends RuntimeException {
        private static final long serialVersionUID = 1;

        /** Creates an exception; the message names the brokers and the remedy. */
        public CopyUnavailableException(String message, Throwable cause) {
            super(message, cause);
        }

        /** Creates an exception for a failure that the caller detected. */
        public CopyUnavailableException(String message) {
            super(message);
        }
    }
}
