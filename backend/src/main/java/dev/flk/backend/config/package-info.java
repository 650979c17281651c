// SPDX-License-Identifier: Apache-2.0
/**
 * The configuration: read from environment and file, checked as a whole before anything starts.
 * {@link dev.flk.backend.config.BackendConfig} is the door; the parts of the program get the record that concerns them.
 */
@NullMarked
package dev.flk.backend.config;

import org.jspecify.annotations.NullMarked;
