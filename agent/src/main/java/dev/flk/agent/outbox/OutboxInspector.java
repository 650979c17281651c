// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.Outbox.OutboxLocked;
import dev.flk.agent.outbox.OutboxContents.Losses;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.wal.Log;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.LogRange;
import dev.flk.wal.LogRepair;
import dev.flk.wal.StartReport;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.Damage.TornTail;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A tool that reads, checks and repairs an outbox on disk. All methods except {@link #repair} also work while an agent
 * runs, and treat a missing directory as an empty outbox. They change nothing, except that {@link #requireFree} writes
 * the name of this process into the lock file if no process holds the lock.
 */
public final class OutboxInspector {
    private static final int PAGE = 4096;

    private final UnreadableBlocks files = new UnreadableBlocks(new DiskFiles());
    private final Path directory;
    private final LogInspector log;
    private final LogRange range;

    /** Creates an inspector of the outbox in this directory. */
    public OutboxInspector(Path directory) {
        this.directory = directory;
        this.log = new LogInspector(files, directory, OutboxRecords.PREFIX);
        this.range = new LogRange(files, directory, OutboxRecords.PREFIX);
    }

    /**
     * The number and size of the entries in an outbox.
     *
     * @param pendingEntries the number of pending certificates
     * @param pendingBytes the size of the pending certificates in bytes
     * @param oldest the pending entry with the lowest sequence; empty if no entry is pending
     * @param lostRecords the number of records that are known to be lost; at least 1 if a part of the log is lost
     * @param usedBytes the bytes of the outbox's files, without the {@link DiskQuota.Reserve}
     */
    public record Summary(
            int pendingEntries, long pendingBytes, Optional<OutboxEntry> oldest, long lostRecords, long usedBytes) {}

    /** Reads the whole outbox and counts its entries. */
    public Summary summary() throws IOException {
        if (!Files.exists(directory)) {
            return new Summary(0, 0, Optional.empty(), 0, 0);
        }
        try (LogReader reader = LogReader.open(files, directory, OutboxRecords.PREFIX, 0, OnDamage.SKIP)) {
            OutboxContents contents = OutboxContents.replay(reader);
            Pending pending = contents.pending();
            List<Damage> damages = new ArrayList<>(reader.damages());
            damages.addAll(range.missing(contents.last()));
            long lost = Losses.of(damages).records();
            return new Summary(
                    pending.size(), pending.bytes(), pending.oldest(), lost, DiskQuota.used(files, directory));
        }
    }

    /**
     * An entry with its settlement.
     *
     * @param settlement the way in which the entry was settled; empty if the log does not record a settlement of the
     *     entry
     * @param settledMillis the time of the settlement, in milliseconds since 1970; -1 if no settlement is recorded
     * @param certificate the certificate as the agent accepted it
     */
    public record HistoryEntry(
            OutboxEntry entry, Optional<SettledAs> settlement, long settledMillis, byte[] certificate) {}

    /** The settlements of {@link #PAGE} entries; null for an entry without one, and the times of the others. */
    private record Settlements(@Nullable SettledAs[] how, long[] millis) {
        Settlements(long page) {
            this(new @Nullable SettledAs[PAGE], new long[PAGE]);
        }
    }

    /**
     * Passes all pending and settled entries that are still in the log to a consumer, in the order of the log. An entry
     * that compaction has moved is passed at the position of its last record; the entries are therefore not always in
     * the order of their sequences. Needs about twelve bytes of memory per entry, and more memory for each entry that
     * compaction has moved.
     */
    public void history(Consumer<HistoryEntry> consumer) throws IOException {
        Map<Long, Settlements> settled = new HashMap<>(); // by the number of the page
        Map<Long, Long> movedTo = new HashMap<>();
        forEach(record -> {
            if (record.kind() == OutboxRecords.MOVED) {
                long sequence = OutboxRecords.entry(record).sequence();
                movedTo.put(sequence, record.sequence());
                Settlements page = settled.get(sequence / PAGE);
                if (page != null) {
                    page.how()[(int) (sequence % PAGE)] = null; // a settled entry that waits again
                }
            } else if (record.kind() == OutboxRecords.SETTLED) {
                SettledAs how = OutboxRecords.settlement(record.body());
                for (long sequence : OutboxRecords.settledSequences(record.body())) {
                    Settlements page = settled.computeIfAbsent(sequence / PAGE, Settlements::new);
                    page.how()[(int) (sequence % PAGE)] = how;
                    page.millis()[(int) (sequence % PAGE)] = record.arrivalMillis();
                }
            }
        });
        forEach(record -> {
            if (OutboxRecords.holdsCertificate(record.kind())) {
                OutboxEntry entry = OutboxRecords.entry(record);
                // as long as the old segment of a moved entry exists, the log has more than one record of the entry;
                // only the last record counts
                if (movedTo.getOrDefault(entry.sequence(), record.sequence()) == record.sequence()) {
                    Settlements page = settled.get(entry.sequence() / PAGE);
                    int place = (int) (entry.sequence() % PAGE);
                    SettledAs how = page == null ? null : page.how()[place];
                    consumer.accept(new HistoryEntry(
                            entry,
                            Optional.ofNullable(how),
                            page == null || how == null ? -1 : page.millis()[place],
                            OutboxRecords.certificate(record)));
                }
            }
        });
    }

    /** Returns the shard of the first certificate that is still in the log; empty if the log has none with a shard. */
    public Optional<String> anyShard() throws IOException {
        if (Files.exists(directory)) {
            try (LogWalk walk = log.walk(1)) {
                for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                    if (OutboxRecords.holdsCertificate(record.kind())) {
                        return Optional.of(Shards.nameIn(OutboxRecords.certificate(record), 0))
                                .filter(name -> !name.equals(Shards.OTHERS));
                    }
                }
            }
        }
        return Optional.empty();
    }

    private void forEach(Consumer<LogRecord> consumer) throws IOException {
        if (Files.exists(directory)) {
            try (LogWalk walk = log.walk(1)) {
                for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                    consumer.accept(record);
                }
            }
        }
    }

    /**
     * The result of a check.
     *
     * @param records the number of readable records
     * @param missing a sentence for each range of missing records, and for each file of which the disk failed to read a
     *     part
     * @param missingRecords the number of missing records that are known
     * @param isCountKnown whether {@code missingRecords} counts all records in the missing ranges; false if the length
     *     of a range is unknown
     * @param givenUp a sentence for each range of records that an earlier repair has declared lost
     * @param tornBytes the number of bytes at the end of the log from its first incomplete record on, for example after
     *     a crash; the next start moves these bytes to another file
     * @param brokenHeaders a sentence for each file with a damaged header and readable records
     * @param foreign a sentence for each file that belongs to another outbox
     */
    public record Check(
            long records,
            List<String> missing,
            long missingRecords,
            boolean isCountKnown,
            List<String> givenUp,
            long tornBytes,
            List<String> brokenHeaders,
            List<String> foreign) {
        /**
         * Returns whether {@code missing} is empty. Records that a repair has declared lost do not count as missing.
         */
        public boolean isComplete() {
            return missing.isEmpty();
        }

        /** Returns the number of missing records as text, such as {@code 3 records} or {@code at least 3 records}. */
        public String missingCount() {
            return (isCountKnown ? "" : "at least ") + ErrorMessages.count(missingRecords, "record");
        }
    }

    /** Reads the whole outbox and verifies every checksum. */
    public Check check() throws IOException {
        if (!Files.exists(directory)) {
            return new Check(0, List.of(), 0, true, List.of(), 0, List.of(), List.of());
        }
        Verification seen = range.verify(log);
        TornTail tail = seen.tornTail();
        List<String> missing = new ArrayList<>(describe(seen.damages()));
        missing.addAll(files.describe());
        return new Check(
                seen.records(),
                missing,
                seen.missing(),
                seen.damages().stream().noneMatch(damage -> damage.missing() == 0),
                describe(seen.givenUp()),
                tail == null ? 0 : tail.bytes(),
                seen.brokenHeaders().stream()
                        .map(StartReport::describeBrokenHeader)
                        .toList(),
                seen.foreign().stream().map(StartReport::describeForeign).toList());
    }

    private static List<String> describe(List<Damage> damages) {
        return damages.stream().map(Damage::describe).toList();
    }

    /**
     * Copies every damaged file to {@code <file>.broken}, keeps all complete records, and declares the other records
     * lost. Later starts do not report the lost records again.
     *
     * @return a text for each damaged file, with the names of the file and of its copy
     * @throws OutboxLocked if another process owns the outbox
     */
    public List<String> repair() throws IOException {
        try {
            List<String> setAside = new LogRepair(files, directory, OutboxRecords.PREFIX, holder())
                    .run().setAside().stream()
                            .map(file -> file.segment() + " to " + file.as())
                            .toList();
            // deletes the recorded range of the log, so that the next start does not report segments that are missing
            // at the beginning or end of the log
            range.forget();
            return setAside;
        } catch (LogLockedException e) {
            throw new OutboxLocked(e);
        }
    }

    private static String holder() {
        return "process " + ProcessHandle.current().pid();
    }

    /**
     * Makes sure that no other process owns the outbox.
     *
     * @throws OutboxLocked if another process owns the outbox; the message names that process
     */
    public void requireFree() throws IOException {
        Path lock = directory.resolve(Log.LOCK_FILE);
        if (Files.exists(lock)) {
            try {
                files.lock(lock, holder()).close();
            } catch (LogLockedException e) {
                throw new OutboxLocked(e);
            }
        }
    }
}
