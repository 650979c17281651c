// SPDX-License-Identifier: Apache-2.0
/**
 * The configuration, read from the environment and a file, and checked as a whole before anything starts. {@link
 * dev.flk.backend.config.BackendConfig} reads it; each part of the program receives only its own record.
 */
@NullMarked
package dev.flk.backend.config;

import org.jspecify.annotations.NullMarked;
