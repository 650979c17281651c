// SPDX-License-Identifier: Apache-2.0
/**
 * The file operations of logs and of some other durable files. The log accesses the disk only through {@code FileOps},
 * so that tests can make any operation fail; {@code DiskFiles} is the real file system.
 */
@NullMarked
package dev.flk.wal.files;

import org.jspecify.annotations.NullMarked;
