// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import dev.flk.copy.CopyRecord.Attachment;
import dev.flk.copy.CopyRecord.Beat;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRecord.End;
import dev.flk.copy.CopyRecord.Part;
import dev.flk.copy.CopyRecord.Segment;
import dev.flk.copy.CopySource.Written;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.CopyTopic.Entry;
import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The writer of a copy: follows the log on this machine and sends what is forced to the topic, in the order of the log.
 * It owns the log as long as no other writer has claimed it. Every acknowledged offset must be the one after the offset
 * before; otherwise, the entries between the two are read before anything that was sent after them counts as copied, so a
 * writer that was paused finds the claim of its successor before it answers anything.
 *
 * <p>One thread, or a simulation, calls {@link #step}. {@link #safe}, {@link #problem} and {@link #successor} are for any
 * thread.
 */
public final class LogCopy {
    /** The time between two entries that show that the writer still owns the log. */
    static final Duration BEAT_EVERY = Duration.ofSeconds(5);

    private static final Duration ATTACH_EVERY = Duration.ofMinutes(1);
    private static final Duration RETRY_EVERY = Duration.ofSeconds(1);

    /** The most bytes that were sent and are not acknowledged. */
    private static final long WINDOW_BYTES = 8L << 20;

    private final CopyTopic topic;
    private final CopySource source;
    private final Claim claim;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final Listener listener;

    /** The offset in the topic at which each segment begins, by ordinal. */
    private final NavigableMap<Long, Long> begins = new TreeMap<>();

    private final Deque<Sent> underWay = new ArrayDeque<>();
    private long underWayBytes;
    private Place sent;
    private long nextOffset;
    /** The entry before {@link #nextOffset}, if it was acknowledged; null if it is not known. */
    private byte @Nullable [] newest;

    private boolean isLost;
    private long triedNanos;
    private long beatNanos;
    private long attachedNanos;
    /** The offset of the first of the other files that were sent last and acknowledged; -1 before. */
    private long attachedFrom = -1;

    private @Nullable CompletableFuture<Long> attaching;
    private @Nullable CompletableFuture<Long> attachingLast;

    /** Whether the topic has the other files of the log. Segments may need them, so nothing is sent before. */
    private boolean hasAttached;

    private volatile Place safe;
    private volatile Optional<String> problem = Optional.empty();
    private volatile @Nullable Claim successor;

    /**
     * A place in the log.
     *
     * @param ordinal the ordinal of a segment
     * @param id its id; empty before the first segment
     * @param offset an offset in it
     * @param isInRecords whether the offset is after the segment's header
     */
    public record Place(long ordinal, String id, long offset, boolean isInRecords) implements Comparable<Place> {
        /** The beginning of a log. */
        public static final Place BEGINNING = new Place(0, "", 0, false);

        @Override
        public int compareTo(Place other) {
            int bySegment = Long.compare(ordinal, other.ordinal);
            return bySegment == 0 ? Long.compare(offset, other.offset) : bySegment;
        }
    }

    /** A listener to changes of the copy; called by the thread of {@link LogCopy#step}. */
    public interface Listener {
        /** Everything before this place is copied. */
        void safe(Place place);

        /** The topic has lost what it had acknowledged; everything that this machine retains is copied again. */
        void lost(String what);

        /** Another writer owns the log. */
        void superseded(Claim by);

        /** An entry was acknowledged or has failed, so a step has something to do. Called on any thread. */
        default void answered() {}
    }

    /**
     * An entry that was sent.
     *
     * @param to the place up to which the log is copied once the entry is acknowledged
     */
    private record Sent(
            CompletableFuture<Long> offset,
            Place to,
            byte[] value,
            @Nullable Segment begun) {}

    /**
     * Creates a writer that has claimed the log.
     *
     * @param claim the claim of this writer, which is in the topic
     * @param from the place up to which the log is copied
     * @param begins where in the topic the copied segments begin, by ordinal
     * @param nextOffset the offset after the claim
     */
    public LogCopy(
            CopyTopic topic,
            CopySource source,
            Claim claim,
            Place from,
            Map<Long, Long> begins,
            long nextOffset,
            InstantSource clock,
            LongSupplier nanoTicker,
            Listener listener) {
        this.topic = topic;
        this.source = source;
        this.claim = claim;
        this.sent = from;
        this.safe = from;
        this.begins.putAll(begins);
        this.nextOffset = nextOffset;
        this.newest = claim.encode();
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.listener = listener;
        this.triedNanos = nanoTicker.getAsLong();
        this.beatNanos = triedNanos;
        this.attachedNanos = triedNanos - ATTACH_EVERY.toNanos();
    }

    /** Returns the place before which everything is copied. */
    public Place safe() {
        return safe;
    }

    /** Returns why nothing is copied at the moment; empty while it is copied. */
    public Optional<String> problem() {
        return problem;
    }

    /** Returns the claim of the writer that owns the log now; empty while this writer owns it. */
    public Optional<Claim> successor() {
        return Optional.ofNullable(successor);
    }

    /**
     * Takes the steps that are possible without waiting. Returns false if there was nothing to do. May be called again
     * after it threw, even for a lack of memory: what was perhaps not sent is sent again.
     */
    public boolean step() {
        if (successor != null) {
            return false;
        }
        try {
            boolean isDone = takeAcknowledged();
            if (successor == null && (!isLost || mayTryAgain())) {
                isDone |= send();
            }
            return isDone;
        } catch (CopyUnavailableException e) {
            lose(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            lose("the log can't be read: " + e.getMessage());
        } catch (RuntimeException | VirtualMachineError e) {
            sendAgain();
            problem = Optional.of("the log can't be copied: " + e);
            throw e;
        }
        return true;
    }

    private void lose(String what) {
        sendAgain();
        problem = Optional.of(what);
    }

    private void sendAgain() {
        isLost = true;
        triedNanos = nanoTicker.getAsLong();
        underWay.clear();
        underWayBytes = 0;
        sent = safe; // what was sent and not acknowledged is sent again; readers ignore what they have
        attachedNanos = nanoTicker.getAsLong() - ATTACH_EVERY.toNanos();
    }

    /** Takes the answers that have come, in order. Returns false if none has. */
    private boolean takeAcknowledged() {
        boolean isAny = false;
        while (!underWay.isEmpty() && underWay.getFirst().offset().isDone() && successor == null) {
            Sent first = underWay.removeFirst();
            underWayBytes -= first.value().length;
            acknowledged(first, offset(first));
            isAny = true;
        }
        return isAny;
    }

    private static long offset(Sent entry) {
        try {
            return entry.offset().join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof CopyUnavailableException known) {
                throw known;
            }
            throw new CopyUnavailableException("an entry could not be sent: " + e.getCause(), e);
        }
    }

    private void acknowledged(Sent entry, long offset) {
        if (offset < nextOffset) {
            startAgain("the topic acknowledged entry " + offset + " after entry " + (nextOffset - 1)
                    + ": it has lost entries");
            return;
        }
        if (offset > nextOffset) {
            look(offset);
            if (successor != null) {
                return;
            }
        }
        nextOffset = offset + 1;
        newest = entry.value();
        if (entry.offset() == attaching) {
            attachedFrom = offset;
        }
        hasAttached |= entry.offset() == attachingLast;
        Segment begun = entry.begun();
        if (begun != null) {
            begins.putIfAbsent(begun.ordinal(), offset);
        }
        problem = Optional.empty();
        if (entry.to().compareTo(safe) > 0) {
            safe = entry.to();
            listener.safe(safe);
        }
    }

    /** Looks for the claim of another writer among entries that this writer has not sent, or not since the last failure. */
    private void look(long end) {
        look(nextOffset, end, 0);
    }

    /**
     * Looks for the claim of another writer among entries.
     *
     * @param lowestTerm the lowest term of the claim of a successor
     */
    private void look(long begin, long end, long lowestTerm) {
        for (long from = begin; from < end && successor == null; ) {
            List<Entry> entries = topic.read(from, end);
            if (entries.isEmpty()) {
                return; // the offsets between are of no entries
            }
            for (Entry entry : entries) {
                if (entry.offset() < end
                        && decoded(entry) instanceof Claim other
                        && !other.incarnation().equals(claim.incarnation())
                        && other.term() >= lowestTerm) {
                    successor = other;
                    problem = Optional.of(
                            "another backend owns the log: instance " + other.instance() + " on " + other.host());
                    underWay.clear();
                    listener.superseded(other);
                    return;
                }
                from = entry.offset() + 1;
            }
        }
    }

    private static CopyRecord decoded(Entry entry) {
        try {
            return CopyRecord.decode(entry.value());
        } catch (IllegalArgumentException e) {
            throw new CopyUnavailableException(
                    "entry " + entry.offset() + " of the topic was not written by a backend: " + e.getMessage(), e);
        }
    }

    /** Copies everything that this machine retains again, because the topic no longer has it. */
    private void startAgain(String why) {
        long end = topic.end(); // may fail, and then nothing has changed
        // a successor may have claimed the log in the topic that was created again; writers that this one knew are no
        // successors
        look(topic.begin(), end, claim.term());
        if (successor != null) {
            return;
        }
        listener.lost(why);
        begins.clear();
        attachedFrom = -1;
        hasAttached = false;
        attachedNanos = nanoTicker.getAsLong() - ATTACH_EVERY.toNanos();
        underWay.clear();
        underWayBytes = 0;
        safe = Place.BEGINNING;
        sent = Place.BEGINNING;
        nextOffset = end;
        newest = null;
        claimAgain();
    }

    /** Sends a claim that differs from the one before, so that a note of the one before does not fit it. */
    private void claimAgain() {
        put(claim.at(clock.millis()), sent, null);
    }

    private boolean mayTryAgain() {
        if (nanoTicker.getAsLong() - triedNanos < RETRY_EVERY.toNanos()) {
            return false;
        }
        triedNanos = nanoTicker.getAsLong();
        long end = topic.end();
        if (end < nextOffset || !hasNewest()) {
            startAgain("the topic no longer has entry " + (nextOffset - 1)
                    + " as it was acknowledged: it has lost entries");
        } else {
            look(end);
        }
        isLost = successor != null;
        if (!isLost && newest == null) {
            claimAgain(); // the claim that precedes what is copied again was not acknowledged
        }
        return !isLost;
    }

    /** Returns whether the topic still has the entry that was acknowledged last; others may have taken its offset. */
    private boolean hasNewest() {
        if (newest == null) {
            return true;
        }
        List<Entry> entries = topic.read(nextOffset - 1, nextOffset);
        return entries.size() == 1
                && entries.get(0).offset() == nextOffset - 1
                && Arrays.equals(entries.get(0).value(), newest);
    }

    /** Sends what is due. Returns false if nothing is. */
    private boolean send() throws IOException {
        boolean isAny = false;
        long now = nanoTicker.getAsLong();
        if (now - attachedNanos >= ATTACH_EVERY.toNanos()) {
            attachedNanos = now;
            attach();
            isAny = true;
        }
        if (now - beatNanos >= BEAT_EVERY.toNanos()) {
            beatNanos = now;
            beat();
            isAny = true;
        }
        return (hasAttached && sendParts()) || isAny;
    }

    private void beat() {
        put(new Beat(claim, clock.millis()), sent, null);
    }

    /** Sends the other files of the log, and who owns it, because the claim is removed with the oldest segments. */
    public void attach() throws IOException {
        Map<String, byte[]> files = source.attachments();
        beat();
        attaching = underWay.getLast().offset();
        files.forEach((name, content) -> put(new Attachment(claim.incarnation(), name, content), sent, null));
        attachingLast = underWay.getLast().offset();
    }

    private boolean sendParts() throws IOException {
        boolean isAny = false;
        for (Written written : source.from(sent.ordinal())) {
            Segment segment = written.segment();
            End before = new End(sent.ordinal(), sent.offset());
            if (segment.ordinal() > sent.ordinal()) {
                sent = new Place(segment.ordinal(), segment.id(), 0, false);
            } else if (!segment.id().equals(sent.id())) {
                throw new IOException(
                        "segment " + segment.name() + " has the ordinal of another segment that is copied");
            }
            while (sent.offset() < written.end() && underWayBytes < WINDOW_BYTES) {
                boolean isHeader = sent.offset() < written.headerEnd();
                long end = isHeader ? Math.min(written.headerEnd(), written.end()) : written.end();
                int length = (int) Math.min(CopyRecord.MAX_PART_BYTES, end - sent.offset());
                byte[] bytes = source.read(segment, sent.offset(), length);
                Part part = new Part(claim.incarnation(), segment, isHeader, sent.offset(), before, bytes);
                sent = new Place(segment.ordinal(), segment.id(), sent.offset() + length, !isHeader);
                put(part, sent, part.offset() == 0 ? segment : null);
                before = new End(sent.ordinal(), sent.offset());
                isAny = true;
            }
            if (sent.offset() < written.end()) {
                break; // the window is full
            }
        }
        return isAny;
    }

    private void put(CopyRecord copied, Place to, @Nullable Segment begun) {
        byte[] value = copied.encode();
        CompletableFuture<Long> offset = topic.send(value).toCompletableFuture();
        underWay.addLast(new Sent(offset, to, value, begun));
        var unused = offset.whenComplete((acknowledged, failure) -> listener.answered());
        underWayBytes += value.length;
    }

    /**
     * Stores how far the log is copied, next to the segments, so that the next start need not read the complete topic.
     *
     * @param identity what identifies the topic
     */
    public void keepNote(FileOps files, Path directory, String prefix, String identity) throws IOException {
        if (successor == null) {
            String checksum = newest == null ? "" : CopyNote.checksum(newest);
            new CopyNote(
                            identity,
                            claim.incarnation(),
                            claim.incarnation(),
                            claim.term(),
                            nextOffset,
                            checksum,
                            safe,
                            begins)
                    .write(files, directory, prefix);
        }
    }

    /**
     * Removes the segments before an ordinal from the topic, after they were removed from this machine. Does nothing
     * while the topic can't be used, or if it would remove the other files that were sent last.
     */
    public void trimBefore(long ordinal) {
        Map.Entry<Long, Long> first = begins.ceilingEntry(ordinal);
        if (first != null
                && !isLost
                && successor == null
                && isAttachedSince(first.getValue())
                && begins.firstKey() < first.getKey()) {
            topic.trim(first.getValue());
            begins.headMap(first.getKey()).clear();
        }
    }

    private boolean isAttachedSince(long offset) {
        return offset <= attachedFrom;
    }
}
