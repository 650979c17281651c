// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One committed transaction that changed something.
 *
 * @param revision 1, 2, 3 … without gaps: the order of commits and of replay
 * @param committedAtMicros since the epoch; later than that of the revision before
 * @param changes in the order of the transaction; filtered ones may be missing
 * @param operationsTotal how many changes it has unfiltered
 */
public record Event(long revision, long committedAtMicros, List<Change> changes, int operationsTotal) {
    /** A whole one. */
    public Event(long revision, long committedAtMicros, List<Change> changes) {
        this(revision, committedAtMicros, changes, changes.size());
    }

    /**
     * A version that the transaction made.
     *
     * @param json the value; null: it was deleted
     */
    public record Change(Key key, long version, @Nullable String json) {}

    /** How much memory it takes, about. */
    public long bytes() {
        long bytes = 64;
        for (Change change : changes) {
            bytes += 64L + change.key().agentId().length() + change.key().name().length();
            bytes += change.json() == null ? 0 : Key.utf8Length(change.json());
        }
        return bytes;
    }
}
