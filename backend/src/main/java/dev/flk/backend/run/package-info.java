// SPDX-License-Identifier: Apache-2.0
/**
 * The running backend: opens the features in the order of their dependencies, hands each what it needs, and closes them.
 * {@link dev.flk.backend.run.Backend} is the entry point; only {@code Main} uses it.
 */
@NullMarked
package dev.flk.backend.run;

import org.jspecify.annotations.NullMarked;
