// SPDX-License-Identifier: Apache-2.0
/**
 * Configuration: a program declares each setting once, as a {@link dev.flk.program.config.Key}, and reads it from
 * {@link dev.flk.program.config.Settings}, which collects all problems. This package does not know what the settings
 * mean.
 */
@NullMarked
package dev.flk.program.config;

import org.jspecify.annotations.NullMarked;
