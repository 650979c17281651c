// SPDX-License-Identifier: Apache-2.0
/**
 * TLS of the public port: certificate, key and authorities of clients, read from files and read again when they change. The bootstrap opens
 * {@link dev.flk.backend.tls.ReloadedTls}, the configuration reads {@link dev.flk.backend.tls.TlsFiles}; the HTTP side takes engines
 * from it. No message contains a key.
 */
@NullMarked
package dev.flk.backend.tls;

import org.jspecify.annotations.NullMarked;
