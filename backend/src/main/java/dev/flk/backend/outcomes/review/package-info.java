// SPDX-License-Identifier: Apache-2.0
/**
 * The reviews of certificates that were escalated or rejected: the queue of those that wait, and the way of a review
 * through the log into the record. Called by the pages and the API.
 */
@NullMarked
package dev.flk.backend.outcomes.review;

import org.jspecify.annotations.NullMarked;
