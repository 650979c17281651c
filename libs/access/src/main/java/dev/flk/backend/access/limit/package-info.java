// SPDX-License-Identifier: Apache-2.0
/**
 * The rate limits of senders. {@code serve} calls {@link dev.flk.backend.access.limit.Limits} for each connection and before it
 * reads a body, and {@code ingest} calls it for each certificate; only {@code run} creates the object. This package
 * does not depend on HTTP.
 */
@NullMarked
package dev.flk.backend.access.limit;

import org.jspecify.annotations.NullMarked;
