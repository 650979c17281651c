// SPDX-License-Identifier: Apache-2.0
/**
 * The routes of the backend: certificates and look-ups to {@code ingest}, metrics and readiness for operators. {@link
 * dev.flk.backend.http.BackendServer} is the way in, for the bootstrap alone; reading, limits and order are those of {@link dev.flk.http}.
 */
@NullMarked
package dev.flk.backend.http;

import org.jspecify.annotations.NullMarked;
