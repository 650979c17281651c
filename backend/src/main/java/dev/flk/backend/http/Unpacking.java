// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.http.BodyBuffer.Taken;
import dev.flk.backend.limit.HeldBack;
import dev.flk.backend.limit.Limits;
import java.io.IOException;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A compressed body that has come whole, on its way to its endpoint. What can't be a certificate, or is not used in the end, is charged to
 * the address it came from while it is unpacked. Owned by the event loop of its connection.
 */
final class Unpacking implements LongWork.Work {
    /** Nothing that is signed can be compressed so well. */
    private static final int SUSPICIOUS_RATIO = 100;
    /** Nor does it become twice as long. */
    private static final int LONGER_RATIO = 2;

    private static final int LONGER_BYTES = 4 << 10;

    private final Supplier<Decoding> begin;
    private final Exchange exchange;
    private final Limits limits;
    private final Then then;
    private @Nullable Decoding decoding;
    private long chargedBytes;

    /** Where it goes; one of these is called once, unless nobody waits for it any more. */
    interface Then {
        /** All of it was decoded, or as much as there was room for. */
        void decoded(Taken taken);

        void invalid();

        void heldBack(HeldBack heldBack);
    }

    /** @param begin asked when its turn has come, since a decoder takes memory */
    Unpacking(Supplier<Decoding> begin, Exchange exchange, Limits limits, Then then) {
        this.begin = begin;
        this.exchange = exchange;
        this.limits = limits;
        this.then = then;
    }

    /** While it waited its client may have gone, or others from its address may have used up what that may have refused. */
    @Override
    public boolean goOn() {
        if (exchange.isOver()) {
            drop();
            return false;
        }
        Decoding current = decoding;
        if (current == null) {
            Optional<HeldBack> held = limits.beforeReading(exchange.sender());
            if (held.isPresent()) {
                then.heldBack(held.get());
                return false;
            }
            current = begin.get();
            decoding = current;
        }
        boolean hasMore = false;
        try {
            hasMore = step(current);
        } finally {
            if (!hasMore) {
                current.close();
            }
        }
        return hasMore;
    }

    @Override
    public void drop() {
        if (decoding != null) {
            charge(decoding);
            decoding.close();
        }
        exchange.letGo();
    }

    private boolean step(Decoding current) {
        try {
            Optional<Taken> end = current.step();
            if (end.isPresent() && end.get() == Taken.TOO_LONG) {
                limits.failed(exchange.sender(), workBytes(current) - chargedBytes);
            } else if (isSuspicious(current) || (end.isPresent() && end.get() == Taken.NO_MEMORY)) {
                charge(current);
            }
            end.ifPresent(then::decoded);
            return end.isEmpty();
        } catch (IOException e) {
            limits.failed(exchange.sender(), workBytes(current) - chargedBytes);
            then.invalid();
            return false;
        }
    }

    private void charge(Decoding current) {
        long bytes = workBytes(current) - chargedBytes;
        if (limits.unpacked(exchange.sender(), bytes)) {
            chargedBytes += bytes;
        }
    }

    private static boolean isSuspicious(Decoding current) {
        return current.decodedBytes() > SUSPICIOUS_RATIO * current.encodedBytes()
                || current.encodedBytes() > LONGER_RATIO * current.decodedBytes() + LONGER_BYTES;
    }

    private static long workBytes(Decoding current) {
        return Math.max(current.encodedBytes(), current.decodedBytes());
    }
}
