// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import java.time.Instant;

/**
 * A value that stands, or stood.
 *
 * @param version 1, 2, 3 … of its key
 * @param revision the commit that made it
 * @param json as it was written, without white space between tokens; empty if this version is a deletion
 */
public record Versioned(long version, long revision, Instant committedAt, boolean isDeleted, String json) {}
