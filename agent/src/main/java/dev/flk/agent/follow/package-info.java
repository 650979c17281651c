// SPDX-License-Identifier: Apache-2.0
/**
 * The files of a CSV that grows and is rotated, by renaming it or by copying and truncating it, in the order in which
 * they were written. {@code RotatedCsv} finds them, {@code FollowedFile} reads one of them, {@code Position} stores how
 * far they are certified, and {@code LeftOutLines} keeps the lines that are not. Used by {@code certify --follow}.
 * {@code SourcesFile} reads which files the agent certifies while it runs, and {@code Globs} finds them.
 */
@NullMarked
package dev.flk.agent.follow;

import org.jspecify.annotations.NullMarked;
