// SPDX-License-Identifier: Apache-2.0
/** Plots as SVG, for files and for pages. */
@NullMarked
package dev.flk.program.plot;

import org.jspecify.annotations.NullMarked;
