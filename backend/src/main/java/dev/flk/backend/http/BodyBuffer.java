// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import io.netty.buffer.ByteBuf;
import java.util.Arrays;

/**
 * A body while it is read: bytes go straight from the network buffer into the array that the endpoint gets. Usually that
 * array has its exact size from the start; a long or chunked one grows by doubling, so that nobody reserves much by
 * announcing it. Owned by one event loop.
 */
final class BodyBuffer {
    private static final int FIRST_BYTES = 4 << 10;

    /** For a body that did not announce how long it is. */
    static final long UNKNOWN_LENGTH = -1;

    private final int maxBytes;
    private final int firstBytes;
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
        boolean isKnown = declaredBytes != UNKNOWN_LENGTH;
        this.maxBytes = maxBytes;
        this.firstBytes = isKnown ? FIRST_BYTES : 0;
        this.mostBytes = isKnown ? (int) Math.min(declaredBytes, maxBytes) : maxBytes;
        this.budget = budget;
    }

    /** Appends what is readable in {@code part}. */
    Taken append(ByteBuf part) {
        int added = part.readableBytes();
        Taken taken = makeRoomFor(added);
        if (taken == Taken.YES) {
            part.readBytes(bytes, length, added);
            length += added;
        }
        return taken;
    }

    /** Appends the first {@code added} bytes of {@code part}. */
    Taken append(byte[] part, int added) {
        Taken taken = makeRoomFor(added);
        if (taken == Taken.YES) {
            System.arraycopy(part, 0, bytes, length, added);
            length += added;
        }
        return taken;
    }

    /** The body, exact; it still counts against the budget. Nothing may be appended any more. */
    byte[] exact() {
        if (bytes.length > length) {
            int spare = bytes.length - length;
            bytes = Arrays.copyOf(bytes, length);
            budget.giveBack(spare);
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

    private Taken makeRoomFor(int added) {
        if (added > maxBytes - length) {
            return Taken.TOO_LONG;
        }
        int needed = length + added;
        if (needed <= bytes.length) {
            return Taken.YES;
        }
        int wanted = Math.max(needed, Math.min(mostBytes, Math.max(firstBytes, 2 * bytes.length)));
        int more = wanted - bytes.length;
        if (!budget.take(more)) {
            return Taken.NO_MEMORY;
        }
        try {
            bytes = Arrays.copyOf(bytes, wanted);
            return Taken.YES;
        } catch (OutOfMemoryError e) {
            budget.giveBack(more);
            return Taken.NO_MEMORY;
        }
    }
}
