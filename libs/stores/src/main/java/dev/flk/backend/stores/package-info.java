// SPDX-License-Identifier: Apache-2.0
/**
 * The access to Redis and Postgres servers: settings, connections, pools and failures. {@code outcomes},
 * {@code sessions} and {@code state} use it; it depends on no feature.
 */
@NullMarked
package dev.flk.backend.stores;

import org.jspecify.annotations.NullMarked;
