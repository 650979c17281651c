// SPDX-License-Identifier: Apache-2.0
/** The feed: the outcomes of the log and the reviews as events in a topic of Kafka. */
@NullMarked
package dev.flk.backend.feed;

import org.jspecify.annotations.NullMarked;
