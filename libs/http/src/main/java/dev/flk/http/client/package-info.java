// SPDX-License-Identifier: Apache-2.0
/**
 * The HTTP/1.1 client of programs that run for long and must survive any server. Create a {@link
 * dev.flk.http.client.BoundedHttpClient} for each server, and close it.
 */
@NullMarked
package dev.flk.http.client;

import org.jspecify.annotations.NullMarked;
