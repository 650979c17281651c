// SPDX-License-Identifier: Apache-2.0
/**
 * Files that the configuration names and that are read again when they change: a reader, fingerprints, and the thread
 * that checks for changes. Used by {@code keys}, {@code tls} and {@code state}; this package does not know the content
 * of the files.
 */
@NullMarked
package dev.flk.backend.files;

import org.jspecify.annotations.NullMarked;
