// SPDX-License-Identifier: Apache-2.0
/**
 * The routes of the backend: certificates and look-ups, which {@code ingest} handles; sessions of agents; and, for
 * operators, metrics, readiness, the record, reviews, the page and debugging. Only {@code run.Servers} creates a {@link
 * dev.flk.backend.serve.BackendServer}. {@link dev.flk.http} reads requests, enforces limits and keeps answers in order.
 */
@NullMarked
package dev.flk.backend.serve;

import org.jspecify.annotations.NullMarked;
