// SPDX-License-Identifier: Apache-2.0
/**
 * A topic that gets the events of a log, each of them once. Knows neither the log nor Kafka's client; {@code
 * dev.flk.copy.kafka} implements it.
 */
@NullMarked
package dev.flk.feed;

import org.jspecify.annotations.NullMarked;
