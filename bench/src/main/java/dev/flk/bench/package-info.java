// SPDX-License-Identifier: Apache-2.0
/**
 * {@code flk bench}: measures how fast the programs are, compared with references on the same machine in the same run.
 * {@link dev.flk.bench.Suites} lists the suites; each suite measures its subjects in rounds on a {@link
 * dev.flk.bench.Workbench}.
 */
@NullMarked
package dev.flk.bench;

import org.jspecify.annotations.NullMarked;
