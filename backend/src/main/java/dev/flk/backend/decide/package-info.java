// SPDX-License-Identifier: Apache-2.0
/**
 * The decision about a certificate: the rules, also those of an old segment, the outcome, and the kinds of records that
 * keep both in the log. Pure: no I/O, no clock, no threads. Any feature may use this package.
 */
@NullMarked
package dev.flk.backend.decide;

import org.jspecify.annotations.NullMarked;
