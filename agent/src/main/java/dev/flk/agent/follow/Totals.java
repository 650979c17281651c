// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.follow.SourceFile.Counts;
import java.util.Optional;

/** The counts of all files that are read, and their limits. For one thread. */
final class Totals {
    private static final int MOST_FILES = 1_000;
    private static final int MOST_SHARDS = 10_000;
    /** The bytes of heap that a row in an open window needs. */
    private static final int ROW_BYTES = 64;
    /** The part of the heap that the rows of open windows may fill. */
    private static final int HEAP_PART = 3;

    /** The bytes of heap that a row needs while its window is certified. */
    private static final int CERTIFIED_ROW_BYTES = 320;

    private final long mostWindowRows = Runtime.getRuntime().maxMemory() / HEAP_PART / CERTIFIED_ROW_BYTES;
    private final long mostOpenRows = Runtime.getRuntime().maxMemory() / HEAP_PART / ROW_BYTES;
    private int share = MOST_FILES;
    private int files;
    private long openRows;
    private long shards;

    /** Sets the number of sources, each of which may read its share of the files, whatever the others read. */
    void share(int numberOfSources) {
        share = MOST_FILES / Math.max(1, numberOfSources);
    }

    /**
     * Returns why a source can't read another file; empty if it can.
     *
     * @param own the number of files that the source reads
     */
    Optional<String> full(int own) {
        return files < MOST_FILES || own < Math.max(1, share)
                ? Optional.empty()
                : Optional.of("all sources together read " + files + " files, and no more are read at a time");
    }

    void add(Counts counts) {
        files++;
        openRows += counts.openRows();
        shards += counts.shards();
    }

    void remove(Counts counts) {
        files--;
        openRows -= counts.openRows();
        shards -= counts.shards();
    }

    /** Replaces the counts of a file. Returns why its source must stop; empty if there is room. */
    Optional<String> replace(Counts before, Counts after) {
        remove(before);
        add(after);
        if (after.openRows() > mostWindowRows * Math.max(1, after.shards())) {
            return Optional.of("a window has more than " + mostWindowRows
                    + " rows, which the memory is for; use smaller windows, or give the agent more memory with -Xmx");
        }
        if (openRows > mostOpenRows) {
            return Optional.of("the windows of all sources that are not complete have " + openRows
                    + " rows, but the memory is for " + mostOpenRows
                    + "; use smaller windows, or give the agent more memory with -Xmx");
        }
        return shards > MOST_SHARDS
                ? Optional.of("all sources together have " + shards + " shards, at most " + MOST_SHARDS
                        + " are certified; name the column of the sensors, or divide the sources among agents")
                : Optional.empty();
    }
}
