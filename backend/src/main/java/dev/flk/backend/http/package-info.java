// SPDX-License-Identifier: Apache-2.0
/**
 * The routes of the backend: certificates and look-ups, which {@code ingest} handles; and metrics, readiness and the
 * record for operators. Only the bootstrap uses {@link dev.flk.backend.http.BackendServer}. {@link dev.flk.http} reads
 * requests, enforces limits and keeps answers in order.
 */
@NullMarked
package dev.flk.backend.http;

import org.jspecify.annotations.NullMarked;
