/** Files that the programs create, append to, replace or delete. */
@NullMarked
package dev.flk.program.files;

import org.jspecify.annotations.NullMarked;
