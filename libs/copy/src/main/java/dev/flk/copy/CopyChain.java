// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import dev.flk.copy.CopyRecord.Attachment;
import dev.flk.copy.CopyRecord.Beat;
import dev.flk.copy.CopyRecord.Claim;
import dev.flk.copy.CopyRecord.End;
import dev.flk.copy.CopyRecord.Part;
import dev.flk.copy.CopyRecord.Segment;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.CopyTopic.Entry;
import dev.flk.copy.LogCopy.Place;
import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The log that the entries of a topic describe, read entry by entry. Entries of writers that no longer owned the log, and bytes
 * that an owner sent again, count for nothing. One thread.
 */
final class CopyChain {
    private final Sink sink;
    private final NavigableMap<Long, Copied> segments = new TreeMap<>();
    /** The other files that counted before the owner sent a part, and those that the owner has sent since its claim. */
    private Map<String, byte[]> attachments = new LinkedHashMap<>();

    private Map<String, byte[]> ownAttachments = new LinkedHashMap<>();
    /** Whether the owner's claim was read, and no part of the owner. */
    private boolean isClaimedOnly;

    private @Nullable Claim owner;
    private String incarnation = "";
    private long term;
    private long beatMillis;
    /** Whether the oldest segments were removed, so that the first entry is the beginning of a later one. */
    private boolean isTrimmed;

    private boolean hasParts;

    /** The first part in the topic, if its segment's beginning was removed and not copied again; otherwise null. */
    private @Nullable Part cut;

    private End end = new End(0, 0);
    private long nextOffset;

    /** Receives the bytes of segments, in order and without repetitions. */
    interface Sink {
        /** Receives the bytes of a segment at an offset, which is the end of the bytes before. */
        void bytes(Segment segment, long offset, byte[] bytes) throws IOException;
    }

    /**
     * A segment in the topic.
     *
     * @param bytes its length
     * @param begin the offset in the topic of its first entry
     * @param hasRecords whether more than its header was copied
     */
    record Copied(Segment segment, long bytes, long begin, boolean hasRecords) {}

    CopyChain(Sink sink) {
        this.sink = sink;
    }

    /** Returns a chain that continues after what a note knows. */
    static CopyChain after(CopyNote note, Sink sink) {
        CopyChain chain = new CopyChain(sink);
        chain.incarnation = note.incarnation();
        chain.term = note.term();
        Place place = note.place();
        if (place.ordinal() > 0) {
            // its name is not known here, and not needed
            Segment segment = new Segment(place.id(), place.ordinal(), "");
            long begin = note.begins().getOrDefault(place.ordinal(), note.next());
            chain.segments.put(place.ordinal(), new Copied(segment, place.offset(), begin, place.isInRecords()));
            chain.end = new End(place.ordinal(), place.offset());
        }
        return chain;
    }

    /** Returns the place up to which the log is copied. */
    Place place() {
        return segments.isEmpty()
                ? Place.BEGINNING
                : new Place(
                        end.ordinal(),
                        segments.lastEntry().getValue().segment().id(),
                        end.offset(),
                        segments.lastEntry().getValue().hasRecords());
    }

    /** Reads the entries from an offset on, up to {@code end}. */
    void read(CopyTopic topic, long from, long end) throws IOException {
        isTrimmed |= from > 0 && segments.isEmpty() && from == topic.begin();
        nextOffset = from;
        while (nextOffset < end) {
            List<Entry> entries = topic.read(nextOffset, end);
            if (entries.isEmpty()) {
                nextOffset = end; // the offsets between are of no entries
            }
            for (Entry entry : entries) {
                accept(entry);
            }
        }
    }

