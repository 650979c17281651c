// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import org.jspecify.annotations.Nullable;

/**
 * The state of a source at the end of a round.
 *
 * @param files the number of files that are followed or wait to be certified
 * @param rows the number of rows that were read since the start of the agent or, after a restart, in all
 * @param openRows the number of rows in windows that are not complete
 * @param windows the number of windows of these files that were certified, also before a restart
 * @param badLines the number of lines that were left out since the start of the agent
 * @param problem the reason why the source, or at least one of its files, is not read; null if there is no problem
 */
public record SourceState(
        String name,
        long files,
        long shards,
        long rows,
        long openRows,
        long windows,
        long badLines,
        @Nullable String problem) {

    /** Returns the state of a source that is not read. */
    public static SourceState unread(String name, String problem) {
        return new SourceState(name, 0, 0, 0, 0, 0, 0, problem);
    }

    /** Returns this state with a problem. */
    public SourceState with(String other) {
        return new SourceState(name, files, shards, rows, openRows, windows, badLines, other);
    }
}
