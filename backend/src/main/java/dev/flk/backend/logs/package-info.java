// SPDX-License-Identifier: Apache-2.0
/**
 * What the backends of one store know of each other: which logs there are, who writes them, and which are missing. Only
 * {@code run} constructs these objects.
 */
@NullMarked
package dev.flk.backend.logs;

import org.jspecify.annotations.NullMarked;
