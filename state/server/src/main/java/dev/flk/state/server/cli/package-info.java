// SPDX-License-Identifier: Apache-2.0
/** The commands of {@code flk-state}. */
@NullMarked
package dev.flk.state.server.cli;

import org.jspecify.annotations.NullMarked;
