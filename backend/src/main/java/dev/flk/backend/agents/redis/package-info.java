// SPDX-License-Identifier: Apache-2.0
/** The reports of agents that backends share in Redis. Only {@code run} constructs these objects. */
@NullMarked
package dev.flk.backend.agents.redis;

import org.jspecify.annotations.NullMarked;
