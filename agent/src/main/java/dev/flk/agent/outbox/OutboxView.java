// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.FileOps;
import dev.flk.wal.LogReader;
import dev.flk.wal.OnDamage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The outbox as it stands on disk, read without owning it: also while an agent runs.
 *
 * @param pendingEntries certificates that wait
 * @param pendingBytes their size
 * @param oldest the one that has waited longest
 * @param lostRecords records that the disk has lost
 * @param usedBytes what its files take
 */
public record OutboxView(
        int pendingEntries, long pendingBytes, Optional<Entry> oldest, long lostRecords, long usedBytes) {

    /** Reads a directory; one that does not exist is an empty outbox. */
    public static OutboxView read(Path directory) throws IOException {
        if (!Files.exists(directory)) {
            return new OutboxView(0, 0, Optional.empty(), 0, 0);
        }
        FileOps files = BadBlocks.ofDisk();
        try (LogReader reader = LogReader.open(files, directory, OutboxRecords.PREFIX, 0, OnDamage.SKIP)) {
            Pending pending = Contents.replay(reader).pending();
            long lost = Losses.of(reader.damages()).records();
            return new OutboxView(pending.size(), pending.bytes(), pending.oldest(), lost, Room.used(files, directory));
        }
    }
}
