// SPDX-License-Identifier: Apache-2.0
/**
 * The agent's metrics, under the names that dashboards use, and the HTTP server that exposes them. Other packages of
 * the agent update the metrics, but no decision of the agent depends on them.
 */
@NullMarked
package dev.flk.agent.metrics;

import org.jspecify.annotations.NullMarked;
