// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import org.jspecify.annotations.Nullable;

/**
 * A version of a key.
 *
 * @param version the number of this version of the key: 1, 2, 3 …; deletions are counted as well
 * @param revision the revision that created this version
 * @param committedAtMicros microseconds since the epoch
 * @param json the value; null if the key was deleted
 * @param ttlMicros the lifetime with which the version was written; 0 for none
 */
public record Version(
        long version,
        long revision,
        long committedAtMicros,
        @Nullable String json,
        long ttlMicros) {
    /** Creates a version without a lifetime. */
    public Version(long version, long revision, long committedAtMicros, @Nullable String json) {
        this(version, revision, committedAtMicros, json, 0);
    }

    public boolean isDeleted() {
        return json == null;
    }

    /** Returns the size of the value in bytes of UTF-8; 0 if the key was deleted. */
    public long jsonBytes() {
        return json == null ? 0 : StateKey.utf8Length(json);
    }
}
