/**
 * What the agent counts, under the names that dashboards know, and the page they are read from. Everything of the agent
 * may count here; nothing is decided by it.
 */
@NullMarked
package dev.flk.agent.metrics;

import org.jspecify.annotations.NullMarked;
