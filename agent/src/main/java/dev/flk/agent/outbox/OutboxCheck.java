// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.Outbox.OutboxLocked;
import dev.flk.wal.Damage;
import dev.flk.wal.Damage.TornTail;
import dev.flk.wal.Log;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.LogLockedException;
import dev.flk.wal.LogRepair;
import dev.flk.wal.LogRepair.Repair;
import dev.flk.wal.StartReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Checks an outbox, and sets damaged files aside. */
public final class OutboxCheck {
    private final UnreadableBlocks files = UnreadableBlocks.ofDisk();
    private final Path directory;

    /** For the outbox in this directory. */
    public OutboxCheck(Path directory) {
        this.directory = directory;
    }

    /**
     * What was found.
     *
     * @param records that can be read
     * @param missing a sentence for each range of records that is gone, and for each file that the disk failed to read
     * @param missingRecords how many those are
     * @param givenUp the same of those that an earlier check has given up
     * @param tornBytes what a crash has left behind the last whole record; the next start sets it aside
     * @param brokenHeaders a sentence for each file whose header is damaged, although its records can be read
     * @param foreign a sentence for each file of another outbox
     */
    public record Found(
            long records,
            List<String> missing,
            long missingRecords,
            List<String> givenUp,
            long tornBytes,
            List<String> brokenHeaders,
            List<String> foreign) {
        /** Whether nothing is missing that was not given up. */
        public boolean isWhole() {
            return missing.isEmpty();
        }
    }

    /** Reads all of it, every checksum; also while an agent runs. Changes nothing. */
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
     * Copies every damaged file to a {@code ….broken} one, keeps all whole records, and declares the others lost, so that no start
     * speaks of them again.
     *
     * @return the files that were set aside
     * @throws OutboxLocked if a process owns the outbox
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
     * Checks that no process owns the outbox; changes nothing.
     *
     * @throws OutboxLocked naming the process that owns it
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
