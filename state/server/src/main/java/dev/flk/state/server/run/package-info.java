// SPDX-License-Identifier: Apache-2.0
/** The running program: all parts, opened and closed in order. */
@NullMarked
package dev.flk.state.server.run;

import org.jspecify.annotations.NullMarked;
