// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

/**
 * Where a record stands.
 *
 * @param segment the file's name
 * @param offset of the record's header line in the file, in bytes
 */
public record Position(String segment, long offset) {}
