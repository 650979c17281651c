// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import org.jspecify.annotations.Nullable;

/**
 * A version of a key.
 *
 * @param version 1, 2, 3 … of its key; a deletion is one as well
 * @param revision that made it
 * @param committedAtMicros since the epoch
 * @param json the value; null: the key was deleted
 */
public record Version(
        long version,
        long revision,
        long committedAtMicros,
        @Nullable String json) {
    public boolean isDeleted() {
        return json == null;
    }

    /** Of the value in UTF-8. */
    public long jsonBytes() {
        return json == null ? 0 : Key.utf8Length(json);
    }
}
