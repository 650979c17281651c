// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents;

import dev.flk.backend.stores.StoreUnavailableException;
import java.util.Map;
import java.util.function.BiPredicate;

/**
 * The last reports of all agents in the store that backends share, as texts by the ids of the agents. It has a
 * connection of its own, so that a failure here never interrupts the recording of outcomes. One thread.
 */
public interface SharedReports extends AutoCloseable {
    /** The number of reports that are written or read at once. */
    int AT_ONCE = 100;

    /**
     * Writes the newest reports of this backend, and then reads those of all. Blocks for a bounded time.
     *
     * @param reader called with each id and text; if it returns false, the report is removed
     * @throws StoreUnavailableException if the store fails; some reports may have been written and read
     */
    void exchange(Map<String, String> newest, BiPredicate<String, String> reader);

    @Override
    void close();
}
