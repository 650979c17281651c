// SPDX-License-Identifier: Apache-2.0
/**
 * TLS of the public port and of the state's port. The certificate, the key and the authorities that sign client
 * certificates are read from files, and read again when the files change. {@code run.Servers} opens {@link
 * dev.flk.backend.access.tls.ReloadedTls}, which creates engines for the HTTP server and contains the identity for the state's
 * port. The configuration checks {@link dev.flk.backend.access.tls.TlsFiles}. No message contains a key.
 */
@NullMarked
package dev.flk.backend.access.tls;

import org.jspecify.annotations.NullMarked;
