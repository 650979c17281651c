// SPDX-License-Identifier: Apache-2.0
/**
 * Sessions: what each agent was last doing, with a lifetime. The package stores sessions, decides who may use them, and
 * has their settings and metrics. {@code backend.http} serves them; {@code Backend} creates them.
 */
@NullMarked
package dev.flk.backend.sessions;

import org.jspecify.annotations.NullMarked;
