// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRecord.End;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.RecordFormat;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import dev.flk.wal.segment.Vanished;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** The content of a topic, for commands. Reads the topic, never claims the log, and writes nothing to the topic. */
public final class CopyContent {
    private final CopyTopic topic;

    /**
     * The records of a log that its copy lacks. They follow each other.
     *
     * @param records the number of complete records
     * @param first the sequence of the first one; 0 if the copy has all records
     * @param last the sequence of the last one; 0 if the copy has all records
     */
    public record OnlyHere(long records, long first, long last) {}

    /**
     * A log compared with its copy.
     *
     * @param owner who owns the log according to the topic; empty if that is not known
     * @param beatMillis when the owner was alive last, in milliseconds since the epoch by its clock
     * @param lost a loss of entries that the topic had acknowledged to this machine; empty if no loss is known
     */
    public record Compared(OnlyHere onlyHere, Optional<Claim> owner, long beatMillis, Optional<String> lost) {}

    public CopyContent(CopyTopic topic) {
        this.topic = topic;
    }

    private CopyChain read(CopyChain.Sink sink) throws IOException {
        CopyChain chain = new CopyChain(sink);
        chain.read(topic, topic.begin(), topic.end());
        return chain;
    }

    /** Returns how many bytes of each segment the topic has, by the id of the segment. */
    public Map<String, Long> segments() throws IOException {
        return byId(read((segment, offset, bytes) -> {}));
    }

    private static Map<String, Long> byId(CopyChain chain) {
        Map<String, Long> bytes = new HashMap<>();
        chain.segments().values().forEach(copied -> bytes.put(copied.segment().id(), copied.bytes()));
        return bytes;
    }

    /**
     * Writes segments to a directory, in the form of an archive. A kill in between leaves a directory that must be
     * removed.
     *
     * @param archive an empty directory
     * @param isWanted whether to write the segment with an id
     */
    public void write(FileOps files, Path archive, Predicate<String> isWanted) throws IOException {
        try (CopyArchive target = new CopyArchive(files, archive)) {
            CopyChain unused = read((segment, offset, bytes) -> {
                if (isWanted.test(segment.id())) {
                    target.bytes(segment, offset, bytes);
                }
            });
        }
    }

    /**
     * Compares a log with the topic.
     *
     * @throws CopyRefusedException if the topic has no log, or another one
     */
    public Compared compare(FileOps files, Path directory, String prefix) throws IOException, CopyRefusedException {
        Set<String> logs = new HashSet<>();
        CopyChain chain = read((segment, offset, bytes) -> {
            if (offset == 0) {
                SegmentHeader.logIdIn(bytes).ifPresent(logs::add);
            }
        });
        Optional<String> missing = chain.missing();
        if (missing.isPresent() || chain.segments().isEmpty()) {
            throw new CopyRefusedException(
                    topic.message(missing.map(what -> what + " was removed from the topic")
                            .orElse("the topic has no log")),
                    false);
        }
        SegmentList list = Vanished.retry(() -> SegmentList.read(files, directory, prefix));
        Set<String> local = new HashSet<>();
        list.segments().forEach(listed -> local.add(listed.header().logId()));
        if (!logs.isEmpty() && !local.isEmpty() && Collections.disjoint(local, logs)) {
            throw new CopyRefusedException(
                    topic.message("the topic has another log, " + String.join(", ", logs) + ", and not "
                            + String.join(", ", local) + ", which is in " + directory),
                    false);
        }
        Optional<CopyNote> note = CopyNote.read(files, directory, prefix);
        Map<String, Long> copied = byId(chain);
        End common = new End(0, 0);
        for (Listed listed : list.segments()) {
            Long bytes = copied.get(listed.header().id());
            if (bytes != null && listed.header().ordinal() > common.ordinal()) {
                common = new End(listed.header().ordinal(), bytes);
            }
        }
        boolean isTrimmed = common.ordinal() == 0; // the topic has only later segments
        return new Compared(
                after(list, isTrimmed ? noted(note.orElse(null)) : common),
                chain.owner(),
                chain.beatMillis(),
                note.flatMap(each -> each.loss(topic, topic.identity(), topic.end())));
    }

    /**
     * Returns the records that, according to the log's directory, are not known to be copied. The copy may have some of
     * them.
     */
    public static OnlyHere notKnownToBeCopied(FileOps files, Path directory, String prefix) throws IOException {
        SegmentList list = Vanished.retry(() -> SegmentList.read(files, directory, prefix));
        return after(list, noted(CopyNote.read(files, directory, prefix).orElse(null)));
    }

    private static End noted(@Nullable CopyNote note) {
        return note == null
                ? new End(0, 0)
                : new End(note.place().ordinal(), note.place().offset());
    }

    private static OnlyHere after(SegmentList list, End copied) throws IOException {
        Map<String, Long> ordinals = new HashMap<>();
        for (Listed listed : list.segments()) {
            ordinals.put(listed.name(), listed.header().ordinal());
            listed.copies().forEach(copy -> ordinals.put(copy, listed.header().ordinal()));
        }
        long records = 0;
        long first = 0;
        long last = 0;
        try (LogReader reader = LogReader.over(list, OnDamage.SKIP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                long ordinal = ordinals.getOrDefault(record.position().segment(), Long.MAX_VALUE);
                long end = record.position().offset() + RecordFormat.lengthOf(record);
                if (ordinal > copied.ordinal() || (ordinal == copied.ordinal() && end > copied.offset())) {
                    first = records == 0 ? record.sequence() : first;
                    last = record.sequence();
                    records++;
                }
            }
        }
        return new OnlyHere(records, first, last);
    }
}
