// SPDX-License-Identifier: Apache-2.0
/**
 * One HTTP/1.1 server for every port and socket: reads requests within their limits, hands them to endpoints, writes the answers in the order
 * of the requests. {@link dev.flk.http.HttpServer} listens, {@link dev.flk.http.Routes} lead to an {@link dev.flk.http.Endpoint}, an
 * {@link dev.flk.http.Exchange} takes its answer. What is answered, who may send and what is counted, the program says.
 */
@NullMarked
package dev.flk.http;

import org.jspecify.annotations.NullMarked;
