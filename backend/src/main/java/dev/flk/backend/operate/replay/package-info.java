// SPDX-License-Identifier: Apache-2.0
/**
 * Decides the certificates in the log again, by the rules that they were logged with or by other rules. Changes
 * nothing. The commands {@code wal replay} and {@code policy try} use this package.
 */
@NullMarked
package dev.flk.backend.operate.replay;

import org.jspecify.annotations.NullMarked;
