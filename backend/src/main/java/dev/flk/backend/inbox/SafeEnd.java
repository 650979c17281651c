// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import java.util.Optional;

/**
 * How far the log is safe: on this machine's disk and, if the log is copied, also in the copy. What is not safe is not
 * answered, not recorded in the store, and not seen by any view. Safe for any thread.
 */
public interface SafeEnd {
    /** The end of a log that is not copied: everything on disk is safe. */
    SafeEnd ON_DISK = new SafeEnd() {
        @Override
        public long sequence() {
            return Long.MAX_VALUE;
        }

        @Override
        public Optional<String> problem() {
            return Optional.empty();
        }

        @Override
        public boolean isOwned() {
            return true;
        }

        @Override
        public void whenMoved(Runnable listener) {}
    };

    /** Returns the sequence up to which everything is safe; it only rises. */
    long sequence();

    /** Returns why the rest is not becoming safe at the moment; empty if it is. */
    Optional<String> problem();

    /** Returns whether this backend still owns the log; once it does not, it never does again. */
    boolean isOwned();

    /** Notes that everything up to this sequence is on disk. Called on the thread of the log's writer after each group. */
    default void forced(long sequence) {}

    /** Waits briefly for more to become safe. Called before the threads start, while nothing else can be done. */
    default void await() {}

    /** Notes that nothing more is appended, while this backend may still own the log's directory. Called once. */
    default void ended() {}

    /** Sets a callback that runs whenever the sequence has risen or a problem has come up; it must not block. */
    void whenMoved(Runnable listener);
}
