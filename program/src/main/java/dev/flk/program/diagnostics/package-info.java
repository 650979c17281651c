/**
 * One archive of what is needed to find a fault, without a secret in it. The programs say what is theirs; what is of the
 * machine, how to ask a running program, and what must not get out is here. The door is
 * {@link dev.flk.program.diagnostics.DiagnosticsArchive}.
 */
@NullMarked
package dev.flk.program.diagnostics;

import org.jspecify.annotations.NullMarked;
