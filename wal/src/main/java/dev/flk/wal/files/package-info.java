// SPDX-License-Identifier: Apache-2.0
/**
 * The files of a durable directory: every access to the disk goes through {@code FileOps}, so that tests can make any operation fail.
 * {@code DiskFiles} is the real one.
 */
@NullMarked
package dev.flk.wal.files;

import org.jspecify.annotations.NullMarked;
