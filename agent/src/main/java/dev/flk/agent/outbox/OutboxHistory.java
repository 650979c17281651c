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
    /** The code of the fate, by sequence; 0 while it waits. */
    private final Map<Long, byte[]> fates = new HashMap<>();

    private OutboxHistory(Path directory) {
        this.directory = directory;
    }

    /**
     * An entry.
     *
     * @param fate what ended it; empty while it waits
     * @param certificate as it was taken in
     */
    public record Told(OutboxEntry entry, Optional<Settlement> fate, byte[] certificate) {}

    /** Takes one entry after the other. */
    public interface Listener {
        /** Takes the next entry. */
        void take(Told told) throws IOException;
    }

    /** Tells of the entries in the order in which their certificates stand; a directory that does not exist has none. */
    public static void read(Path directory, Listener listener) throws IOException {
        if (Files.exists(directory)) {
            OutboxHistory history = new OutboxHistory(directory);
            history.learnFates();
            history.tell(listener);
        }
    }

    private LogWalk walk() {
        return new LogInspector(files, directory, OutboxRecords.PREFIX).walk(1);
    }

    private void learnFates() throws IOException {
        try (LogWalk walk = walk()) {
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                if (record.kind() == OutboxRecords.SETTLED) {
                    Settlement fate = OutboxRecords.fate(record.body());
                    for (long sequence : OutboxRecords.settledSequences(record.body())) {
                        fates.computeIfAbsent(sequence / PAGE, page -> new byte[PAGE])[(int) (sequence % PAGE)] =
                                fate.code();
                    }
                }
            }
        }
    }

    private Optional<Settlement> fate(long sequence) {
        byte[] page = fates.get(sequence / PAGE);
        int code = page == null ? 0 : page[(int) (sequence % PAGE)];
        return code == 0 ? Optional.empty() : Optional.of(Settlement.ofCode(code));
    }

    /** An entry that was moved stands there twice while its old segment is there; it is told once. */
    private void tell(Listener listener) throws IOException {
        Set<Long> toldBefore = new HashSet<>();
        Set<Long> moved = moved();
        try (LogWalk walk = walk()) {
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                if (OutboxRecords.holdsCertificate(record.kind())) {
                    OutboxEntry entry = OutboxRecords.entry(record);
                    boolean twice = moved.contains(entry.sequence()) && !toldBefore.add(entry.sequence());
                    if (!twice) {
                        listener.take(new Told(entry, fate(entry.sequence()), OutboxRecords.certificate(record)));
                    }
                }
            }
        }
    }

    private Set<Long> moved() throws IOException {
        Set<Long> moved = new HashSet<>();
        try (LogWalk walk = walk()) {
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                if (record.kind() == OutboxRecords.MOVED) {
                    moved.add(OutboxRecords.entry(record).sequence());
                }
            }
        }
        return moved;
    }
}
