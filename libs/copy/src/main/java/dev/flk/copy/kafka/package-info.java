// SPDX-License-Identifier: Apache-2.0
/**
 * The topic of a copy in Kafka: its settings, its check, and reading and writing it. The only package that knows
 * Kafka's client. A caller that only reads the settings loads no class of the client.
 */
@NullMarked
package dev.flk.copy.kafka;

import org.jspecify.annotations.NullMarked;
