// SPDX-License-Identifier: Apache-2.0
/**
 * Sessions: the last reported status of each agent, which expires. This package contains the stores of sessions, their
 * access control, settings and metrics. {@code serve} serves them; {@code run.SessionParts} creates them.
 */
@NullMarked
package dev.flk.backend.sessions;

import org.jspecify.annotations.NullMarked;
