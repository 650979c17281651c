// SPDX-License-Identifier: Apache-2.0
/**
 * Creates an archive of everything needed to diagnose a fault, without secrets. Programs add their own content; this
 * package describes the machine, queries a running program and removes secrets. The entry point is {@link
 * dev.flk.program.diagnostics.DiagnosticsArchive}.
 */
@NullMarked
package dev.flk.program.diagnostics;

import org.jspecify.annotations.NullMarked;
