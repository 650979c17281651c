// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import dev.flk.copy.CopyChain.Copied;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRecord.Segment;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.LogCopy.Place;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.LogId;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.Vanished;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The comparison of a log with its copy, before the log is opened, and the claim of the log. The caller owns the
 * directory. One thread.
 */
public final class CopyStart {
    /** The time for which an owner counts as alive after its last entry. */
    static final Duration ALIVE = Duration.ofSeconds(30);

    private static final long CLAIM_SECONDS = 60;

    private static final String SET_ASIDE =
            "set this log aside with 'flk backend wal set-aside', which counts what only"
                    + " it has; a start without a log takes it from the copy";

    private final FileOps files;
    private final Path directory;
    private final String prefix;
    private final CopyTopic topic;
    private final InstantSource clock;

    /**
     * The result.
     *
     * @param from the place up to which the log is copied
     * @param begins the first entry of each segment in the topic, by its ordinal
     * @param next the entry after the claim
     * @param lost what the topic has lost; empty if it has everything that it has acknowledged
     */
    public record Started(Claim claim, Place from, Map<Long, Long> begins, long next, Optional<String> lost) {}

    /** The segments of the log on this machine, by their ids. */
    private record Local(Map<String, LocalSegment> segments, Set<String> logs, long first, long last) {
        boolean hasOrdinal(long ordinal) {
            return segments.values().stream().anyMatch(each -> each.ordinal() == ordinal);
        }

        /** Returns whether this machine lacks the end of a segment that continues its log, or all of the segment. */
        boolean lacks(Copied copied) {
            Segment segment = copied.segment();
            LocalSegment here = segments.get(segment.id());
            return here == null ? segment.ordinal() > last : segment.ordinal() == last && copied.bytes() > here.end();
        }

        /** Returns whether a copy lacks a part of a segment that is not before {@code ordinal}. */
        boolean hasMoreThan(CopyChain copy, long ordinal) {
            return segments.entrySet().stream().anyMatch(listed -> {
                LocalSegment each = listed.getValue();
                Copied copied = copy.segments().get(each.ordinal());
                long bytes = copied != null && copied.segment().id().equals(listed.getKey())
                        ? copied.bytes()
                        : each.headerEnd();
                return each.ordinal() >= ordinal && each.end() > bytes;
            });
        }
    }

    /** A segment of the log on this machine. */
    private record LocalSegment(long ordinal, long headerEnd, long end) {}

    public CopyStart(FileOps files, Path directory, String prefix, CopyTopic topic, InstantSource clock) {
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
        this.topic = topic;
        this.clock = clock;
    }

    /**
     * Compares and claims.
     *
     * @param wanted the claim of this writer; its term is not used
     * @param takeOver whether to claim a log whose owner may be alive
     * @param usedTerm a term that was used, also in a topic before this one, whose terms begin at 1; called before the
     *     claim
     * @throws CopyRefusedException if another backend owns the log or claims it now, or the copy belongs to another log,
     *     or has what this machine lacks
     * @throws CopyUnavailableException if the topic can't be used; the call can be repeated
     */
    public Started run(Claim wanted, boolean takeOver, LongSupplier usedTerm) throws IOException, CopyRefusedException {
        Optional<CopyNote> note = CopyNote.read(files, directory, prefix);
        String identity = topic.identity();
        boolean isKnown = note.filter(each -> each.identity().equals(identity)).isPresent();
        // a note of an older disk may be from before entries were removed from the topic, or lost and replaced by
        // others
        CopyNote known = note.filter(each -> isKnown && each.hasNewest(topic)).orElse(null);
        Local local = local();
        long used = usedTerm.getAsLong(); // may take long, so before the owner is looked up
        Set<String> logs = new HashSet<>();
        CopyChain.Sink ids = (segment, offset, bytes) -> {
            if (offset == 0) {
                SegmentHeader.logIdIn(bytes).ifPresent(logs::add);
            }
        };
        CopyChain seen = read(known, topic.end(), ids);
        if (note.isEmpty() || isKnown) {
            requireOwn(seen, wanted, note.orElse(null), isKnown, takeOver);
        }
        requireSameLog(seen, local, logs, note.flatMap(each -> each.loss(topic, identity, topic.end())));
        boolean isIn = isKnown
                || local.segments().keySet().stream()
                        .anyMatch(id -> seen.isCut(id)
                                || seen.segments().values().stream()
                                        .anyMatch(
                                                copied -> copied.segment().id().equals(id)));
        if (!isIn) {
            requireUntrimmed(seen);
        }
        long knownTerm = Math.max(seen.term(), note.map(CopyNote::term).orElse(0L));
        Claim claim = wanted.after(Math.max(knownTerm, used));
        new CopyNote(
                        identity,
                        known == null ? "" : known.incarnation(),
                        claim.incarnation(),
                        claim.term(),
                        known == null ? topic.begin() : known.next(),
                        known == null ? "" : known.newest(),
                        known == null ? Place.BEGINNING : known.place(),
                        known == null ? Map.of() : known.begins())
                .write(files, directory, prefix);
        long claimed = append(claim);
        String lost = note.flatMap(each -> each.loss(topic, identity, claimed)).orElse(null);
        CopyNote base = lost == null ? known : null;
        // up to the claim, and not up to an end that a broker may remember wrongly after it was replaced as the leader
        CopyChain all = read(base, claimed, ids);
        if (all.term() >= claim.term()) { // the terms of two owners must differ
            throw new CopyRefusedException("another backend has claimed the log at the same time", true);
        }
        requireSameLog(
                all, local, logs, Optional.ofNullable(lost)); // the owner before may have written until the claim
        if (lost != null && hasAll(all, local)) {
            lost = null; // only an older disk knows what was lost, or another topic
        }
        Map<Long, Long> begins = new TreeMap<>(base == null ? Map.of() : base.begins());
        all.segments().forEach((ordinal, copied) -> begins.putIfAbsent(ordinal, copied.begin()));
        Place from = lost == null ? all.place() : Place.BEGINNING;
        String newest = CopyNote.checksum(claim.encode());
        new CopyNote(
                        identity,
                        claim.incarnation(),
                        claim.incarnation(),
                        claim.term(),
                        claimed + 1,
                        newest,
                        from,
                        begins)
                .write(files, directory, prefix);
        return new Started(claim, from, begins, claimed + 1, Optional.ofNullable(lost));
    }

