// SPDX-License-Identifier: Apache-2.0
/**
 * The certificate: its fields, its id, and the strict reader, which rejects any body that is not a valid certificate.
 * Any package may use this package, which knows nothing of keys, logs or networks.
 */
@NullMarked
package dev.flk.certificate;

import org.jspecify.annotations.NullMarked;
