// SPDX-License-Identifier: Apache-2.0
/**
 * The text that is signed: how reals are rounded and printed, how strings are escaped, the order of the fields, and the
 * hash function. Any package may use this package, which depends on no other package and knows nothing of certificates,
 * keys or verdicts.
 */
@NullMarked
package dev.flk.canonical;

import org.jspecify.annotations.NullMarked;
