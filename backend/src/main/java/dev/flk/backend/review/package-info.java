// SPDX-License-Identifier: Apache-2.0
/**
 * The reviews of certificates that were escalated or rejected: which certificates wait for a review, and what people
 * decided. This package does not depend on HTTP.
 */
@NullMarked
package dev.flk.backend.review;

import org.jspecify.annotations.NullMarked;
