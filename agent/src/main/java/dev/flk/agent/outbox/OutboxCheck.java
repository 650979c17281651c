// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.Outbox.OutboxLocked;
import dev.flk.wal.Log;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.LogRepair;
import dev.flk.wal.LogRepair.Repair;
import dev.flk.wal.StartReport;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.TornTail;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A check of an outbox, which can set damaged files aside. */
public final class OutboxCheck {
    private final UnreadableBlocks files = UnreadableBlocks.ofDisk();
    private final Path directory;

    /** Creates a check of the outbox in this directory. */
    public OutboxCheck(Path directory) {
        this.directory = directory;
    }

    /**
     * The result of a check.
     *
     * @param records the number of readable records
     * @param missing a sentence for each range of missing records, and for each file that the disk failed to read
     * @param missingRecords the number of missing records
     * @param givenUp a sentence for each range of records that an earlier repair has declared lost
     * @param tornBytes the bytes that a crash has left after the last complete record; the next start sets them aside
     * @param brokenHeaders a sentence for each file with a damaged header and readable records
     * @param foreign a sentence for each file that belongs to another outbox
     */
    public record Found(
            long records,
            List<String> missing,
            long missingRecords,
            List<String> givenUp,
            long tornBytes,
            List<String> brokenHeaders,
            List<String> foreign) {
        /** Returns whether no records are missing, apart from those declared lost. */
        public boolean isWhole() {
            return missing.isEmpty();
        }
    }

    /** Reads the whole outbox and verifies every checksum, also while an agent runs. Changes nothing. */
    public Found look() throws IOException {
        if (!Files.exists(directory)) {
            return new Found(0, List.of(), 0, List.of(), 0, List.of(), List.of());
        }
        Verification seen = new LogInspector(files, directory, OutboxRecords.PREFIX).verify();
        TornTail tail = seen.tornTail();
        List<String> missing = new ArrayList<>(describe(seen.damages()));
        missing.addAll(files.describe());
        return new Found(
                seen.records(),
                missing,
                seen.missing(),
                describe(seen.givenUp()),
                tail == null ? 0 : tail.bytes(),
                seen.brokenHeaders().stream()
                        .map(StartReport::describeBrokenHeader)
                        .toList(),
                seen.foreign().stream().map(StartReport::describeForeign).toList());
    }

    /**
     * Copies every damaged file to a {@code ….broken} one, keeps all complete records, and declares the others lost, so
     * that later starts do not report them again.
     *
     * @return the files that were set aside, each with the name of its copy
     * @throws OutboxLocked if another process owns the outbox
     */
    public List<String> repair() throws IOException {
        try {
            Repair done = new LogRepair(
                            files,
                            directory,
                            OutboxRecords.PREFIX,
                            "process " + ProcessHandle.current().pid())
                    .run();
            return done.setAside().stream()
                    .map(file -> file.segment() + " to " + file.as())
                    .toList();
        } catch (LogLockedException e) {
            throw new OutboxLocked(e);
        }
    }

    /**
     * Checks that no other process owns the outbox; changes nothing.
     *
     * @throws OutboxLocked if another process owns the outbox; the message names it
     */
    public void requireFree() throws IOException {
        Path lock = directory.resolve(Log.LOCK_FILE);
        if (Files.exists(lock)) {
            try {
                files.lock(lock, "process " + ProcessHandle.current().pid()).close();
            } catch (LogLockedException e) {
                throw new OutboxLocked(e);
            }
        }
    }

    private static List<String> describe(List<Damage> damages) {
        return damages.stream().map(Damage::describe).toList();
    }
}
