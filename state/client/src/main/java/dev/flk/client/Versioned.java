// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A version of a value.
 *
 * @param version the number of the version: 1, 2, 3 … for each key
 * @param revision the revision of the commit that created this version
 * @param json the value as it was written, without white space between tokens; empty if this version is a deletion
 * @param ttl the lifetime with which the version was written; null if it had none
 */
public record Versioned(
        long version,
        long revision,
        Instant committedAt,
        boolean isDeleted,
        String json,
        @Nullable Duration ttl) {}
