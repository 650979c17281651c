// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.Windows;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows.Columns;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A set of CSV files that are written in the same way and are certified while the agent runs.
 *
 * @param name the name of the source in messages and metrics
 * @param files the path of the files, in which {@code *}, {@code ?}, {@code [abc]} and {@code {a,b}} stand for other
 *     characters than a slash
 * @param columns the columns to read; names the shard column if {@code shard} is {@link Shard.Column}
 * @param isComplete whether each file is complete when it appears, and is certified once; if not, files grow and are
 *     rotated
 * @param mayRest whether a window whose values are all equal is as good as any other
 */
public record Source(
        String name,
        String files,
        Columns columns,
        CsvFormat format,
        Windows windows,
        Shard shard,
        boolean isComplete,
        boolean mayRest) {

    /** The rule that determines the shard of a row. */
    public sealed interface Shard {

        /**
         * Returns the shards to which the windows of a file are assigned in turn; empty if a column names the shards.
         *
         * @throws IllegalArgumentException if the file has no shard; the message says why
         */
        List<String> ids(Path file);

        /** The shards to which all windows are assigned in turn. */
        record Ids(List<String> ids) implements Shard {
            public Ids {
                ids = List.copyOf(ids);
            }

            @Override
            public List<String> ids(Path file) {
                return ids;
            }
        }

        /** The column that {@link Columns#shard} names. */
        record Column() implements Shard {
            @Override
            public List<String> ids(Path file) {
                return List.of();
            }
        }

        /**
         * The part of a file's name that the first group of a pattern matches, or all that the pattern matches.
         *
         * @param pattern a pattern of {@link Pattern}, as text, so that equal rules are equal
         */
        record FileName(String pattern) implements Shard {
            public FileName {
                Pattern.compile(pattern); // throws an IllegalArgumentException
            }

            @Override
            public List<String> ids(Path file) {
                Matcher matcher = Pattern.compile(pattern).matcher(String.valueOf(file.getFileName()));
                String id = matcher.find() ? matcher.group(Math.min(1, matcher.groupCount())) : null;
                if (id == null) {
                    throw new IllegalArgumentException(
                            "the name of the file does not match " + pattern + ", which is its shard");
                }
                return List.of(id);
            }
        }
    }
}
