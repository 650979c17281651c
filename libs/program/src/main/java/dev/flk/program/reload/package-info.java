// SPDX-License-Identifier: Apache-2.0
/**
 * A reader for files that the configuration or an option of a command names, and values that are read from files again
 * when these change. This package does not know the content of the files.
 */
@NullMarked
package dev.flk.program.reload;

import org.jspecify.annotations.NullMarked;
