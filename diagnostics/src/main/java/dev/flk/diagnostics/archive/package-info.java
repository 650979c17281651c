/**
 * One archive of what somebody needs who is to find a fault, without a secret in it. The programs say what is theirs; what is of the
 * machine, how to ask a running program, and what must not get out is here. The door is
 * {@link dev.flk.diagnostics.archive.DiagnosticsArchive}.
 */
@NullMarked
package dev.flk.diagnostics.archive;

import org.jspecify.annotations.NullMarked;
