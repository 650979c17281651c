// SPDX-License-Identifier: Apache-2.0
/**
 * The CSV files that are certified while they are written. {@code SourcesFile} reads which files an agent follows, and
 * {@code Sources} gives each of them turns on one thread: {@code FollowedSource} finds the files of one source with
 * {@code Globs}, and reads a {@code FollowedCsv}, which grows and is rotated, or a {@code CompleteCsv}. {@code
 * RotatedCsv} finds what was read, and the file after it, {@code FollowedFile} reads one file, {@code Positions} stores
 * how far all are certified, and {@code LeftOutLines} keeps the lines that are not. Used by {@code run} and by {@code
 * certify --follow}, which is a source with one file.
 */
@NullMarked
package dev.flk.agent.follow;

import org.jspecify.annotations.NullMarked;
