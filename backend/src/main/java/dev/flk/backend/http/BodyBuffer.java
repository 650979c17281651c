// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A body, while it is read and then: bytes go straight from the network buffer into the array that the endpoint gets. Usually that
 * array has its exact size from the start; one that is not announced, or long, grows by doubling, so that nobody reserves much by
 * announcing it. What is longer than {@link #CHUNK_BYTES} is kept in arrays of that size, since the collector has each array of
 * half a region or more cost it a cycle of its own. Owned by one event loop.
 */
final class BodyBuffer {
    /** Less than half of the smallest region of G1, which is a MiB. */
    static final int CHUNK_BYTES = 64 << 10;

    private static final int FIRST_BYTES = 4 << 10;

    /** For a body that did not announce how long it is. */
    static final long UNKNOWN_LENGTH = -1;

    private final int maxBytes;
    private final int firstBytes;
    private final int mostBytes;
    private final Bound budget;
    /** What is ahead of {@link #last}; each is full. */
    private final List<byte[]> chunks = new ArrayList<>(0);

    private byte[] last = new byte[0];
    private int lastLength;

    /** Whether bytes could be taken. */
    enum Taken {
        YES,
        TOO_LONG,
        NO_MEMORY
    }

    /** @param declaredBytes the announced length, or {@link #UNKNOWN_LENGTH} */
    BodyBuffer(int maxBytes, long declaredBytes, Bound budget) {
        boolean isKnown = declaredBytes != UNKNOWN_LENGTH;
        this.maxBytes = maxBytes;
        this.firstBytes = isKnown ? FIRST_BYTES : 0;
        this.mostBytes = isKnown ? (int) Math.min(declaredBytes, maxBytes) : maxBytes;
        this.budget = budget;
    }

    /** Appends what is readable in {@code part}, or, if there is no room for all of it, perhaps its beginning. */
    Taken append(ByteBuf part) {
        if (part.readableBytes() > maxBytes - length()) {
            return Taken.TOO_LONG;
        }
        while (part.isReadable()) {
            if (!makeRoomFor(part.readableBytes())) {
                return Taken.NO_MEMORY;
            }
            int fitting = Math.min(part.readableBytes(), last.length - lastLength);
            part.readBytes(last, lastLength, fitting);
            lastLength += fitting;
        }
        return Taken.YES;
    }

    /** Appends the first {@code added} bytes of {@code part}. */
    Taken append(byte[] part, int added) {
        if (added > maxBytes - length()) {
            return Taken.TOO_LONG;
        }
        for (int from = 0; from < added; ) {
            if (!makeRoomFor(added - from)) {
                return Taken.NO_MEMORY;
            }
            int fitting = Math.min(added - from, last.length - lastLength);
            System.arraycopy(part, from, last, lastLength, fitting);
            lastLength += fitting;
            from += fitting;
        }
        return Taken.YES;
    }

    /** Bytes that were appended. */
    int length() {
        return startOfLast() + lastLength;
    }

    byte at(int place) {
        return place < startOfLast()
                ? chunks.get(place / CHUNK_BYTES)[place % CHUNK_BYTES]
                : last[place - startOfLast()];
    }

    /** The first place of {@code wanted} from {@code from} up to {@code to}, which are in the body; {@code to} if there is none. */
    int indexOf(byte wanted, int from, int to) {
        int start = from;
        while (start < to) {
            boolean isInLast = start >= startOfLast();
            byte[] chunk = isInLast ? last : chunks.get(start / CHUNK_BYTES);
            int startOfChunk = isInLast ? startOfLast() : start - start % CHUNK_BYTES;
            int end = Math.min(chunk.length, to - startOfChunk);
            for (int i = start - startOfChunk; i < end; i++) {
                if (chunk[i] == wanted) {
                    return startOfChunk + i;
                }
            }
            start = startOfChunk + end;
        }
        return to;
    }

    /** A copy of what is from {@code from} up to {@code to}, which are in the body. */
    byte[] copy(int from, int to) {
        byte[] copy = new byte[to - from];
        int start = from;
        while (start < to) {
            boolean isInLast = start >= startOfLast();
            byte[] chunk = isInLast ? last : chunks.get(start / CHUNK_BYTES);
            int place = isInLast ? start - startOfLast() : start % CHUNK_BYTES;
            int fitting = Math.min(to - start, chunk.length - place);
            System.arraycopy(chunk, place, copy, start - from, fitting);
            start += fitting;
        }
        return copy;
    }

    /** The body in one array, exact; it still counts against the budget. Nothing may be appended any more. */
    byte[] exact() {
        if (last.length > lastLength || !chunks.isEmpty()) {
            int before = heldBytes();
            byte[] exact = chunks.isEmpty() ? Arrays.copyOf(last, lastLength) : copy(0, length());
            chunks.clear();
            last = exact;
            lastLength = exact.length;
            budget.giveBack(before - exact.length);
        }
        return last;
    }

    /** What this counts against the budget. */
    int heldBytes() {
        return startOfLast() + last.length;
    }

    /** Gives everything back to the budget. */
    void release() {
        budget.giveBack(heldBytes());
        chunks.clear();
        last = new byte[0];
        lastLength = 0;
    }

    private int startOfLast() {
        return chunks.size() * CHUNK_BYTES;
    }

    /** Makes room for some at least. */
    private boolean makeRoomFor(int added) {
        if (lastLength < last.length) {
            return true;
        }
        boolean isFull = last.length == CHUNK_BYTES;
        int before = isFull ? 0 : last.length;
        int most = Math.min(CHUNK_BYTES, mostBytes - (length() - (isFull ? 0 : lastLength)));
        int grown = isFull || !chunks.isEmpty() ? CHUNK_BYTES : Math.max(firstBytes, 2 * before);
        int wanted = Math.min(CHUNK_BYTES, Math.max(before + added, Math.min(most, grown)));
        if (!budget.take(wanted - before)) {
            return false;
        }
        try {
            byte[] next = isFull ? new byte[wanted] : Arrays.copyOf(last, wanted);
            if (isFull) {
                chunks.add(last);
                lastLength = 0;
            }
            last = next;
            return true;
        } catch (OutOfMemoryError e) {
            budget.giveBack(wanted - before);
            return false;
        }
    }
}
