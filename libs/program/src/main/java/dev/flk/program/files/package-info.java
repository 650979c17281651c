// SPDX-License-Identifier: Apache-2.0
/** Checks of files that the programs are about to create, append to, replace or delete; and the decoding of text. */
@NullMarked
package dev.flk.program.files;

import org.jspecify.annotations.NullMarked;
