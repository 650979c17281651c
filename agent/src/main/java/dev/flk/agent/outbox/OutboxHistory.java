// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.LogInspector;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A reader of all entries that are still in the outbox's log, with their settlements. It does not own the outbox and
 * works while an agent runs. Needs about four bytes of memory per entry, and more for each that compaction has moved.
 */
public final class OutboxHistory {
    private static final int PAGE = 4096;

    /** The settlements of entries, in pages by sequence; null for a pending entry. */
    private final Map<Long, @Nullable SettledAs[]> settled = new HashMap<>();
    /** The sequence of the newest record of each entry that compaction has moved. */
    private final Map<Long, Long> movedTo = new HashMap<>();

    private OutboxHistory() {}

    /**
     * An entry with its settlement.
     *
     * @param settlement the way in which it was settled; empty while it is pending
     * @param certificate the certificate as the agent accepted it
     */
    public record HistoryEntry(OutboxEntry entry, Optional<SettledAs> settlement, byte[] certificate) {}

    /** A consumer of entries. */
    public interface Listener {
        /** Accepts the next entry. */
        void take(HistoryEntry found) throws IOException;
    }

    /** Passes on the entries in the order of their certificates in the log; none if the directory does not exist. */
    public static void read(Path directory, Listener listener) throws IOException {
        if (Files.exists(directory)) {
            LogInspector log = new LogInspector(UnreadableBlocks.ofDisk(), directory, OutboxRecords.PREFIX);
            OutboxHistory history = new OutboxHistory();
            try (LogWalk walk = log.walk(1)) {
                for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                    history.learn(record);
                }
            }
            try (LogWalk walk = log.walk(1)) {
                for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                    history.tell(record, listener);
                }
            }
        }
    }

    private void learn(LogRecord record) {
        if (record.kind() == OutboxRecords.MOVED) {
            movedTo.put(OutboxRecords.entry(record).sequence(), record.sequence());
        } else if (record.kind() == OutboxRecords.SETTLED) {
            SettledAs how = OutboxRecords.settlement(record.body());
            for (long sequence : OutboxRecords.settledSequences(record.body())) {
                settled.computeIfAbsent(sequence / PAGE, page -> new @Nullable SettledAs[PAGE])[
                        (int) (sequence % PAGE)] = how;
            }
        }
    }

    /**
     * Passes on an entry, unless a later record contains it, too: a moved entry is in the log twice while its old
     * segment exists.
     */
    private void tell(LogRecord record, Listener listener) throws IOException {
        if (OutboxRecords.holdsCertificate(record.kind())) {
            OutboxEntry entry = OutboxRecords.entry(record);
            if (movedTo.getOrDefault(entry.sequence(), record.sequence()) == record.sequence()) {
                listener.take(new HistoryEntry(entry, settlement(entry.sequence()), OutboxRecords.certificate(record)));
            }
        }
    }

    private Optional<SettledAs> settlement(long sequence) {
        @Nullable SettledAs[] page = settled.get(sequence / PAGE);
        return page == null ? Optional.empty() : Optional.ofNullable(page[(int) (sequence % PAGE)]);
    }
}
