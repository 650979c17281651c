// SPDX-License-Identifier: Apache-2.0
/**
 * The views of the inbox log that are written behind the answers: a {@link dev.flk.backend.follow.Follower} brings what was
 * decided to a sink, in the order of the log. The record of outcomes is one sink, the feed another.
 */
@NullMarked
package dev.flk.backend.follow;

import org.jspecify.annotations.NullMarked;
