// SPDX-License-Identifier: Apache-2.0
/**
 * TLS on the connections of the HTTP server, and why handshakes fail. Only {@link dev.flk.http.HttpServer} and its
 * connections call this package, which knows no HTTP; the programs count its {@code TlsFailure}s.
 */
@NullMarked
package dev.flk.http.tls;

import org.jspecify.annotations.NullMarked;
