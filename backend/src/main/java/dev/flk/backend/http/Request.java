// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import org.jspecify.annotations.Nullable;

/**
 * A request whose body is complete.
 *
 * @param path without the query
 * @param query what stands behind the question mark
 * @param body empty where the endpoint takes none. What is held of it counts until the answer is there
 * @param arrivedNanos when its last byte had come, in ticks of the server
 */
record Request(
        String path,
        String query,
        BodyBuffer body,
        @Nullable String accept,
        @Nullable String authorization,
        long arrivedNanos) {}
