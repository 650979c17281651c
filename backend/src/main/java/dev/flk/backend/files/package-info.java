// SPDX-License-Identifier: Apache-2.0
/**
 * Files that the configuration names and that are read again when they change: reading them, how they looked, the thread that looks. For
 * {@code keys} and {@code tls}; knows nothing of what is in them.
 */
@NullMarked
package dev.flk.backend.files;

import org.jspecify.annotations.NullMarked;
