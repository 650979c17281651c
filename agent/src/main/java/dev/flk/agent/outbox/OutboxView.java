// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.Outbox.LastSending;
import dev.flk.agent.outbox.OutboxRecords.Name;
import dev.flk.wal.Damage;
import dev.flk.wal.Damage.OnDamage;
import dev.flk.wal.FileOps;
import dev.flk.wal.LogReader;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The outbox as it is on disk, read without owning it, also while an agent runs.
 *
 * @param pendingEntries certificates that wait
 * @param pendingBytes their size
 * @param oldest the one that has waited longest
 * @param lostRecords records that the disk has lost
 * @param usedBytes what its files take
 */
public record OutboxView(
        int pendingEntries, long pendingBytes, Optional<OutboxEntry> oldest, long lostRecords, long usedBytes) {

    /** Reads a directory; one that does not exist is an empty outbox. */
    public static OutboxView read(Path directory) throws IOException {
        if (!Files.exists(directory)) {
            return new OutboxView(0, 0, Optional.empty(), 0, 0);
        }
        FileOps files = UnreadableBlocks.ofDisk();
        try (LogReader reader = LogReader.open(files, directory, OutboxRecords.PREFIX, 0, OnDamage.SKIP)) {
            Pending pending = Contents.replay(reader).pending();
            long lost = Losses.of(reader.damages()).records();
            return new OutboxView(
                    pending.size(), pending.bytes(), pending.oldest(), lost, DiskQuota.used(files, directory));
        }
    }

    /**
     * What the disk has lost of the outbox. The log reports a gap once for each segment that should have held it; here each
     * missing record counts once.
     */
    record Losses(List<Damage> gaps) {

        static Losses of(Collection<Damage> damages) {
            List<Damage> gaps = new ArrayList<>();
            long told = -1;
            List<Damage> inOrder = damages.stream()
                    .sorted(Comparator.comparingLong(Damage::firstMissing))
                    .toList();
            for (Damage damage : inOrder) {
                if (damage.lastMissing() > told) {
                    long first = Math.max(damage.firstMissing(), told + 1);
                    gaps.add(new Damage(damage.kind(), damage.segment(), damage.offset(), first, damage.lastMissing()));
                    told = damage.lastMissing();
                }
            }
            return new Losses(gaps);
        }

        /** Records that are gone. */
        long records() {
            return gaps.stream()
                    .mapToLong(gap -> gap.lastMissing() - gap.firstMissing() + 1)
                    .sum();
        }

        /** A sentence for each gap. */
        List<String> describe() {
            return gaps.stream().map(Damage::describe).toList();
        }
    }

    /** What the whole log says. */
    static final class Contents {
        private final Pending pending = new Pending();
        private final Set<Name> requeued = ConcurrentHashMap.newKeySet();
        private volatile @Nullable LastSending lastSending;

        /** Reads the whole log. */
        static Contents replay(LogReader log) throws IOException {
            Contents contents = new Contents();
            for (LogRecord record = log.next(); record != null; record = log.next()) {
                contents.apply(record);
            }
            contents.pending.keepShardNames();
            return contents;
        }

        void apply(LogRecord record) throws IOException {
            switch (record.kind()) {
                case OutboxRecords.CERTIFICATE -> pending.add(OutboxRecords.entry(record), OutboxRecords.shard(record));
                case OutboxRecords.REQUEUED -> {
                    pending.add(OutboxRecords.entry(record), OutboxRecords.shard(record));
                    requeued.add(OutboxRecords.was(record.body()));
                }
                case OutboxRecords.MOVED ->
                    pending.relocate(OutboxRecords.entry(record), OutboxRecords.shard(record), record.sequence());
                case OutboxRecords.SETTLED -> {
                    for (long sequence : OutboxRecords.settledSequences(record.body())) {
                        pending.remove(sequence);
                    }
                }
                case OutboxRecords.BEING_SENT -> {
                    long[] numbers = OutboxRecords.numbers(record.body());
                    sending(new LastSending(
                            Instant.ofEpochMilli(record.arrivalMillis()), Instant.ofEpochMilli(numbers[0])));
                    for (int i = 1; i < numbers.length; i++) {
                        pending.beingSent(numbers[i], numbers[0]);
                    }
                }
                case OutboxRecords.NOT_ARRIVED -> {
                    for (long sequence : OutboxRecords.numbers(record.body())) {
                        pending.notArrived(sequence);
                    }
                }
                case OutboxRecords.STILL_IN_FILE -> requeued.addAll(OutboxRecords.names(record.body()));
                default -> throw OutboxRecords.unknown(record);
            }
        }

        /** What waits. */
        Pending pending() {
            return pending;
        }

        /** Remembers that certificates are being sent. */
        void sending(LastSending now) {
            lastSending = now;
        }

        /** Returns the last sending; empty if there was none. */
        Optional<LastSending> lastSending() {
            return Optional.ofNullable(lastSending);
        }

        /** The dead letters that were taken back and may still stand in their file. */
        Set<Name> requeued() {
            return requeued;
        }

        /** Whether the dead letter of this entry was taken back. */
        boolean wasRequeued(Name name) {
            return requeued.contains(name);
        }
    }
}