    private void accept(Entry entry) throws IOException {
        CopyRecord found;
        try {
            found = CopyRecord.decode(entry.value());
        } catch (IllegalArgumentException e) {
            throw new CopyUnavailableException(
                    "entry " + entry.offset() + " of the topic was not written by a backend: " + e.getMessage(), e);
        }
        nextOffset = entry.offset() + 1;
        if (found instanceof Claim claim) {
            owner = claim;
            ownAttachments = new LinkedHashMap<>();
            isClaimedOnly = true;
            incarnation = claim.incarnation();
            term = Math.max(term, claim.term());
            beatMillis = claim.millis();
        } else if (incarnation.isEmpty()) {
            incarnation = found.incarnation(); // its claim was removed with the oldest segments
            owner = new Claim(incarnation, "(not known)", 0, "(not known)"); // until its next beat
        }
        if (found instanceof Part part && !hasParts) {
            hasParts = true;
            cut = isTrimmed && part.offset() > 0 ? part : null;
        }
        if (!found.incarnation().equals(incarnation)) {
            return;
        }
        if (found instanceof Beat beat) {
            owner = owner == null ? null : beat.claim();
            term = Math.max(term, beat.claim().term());
            beatMillis = beat.millis();
        } else if (found instanceof Attachment file) {
            attachments.put(file.name(), file.content());
            ownAttachments.put(file.name(), file.content());
        } else if (found instanceof Part part) {
            if (isClaimedOnly) { // an owner sends all its files before its first part
                isClaimedOnly = false;
                attachments = ownAttachments;
            }
            accept(part, entry.offset());
        }
    }

    private void accept(Part part, long at) throws IOException {
        Segment segment = part.segment();
        Copied known = segments.get(segment.ordinal());
        if (known != null && !known.segment().id().equals(segment.id())) {
            throw new CopyUnavailableException("the topic has two segments with the ordinal " + segment.ordinal()
                    + ", " + known.segment().name() + " and " + segment.name()
                    + ": two logs were copied to it. Give each log a topic of its own (LOG_NAME)");
        }
        long length = known == null ? 0 : known.bytes();
        if (segment.ordinal() < end.ordinal() || part.offset() > length || (known == null && !isNext(part))) {
            return; // sent again, or sent after a part that the topic never got: the writer sends both again
        }
        if (known == null && part.after().ordinal() == 0) {
            segments.clear(); // the owner has removed what was before, and the topic has lost what was in between
            cut = null; // and copies everything that it has
        }
        int skipped = (int) Math.min(part.bytes().length, length - part.offset());
        if (skipped < part.bytes().length) {
            byte[] added = Arrays.copyOfRange(part.bytes(), skipped, part.bytes().length);
            sink.bytes(segment, length, added);
            length += part.bytes().length - skipped;
        }
        segments.put(
                segment.ordinal(),
                new Copied(
                        segment,
                        length,
                        known == null ? at : known.begin(),
                        (known != null && known.hasRecords()) || !part.isHeader()));
        end = new End(segment.ordinal(), length);
    }

    /**
     * Returns whether a part is the first of the segment after the last one, or of the first one that the writer's machine
     * has. A segment may continue the last one before its end, if it repeats the records after that. Segments without
     * records do not count as the last one, because a start replaces them.
     */
    private boolean isNext(Part part) {
        long after = part.after().ordinal();
        if (part.offset() > 0 || after == 0) {
            return part.offset() == 0;
        }
        Copied last = segments.get(after);
        boolean isRemoved = segments.isEmpty() ? isTrimmed : after < segments.firstKey();
        boolean isCopied = last == null ? isRemoved : part.after().offset() <= last.bytes();
        return isCopied && segments.tailMap(after, false).values().stream().noneMatch(Copied::hasRecords);
    }

    /**
     * Returns what was removed from the topic although the topic has what follows it; empty if nothing is known to be
     * missing. A backend removes complete segments only.
     */
    Optional<String> missing() {
        Part first = cut;
        if (first != null) {
            return Optional.of("the first " + first.offset() + " bytes of the segment "
                    + first.segment().name() + ", and everything before,");
        }
        return isTrimmed && !hasParts ? Optional.of("every segment") : Optional.empty();
    }

    /** Returns whether the segment whose beginning is {@link #missing} has this id. */
    boolean isCut(String id) {
        return cut != null && cut.segment().id().equals(id);
    }

    /** Returns the segments by their ordinals. */
    NavigableMap<Long, Copied> segments() {
        return segments;
    }

    /**
     * Returns the newest content of each other file of the log: those of the last owner that has copied a part of the log,
     * and of owners since.
     */
    Map<String, byte[]> attachments() {
        return attachments;
    }

    /**
     * Returns the claim of the writer that owns the log; empty if no entry of another writer than the note's was read. If
     * the claim was removed with the oldest segments, only its incarnation is known.
     */
    Optional<Claim> owner() {
        return Optional.ofNullable(owner);
    }

    /** Returns the highest term of a claim; 0 without a claim. */
    long term() {
        return term;
    }

    /** Returns when the owner was alive last, in milliseconds since the epoch by its clock; 0 if it ended. */
    long beatMillis() {
        return beatMillis;
    }
}
