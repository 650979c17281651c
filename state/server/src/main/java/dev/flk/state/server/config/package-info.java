// SPDX-License-Identifier: Apache-2.0
/** The configuration of the program {@code flk-state}. */
@NullMarked
package dev.flk.state.server.config;

import org.jspecify.annotations.NullMarked;
