// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A committed transaction that created versions.
 *
 * @param revision 1, 2, 3 … without gaps; the order of commits and of replay
 * @param committedAtMicros microseconds since the epoch; always later than the time of the previous revision
 * @param changes the changes in the order of the transaction, without the changes that a filter excludes or a trim has
 *     removed
 * @param operationsTotal the number of changes that the transaction made, including the changes that are missing in
 *     {@code changes}
 */
public record Event(long revision, long committedAtMicros, List<Change> changes, int operationsTotal) {
    /** Creates an event with all its changes. */
    public Event(long revision, long committedAtMicros, List<Change> changes) {
        this(revision, committedAtMicros, changes, changes.size());
    }

    /**
     * A version that the transaction created.
     *
     * @param json the value; null if the key was deleted
     * @param ttlMicros the lifetime with which the version was written; 0 for none
     */
    public record Change(
            StateKey key, long version, @Nullable String json, long ttlMicros) {
        /** Creates a change without a lifetime. */
        public Change(StateKey key, long version, @Nullable String json) {
            this(key, version, json, 0);
        }
    }

    /** Returns the approximate size in memory, in bytes. */
    public long bytes() {
        long bytes = 64;
        for (Change change : changes) {
            bytes += 64L + change.key().agentId().length() + change.key().name().length();
            bytes += change.json() == null ? 0 : StateKey.utf8Length(change.json());
        }
        return bytes;
    }
}
