// SPDX-License-Identifier: Apache-2.0
/**
 * Views of the inbox log that are written after the answers: a {@link dev.flk.backend.follow.Follower} writes decided
 * submissions to a sink, in the order of the log. The record of outcomes is a sink, and so is the feed.
 */
@NullMarked
package dev.flk.backend.follow;

import org.jspecify.annotations.NullMarked;
