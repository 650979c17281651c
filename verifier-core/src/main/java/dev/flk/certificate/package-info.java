// SPDX-License-Identifier: Apache-2.0
/**
 * The certificate: its fields, its id, and the strict reader that lets nothing else through. Anyone may call in; nothing
 * here knows of keys, logs or networks.
 */
@NullMarked
package dev.flk.certificate;

import org.jspecify.annotations.NullMarked;
