// SPDX-License-Identifier: Apache-2.0
/**
 * The reviews of certificates that were escalated or rejected: what waits for a person, and what a person decided.
 * Knows no HTTP.
 */
@NullMarked
package dev.flk.backend.review;

import org.jspecify.annotations.NullMarked;
