// SPDX-License-Identifier: Apache-2.0
/**
 * The HTTP/1.1 server behind all HTTP ports and Unix sockets of the programs. It reads requests within limits, passes
 * them to endpoints, and writes the answers in the order of the requests. {@link dev.flk.http.HttpServer} listens,
 * {@link dev.flk.http.Routes} maps paths to an {@link dev.flk.http.Routes.Endpoint}, and an {@link
 * dev.flk.http.Exchange} carries the answer from the endpoint back to the connection. An {@link
 * dev.flk.http.EventStream} is an answer that stays open. The program that uses the server provides the endpoints, an
 * {@link dev.flk.http.Admission} and {@link dev.flk.http.HttpEvents}.
 */
@NullMarked
package dev.flk.http;

import org.jspecify.annotations.NullMarked;
