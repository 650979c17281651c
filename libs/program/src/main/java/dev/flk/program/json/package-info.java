// SPDX-License-Identifier: Apache-2.0
/** JSON as programs write it in answers and in the output of commands. */
@NullMarked
package dev.flk.program.json;

import org.jspecify.annotations.NullMarked;
