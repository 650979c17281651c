// SPDX-License-Identifier: Apache-2.0
/** The entry point of the backend. No other package depends on this one. */
@NullMarked
package dev.flk.backend;

import org.jspecify.annotations.NullMarked;