    /**
     * Claims a log of which this machine has nothing, and writes what the copy has to a directory, in the form of an
     * archive, from which the log can be restored. A kill in between leaves a directory that must be removed.
     *
     * @param archive an empty directory
     * @return the bytes of the copy; 0 if the topic has no log, which then was not claimed
     * @throws CopyRefusedException if another backend that may be alive owns the log, or the log's beginning was removed
     *     from the topic
     * @throws CopyUnavailableException if the topic can't be used; the call can be repeated
     */
    public long takeAll(Path archive, Claim claim, boolean takeOver) throws IOException, CopyRefusedException {
        CopyChain seen = read(null, topic.end(), (segment, offset, bytes) -> {});
        requireUntrimmed(seen);
        if (seen.segments().isEmpty()) {
            return 0;
        }
        requireOwn(seen, claim, null, false, takeOver);
        long claimed = append(claim.after(seen.term()));
        try (CopyArchive archived = new CopyArchive(files, archive)) {
            CopyChain all = read(null, claimed, archived);
            archived.writeAttachments(all);
            return archived.bytes();
        }
    }

    /**
     * Checks that the topic does not lack a part of the log that it has: a machine that has nothing of this log would lose
     * the part for good, or begin another log in the topic.
     */
    private void requireUntrimmed(CopyChain seen) throws CopyRefusedException {
        Optional<String> missing = seen.missing();
        if (missing.isPresent()) {
            Optional<Copied> rest = seen.segments().values().stream().findFirst();
            String remedy = rest.map(first -> "To restore without it what follows, start again after "
                            + topic.removalCommand(OptionalLong.of(first.begin())))
                    .orElseGet(() ->
                            "To give the log up, remove the topic too; the next start begins a new log, or copies the one that 'flk-backend wal restore --from"
                                    + " ARCHIVE' has restored before it");
            throw new CopyRefusedException(
                    topic.message(missing.get()
                            + " was removed from the topic, which is the copy of a log. If a machine still has this"
                            + " log, remove the topic and start its backend, which copies everything again: "
                            + topic.removalCommand(OptionalLong.empty()) + ". " + remedy),
                    false);
        }
    }

    /** Returns whether the copy has the log from its beginning to its end on this machine. */
    private static boolean hasAll(CopyChain copy, Local local) {
        return !copy.segments().isEmpty()
                && copy.segments().firstKey() <= local.first()
                && !local.hasMoreThan(copy, local.first());
    }

    private CopyChain read(@Nullable CopyNote base, long end, CopyChain.Sink sink) throws IOException {
        CopyChain chain = base == null ? new CopyChain(sink) : CopyChain.after(base, sink);
        chain.read(topic, base == null ? topic.begin() : base.next(), end);
        return chain;
    }

