// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.ServerLoad.Bound;
import io.netty.buffer.ByteBuf;
import java.util.Arrays;

/**
 * A body, while it is read and then: bytes go from the network buffer into the array that the endpoint gets. It grows by
 * doubling up to the announced length, so that nobody reserves much memory by announcing it.
 * Every byte of the array counts against a budget. Owned by one event loop.
 */
public final class BodyBuffer {
    private static final int FIRST_BYTES = 4 << 10;

    /** For a body that did not announce how long it is. */
    static final long UNKNOWN_LENGTH = -1;

    private final int maxBytes;
    private final int mostBytes;
    private final Bound budget;
    private byte[] bytes = new byte[0];
    private int length;

    /** Whether bytes could be taken. */
    enum Taken {
        YES,
        TOO_LONG,
        NO_MEMORY
    }

    /** @param declaredBytes the announced length, or {@link #UNKNOWN_LENGTH} */
    BodyBuffer(int maxBytes, long declaredBytes, Bound budget) {
        this.maxBytes = maxBytes;
        this.mostBytes = declaredBytes == UNKNOWN_LENGTH ? maxBytes : (int) Math.min(declaredBytes, maxBytes);
        this.budget = budget;
    }

    /** Appends what is readable in {@code part}, all of it or nothing. */
    Taken append(ByteBuf part) {
        int added = part.readableBytes();
        if (added > maxBytes - length) {
            return Taken.TOO_LONG;
        }
        if (!makeRoomFor(length + added)) {
            return Taken.NO_MEMORY;
        }
        part.readBytes(bytes, length, added);
        length += added;
        return Taken.YES;
    }

    /** Bytes that were appended. */
    public int length() {
        return length;
    }

    /** A byte of it. */
    public byte at(int place) {
        return bytes[place];
    }

    /** The first place of {@code wanted} from {@code from} on; {@link #length} if there is none. */
    public int indexOf(byte wanted, int from) {
        int place = from;
        while (place < length && bytes[place] != wanted) {
            place++;
        }
        return place;
    }

    /** A copy of what is from {@code from} up to {@code to}, which are in the body. */
    public byte[] copy(int from, int to) {
        return Arrays.copyOfRange(bytes, from, to);
    }

    /** The body in an array of its length; it still counts against the budget. Nothing may be appended any more. */
    public byte[] exact() {
        if (bytes.length > length) {
            byte[] exact = Arrays.copyOf(bytes, length);
            budget.giveBack(bytes.length - length);
            bytes = exact;
        }
        return bytes;
    }

    /** What this counts against the budget. */
    int heldBytes() {
        return bytes.length;
    }

    /** Gives everything back to the budget. */
    void release() {
        budget.giveBack(bytes.length);
        bytes = new byte[0];
        length = 0;
    }

    private boolean makeRoomFor(int needed) {
        if (needed <= bytes.length) {
            return true;
        }
        int grown = Math.min(mostBytes, Math.max(FIRST_BYTES, 2 * bytes.length));
        int wanted = Math.max(needed, grown);
        if (!budget.take(wanted - bytes.length)) {
            return false;
        }
        try {
            bytes = Arrays.copyOf(bytes, wanted);
            return true;
        } catch (OutOfMemoryError e) {
            budget.giveBack(wanted - bytes.length);
            return false;
        }
    }
}
