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
import org.jspecify.annotations.Nullable;

/**
 * Every entry that is still in the outbox's log, and how it was settled; read without owning it, also while an agent runs. Some four
 * bytes per entry, more for those that compaction has moved.
 */
public final class OutboxHistory {
    private static final int PAGE = 4096;

    private final FileOps files = UnreadableBlocks.ofDisk();
    private final Path directory;
    /** In pages, by sequence; null while an entry waits. */
    private final Map<Long, @Nullable SettledAs[]> settled = new HashMap<>();

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
    public record Told(OutboxEntry entry, Optional<SettledAs> settlement, byte[] certificate) {}

    /** Takes one entry after the other. */
    public interface Listener {
        /** Takes the next entry. */
        void take(Told told) throws IOException;
    }

    /** Passes on the entries in the order of their certificates in the log; a directory that does not exist has none. */
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
                    SettledAs how = OutboxRecords.settlement(record.body());
                    for (long sequence : OutboxRecords.settledSequences(record.body())) {
                        settled.computeIfAbsent(sequence / PAGE, page -> new @Nullable SettledAs[PAGE])[
                                (int) (sequence % PAGE)] = how;
                    }
                }
            }
        }
    }

    private Optional<SettledAs> settlement(long sequence) {
        @Nullable SettledAs[] page = settled.get(sequence / PAGE);
        return page == null ? Optional.empty() : Optional.ofNullable(page[(int) (sequence % PAGE)]);
    }

    /** An entry that was moved is in the log twice while its old segment is there; it is passed on once. */
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