    /**
     * Checks that no other backend owns the log: none that is alive, and none on another host if this machine has owned
     * the log before. A later process of this host may have claimed it if an older copy of the disk was put back.
     */
    private void requireOwn(CopyChain seen, Claim claim, @Nullable CopyNote note, boolean isKnown, boolean takeOver)
            throws CopyRefusedException {
        Optional<Claim> owner = seen.owner();
        if (owner.isEmpty() || takeOver) {
            return;
        }
        String incarnation = owner.get().incarnation();
        if (incarnation.equals(claim.incarnation())
                || (note != null && (incarnation.equals(note.incarnation()) || incarnation.equals(note.claimant())))) {
            return;
        }
        boolean isAlive = clock.millis() - seen.beatMillis() < ALIVE.toMillis();
        boolean isForeign = isKnown && !owner.get().host().equals(claim.host());
        if (isAlive || isForeign) {
            throw owned(owner.get(), seen.beatMillis(), !isForeign);
        }
    }

    private static CopyRefusedException owned(Claim owner, long beatMillis, boolean mayPass) {
        return new CopyRefusedException(
                "the log belongs to another backend: instance " + owner.instance() + " on "
                        + owner.host() + " has owned it since " + Instant.ofEpochMilli(owner.millis())
                        + " and was alive at " + Instant.ofEpochMilli(beatMillis)
                        + ". If that backend has ended for good, start this one with --take-over. If this machine's log is the"
                        + " old one, " + SET_ASIDE,
                mayPass);
    }

    /**
     * Checks that the copy is one of this log, and has nothing that this machine lacks. This machine may lack segments
     * that have only a header, because a start replaces them.
     *
     * @param logs the ids of the logs of copied segments
     * @param lost what the topic has lost
     */
    private void requireSameLog(CopyChain copy, Local local, Set<String> logs, Optional<String> lost)
            throws IOException, CopyRefusedException {
        long common = 0;
        boolean hasRecords = false;
        for (Copied copied : copy.segments().values()) {
            Segment segment = copied.segment();
            hasRecords |= copied.hasRecords();
            if (local.segments().containsKey(segment.id())) {
                common = Math.max(common, segment.ordinal());
            } else if (segment.ordinal() >= local.first()
                    && segment.ordinal() <= local.last()
                    && (copied.hasRecords() || local.hasOrdinal(segment.ordinal()))) {
                throw different(segment.ordinal(), lost);
            }
        }
        boolean isOther = !local.logs().containsAll(logs) && !local.segments().isEmpty();
        // a topic that has lost its end may end before the oldest segment that the retention has kept
        boolean isBefore = !local.segments().isEmpty()
                && !copy.segments().isEmpty()
                && copy.segments().lastKey() < local.first();
        if (isOther || (hasRecords && common == 0 && !isBefore && isLog(local))) {
            throw different(Math.min(local.first(), copy.segments().firstKey()), lost);
        }
        if (copy.segments().values().stream().anyMatch(local::lacks)) {
            throw local.hasMoreThan(copy, common) ? different(common, lost) : older(local.last());
        }
    }

    private boolean isLog(Local local) throws IOException {
        return !local.segments().isEmpty() || files.list(directory).contains(LogId.file(prefix));
    }

    private static CopyRefusedException different(long ordinal, Optional<String> lost) {
        String what = "the log and its copy continue differently from the segment with the ordinal " + ordinal + " on";
        return new CopyRefusedException(
                lost.map(loss -> what + ", and " + loss + ". Keep this log: it may have what was answered and the copy"
                                + " has lost. Give it another LOG_NAME, so that all of it is copied to another topic")
                        .orElse(what + ": " + SET_ASIDE
                                + ". If the copy is of another log, give this one another LOG_NAME"),
                false);
    }

    private static CopyRefusedException older(long ordinal) {
        return new CopyRefusedException(
                "the copy continues after the end of this machine's log, which is in the segment with the ordinal "
                        + ordinal + ": an older copy of the disk was put back, or the log has lost its end: "
                        + SET_ASIDE,
                false);
    }

    private Local local() throws IOException {
        Map<String, LocalSegment> segments = new HashMap<>();
        Set<String> logs = new HashSet<>();
        long first = Long.MAX_VALUE;
        long last = 0;
        SegmentList list = Vanished.retry(() -> SegmentList.read(files, directory, prefix));
        for (int i = 0; i < list.segments().size(); i++) {
            SegmentHeader header = list.segments().get(i).header();
            segments.put(
                    header.id(),
                    new LocalSegment(header.ordinal(), header.encode().remaining(), SegmentEnds.of(list, i, header)));
            logs.add(header.logId());
            first = Math.min(first, header.ordinal());
            last = Math.max(last, header.ordinal());
        }
        return new Local(segments, logs, first, last);
    }

    private long append(Claim claim) {
        try {
            return topic.send(claim.encode()).toCompletableFuture().get(CLAIM_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof CopyUnavailableException known
                    ? known
                    : new CopyUnavailableException("the log could not be claimed: " + e.getCause(), e);
        } catch (TimeoutException e) {
            throw new CopyUnavailableException("the claim of the log was not acknowledged", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CopyUnavailableException("the wait for the claim of the log was interrupted", e);
        }
    }
}
