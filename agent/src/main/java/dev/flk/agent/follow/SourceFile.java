// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.csv.CsvRows.MalformedCsv;
import java.io.Closeable;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** A file of a source, with the files of its rotation. It is read in turns. For one thread. */
sealed interface SourceFile extends Closeable permits CompleteCsv, FollowedCsv {
    /**
     * Reads on. A turn is bounded in bytes and certificates.
     *
     * @param certificates the list to which the certificates of the windows that became complete are added
     * @return whether another turn would read more at once
     * @throws MalformedCsv if the file can't be read with the notation of its source; there is no further turn
     */
    boolean turn(List<byte[]> certificates) throws IOException, MalformedCsv;

    /** Returns the position after the certificates of all turns; empty if it did not change in the last turn. */
    Optional<Position> position() throws IOException;

    /** Returns the position to be stored before the first certificate; empty if another one was stored. */
    Optional<Position> start();

    /** Returns the counts of this file. */
    Counts counts();

    /**
     * Counts of a file or of several.
     *
     * @param openRows the number of rows in windows that are not complete
     * @param windows the number of certified windows, also of earlier runs
     */
    record Counts(long shards, long rows, long openRows, long windows) {
        static final Counts NONE = new Counts(0, 0, 0, 0);

        Counts plus(Counts other) {
            return new Counts(
                    shards + other.shards, rows + other.rows, openRows + other.openRows, windows + other.windows);
        }
    }
}
