// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.config.HttpConfig;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.metrics.Meters;
import java.util.function.LongSupplier;

/**
 * What all connections share.
 *
 * @param nanoTicker monotonic time
 */
record ServerParts(
        HttpConfig config, Routes routes, ServerLoad load, Limits limits, Meters meters, LongSupplier nanoTicker) {}
