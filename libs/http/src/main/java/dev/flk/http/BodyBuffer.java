// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.ServerLoad.Bound;
import io.netty.buffer.ByteBuf;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The body of a request, both while it is read and afterwards. Bytes are copied from the network buffer into the array
 * that the endpoint receives. The array grows by doubling up to the announced length, so that a client can't reserve
 * much memory merely by announcing a long body. Every byte of the array counts against a budget. Used only on the event
 * loop of the connection until the body is complete.
 */
public final class BodyBuffer {
    private static final int FIRST_BYTES = 4 << 10;

    /** The value of {@code declaredBytes} for a body whose length is not announced. */
    static final long UNKNOWN_LENGTH = -1;

    private final int maxBytes;
    private final int mostBytes;
    private final Bound budget;
    /** The digest of the appended bytes; null if it is not needed. */
    private final @Nullable MessageDigest sha256;

    private byte[] bytes = new byte[0];
    private int length;

    /** The result of {@link #append}. */
    enum Taken {
        YES,
        TOO_LONG,
        NO_MEMORY
    }

    /** @param declaredBytes the announced length, or {@link #UNKNOWN_LENGTH} */
    BodyBuffer(int maxBytes, long declaredBytes, Bound budget, boolean isDigested) {
        this.sha256 = isDigested ? sha256() : null;
        this.maxBytes = maxBytes;
        this.mostBytes = declaredBytes == UNKNOWN_LENGTH ? maxBytes : (int) Math.min(declaredBytes, maxBytes);
        this.budget = budget;
    }

    /**
     * Appends all readable bytes of {@code part}. Appends nothing if the body would become too long or memory is short.
     */
    Taken append(ByteBuf part) {
        int added = part.readableBytes();
        if (added > maxBytes - length) {
            return Taken.TOO_LONG;
        }
        if (!makeRoomFor(length + added)) {
            return Taken.NO_MEMORY;
        }
        part.readBytes(bytes, length, added);
        if (sha256 != null) {
            sha256.update(bytes, length, added);
        }
        length += added;
        return Taken.YES;
    }

    /** Returns the number of appended bytes. */
    public int length() {
        return length;
    }

    /**
     * Returns the SHA-256 of the appended bytes; null if this buffer computes none. May be called once, and nothing may
     * be appended afterwards.
     */
    byte @Nullable [] digest() {
        return sha256 == null ? null : sha256.digest();
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this Java platform has no SHA-256", e);
        }
    }

    /** Returns the byte at an index. */
    public byte at(int place) {
        return bytes[place];
    }

    /**
     * Returns the index of the first byte {@code wanted} at or after index {@code from}; {@link #length} if no such
     * byte exists.
     */
    public int indexOf(byte wanted, int from) {
        int place = from;
        while (place < length && bytes[place] != wanted) {
            place++;
        }
        return place;
    }

    /** Returns a copy of the bytes from {@code from} (inclusive) to {@code to} (exclusive). */
    public byte[] copy(int from, int to) {
        return Arrays.copyOfRange(bytes, from, to);
    }

    /**
     * Returns the body in an array that is exactly as long as the body. The array still counts against the budget.
     * Nothing may be appended afterwards.
     */
    public byte[] exact() {
        if (bytes.length > length) {
            byte[] exact = Arrays.copyOf(bytes, length);
            budget.giveBack(bytes.length - length);
            bytes = exact;
        }
        return bytes;
    }

    /** Returns the number of bytes that this buffer counts against the budget. */
    int heldBytes() {
        return bytes.length;
    }

    /** Discards the body and gives its memory back to the budget. */
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
