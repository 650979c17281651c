// SPDX-License-Identifier: Apache-2.0
/** The reports of agents that backends share in Postgres. Only {@code run} constructs these objects. */
@NullMarked
package dev.flk.backend.agents.postgres;

import org.jspecify.annotations.NullMarked;
