// SPDX-License-Identifier: Apache-2.0
/**
 * The agents that report, and when each of them last did. Backends of one store share the reports. {@code serve}
 * accepts and shows the reports; only {@code run} constructs these objects.
 */
@NullMarked
package dev.flk.backend.agents;

import org.jspecify.annotations.NullMarked;
