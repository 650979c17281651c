// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.FileOps;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogReader.LogWalk;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Every entry that the outbox's log still tells of, and what became of it; read without owning it, also while an agent runs. A byte of
 * memory per entry, more for those that compaction has moved.
 */
public final class OutboxHistory {
    private static final int PAGE = 4096;

    private final FileOps files = BadBlocks.ofDisk();
    private final Path directory;
    /** The code of the settlement, in pages by sequence; 0 while it waits. */
    private final Map<Long, byte[]> settled = new HashMap<>();

    private final Set<Long> moved = new HashSet<>();

    private OutboxHistory(Path directory) {
        this.directory = directory;
    }

    /**
     * An entry.
     *
     * @param settlement how it was settled; empty while it waits
     * @param certificate as it was taken in
     */
    public record Told(OutboxEntry entry, Optional<Settlement> settlement, byte[] certificate) {}

    /** Takes one entry after the other. */
    public interface Listener {
        /** Takes the next entry. */
        void take(Told told) throws IOException;
    }

    /** Tells of the entries in the order in which their certificates stand; a directory that does not exist has none. */
    public static void read(Path directory, Listener listener) throws IOException {
        if (Files.exists(directory)) {
            OutboxHistory history = new OutboxHistory(directory);
            history.learn();
            history.tell(listener);
        }
    }

    private LogWalk walk() {
        return new LogInspector(files, directory, OutboxRecords.PREFIX).walk(1);
    }

    /** Reads which entries were settled, and which were moved. */
    private void learn() throws IOException {
        try (LogWalk walk = walk()) {
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                if (record.kind() == OutboxRecords.MOVED) {
                    moved.add(OutboxRecords.entry(record).sequence());
                } else if (record.kind() == OutboxRecords.SETTLED) {
                    byte code = OutboxRecords.settlement(record.body()).code();
                    for (long sequence : OutboxRecords.settledSequences(record.body())) {
                        settled.computeIfAbsent(sequence / PAGE, page -> new byte[PAGE])[(int) (sequence % PAGE)] =
                                code;
                    }
                }
            }
        }
    }

    private Optional<Settlement> settlement(long sequence) {
        byte[] page = settled.get(sequence / PAGE);
        int code = page == null ? 0 : page[(int) (sequence % PAGE)];
        return code == 0 ? Optional.empty() : Optional.of(Settlement.ofCode(code));
    }

    /** An entry that was moved stands there twice while its old segment is there; it is told once. */
    private void tell(Listener listener) throws IOException {
        Set<Long> toldBefore = new HashSet<>();
        try (LogWalk walk = walk()) {
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                if (OutboxRecords.holdsCertificate(record.kind())) {
                    OutboxEntry entry = OutboxRecords.entry(record);
                    boolean twice = moved.contains(entry.sequence()) && !toldBefore.add(entry.sequence());
                    if (!twice) {
                        listener.take(new Told(entry, settlement(entry.sequence()), OutboxRecords.certificate(record)));
                    }
                }
            }
        }
    }
}
