// SPDX-License-Identifier: Apache-2.0
/**
 * The decision: a function from a certificate and a policy to a verdict and a response body. The function returns the
 * same bytes on every machine and at any time. Any package may use this package, which uses no clock, store, network or
 * key.
 */
@NullMarked
package dev.flk.verification;

import org.jspecify.annotations.NullMarked;
