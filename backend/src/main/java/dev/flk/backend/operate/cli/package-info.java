// SPDX-License-Identifier: Apache-2.0
/**
 * The command line. Outside this package, only the entry point and {@code deploy/deb} use {@link
 * dev.flk.backend.operate.cli.CommandLineProgram}. Each top-level command has its own class, which reads the
 * configuration and calls the feature that does the work.
 */
@NullMarked
package dev.flk.backend.operate.cli;

import org.jspecify.annotations.NullMarked;
