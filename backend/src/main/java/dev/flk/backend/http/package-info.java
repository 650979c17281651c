// SPDX-License-Identifier: Apache-2.0
/**
 * HTTP: reads requests within their limits, hands bodies to {@code ingest}, writes answers in the order of the requests.
 * {@link dev.flk.backend.http.HttpServer} is the door, for the bootstrap alone; no other package imports Netty.
 */
@NullMarked
package dev.flk.backend.http;

import org.jspecify.annotations.NullMarked;
