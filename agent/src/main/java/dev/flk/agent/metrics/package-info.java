/**
 * The agent's metrics, under the names that dashboards use, and the HTTP server that exposes them. Every package of the
 * agent may update metrics; no decision depends on them.
 */
@NullMarked
package dev.flk.agent.metrics;

import org.jspecify.annotations.NullMarked;
