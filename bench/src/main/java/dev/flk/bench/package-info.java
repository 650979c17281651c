// SPDX-License-Identifier: Apache-2.0
/** {@code flk bench}: how fast the jars are, as ratios to what else this machine does in the same run. */
@NullMarked
package dev.flk.bench;

import org.jspecify.annotations.NullMarked;
