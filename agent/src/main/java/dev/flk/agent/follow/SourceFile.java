// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.program.files.ForeignFolder;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.LongAdder;

/** A file of a source, with the files of its rotation. It is read in turns. For one thread. */
public sealed interface SourceFile extends Closeable permits CompleteCsv, FollowedCsv {
    /**
     * Opens a CSV that a command follows.
     *
     * @throws IOException if its position was stored with other windows; the message says what to do
     */
    static SourceFile follow(Path csv, Source source, Certifier certifier, Positions positions) throws IOException {
        Path bad = csv.resolveSibling(Positions.file(csv).getFileName() + ".bad");
        ForeignFolder folder =
                new ForeignFolder(Objects.requireNonNull(csv.toAbsolutePath().getParent()));
        return new FollowedCsv(
                csv, folder, source, certifier, positions.find(""), new LeftOutLines(csv, bad, new LongAdder()));
    }

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
