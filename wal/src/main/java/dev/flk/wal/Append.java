// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;
import java.util.List;

/**
 * What is handed to the log in one go. Its entries get consecutive sequences and share one force. Exactly one of
 * {@link #forced} and {@link #failed} is called, once, on the writer's thread: it must hand over, return and not throw.
 */
public interface Append {
    /** The entries, in order; at least one. */
    List<Entry> entries();

    /**
     * All entries are on disk.
     *
     * @param firstSequence of the first entry; the others follow without a gap
     */
    void forced(long firstSequence);

    /** None of the entries counts; what may stand of them in the file is never acknowledged. */
    void failed(IOException cause);
}
