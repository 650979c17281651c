// SPDX-License-Identifier: Apache-2.0
/**
 * A reader, fingerprints and a watching thread for files that the configuration names and that are read again when they
 * change. The packages {@code keys}, {@code tls} and {@code state} use this package, which does not know the content of
 * the files.
 */
@NullMarked
package dev.flk.backend.files;

import org.jspecify.annotations.NullMarked;
