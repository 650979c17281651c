// SPDX-License-Identifier: Apache-2.0
/**
 * The part that all commands share: the configuration, and how they parse the texts of options. Only the commands use it.
 */
@NullMarked
package dev.flk.backend.operate.cli.options;

import org.jspecify.annotations.NullMarked;
