// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.http.BodyBuffer.Taken;
import dev.flk.backend.limit.HeldBack;
import dev.flk.backend.limit.Limits;
import java.io.IOException;
import java.util.Optional;

/**
 * A compressed body that has come whole, on its way to its endpoint. What can't be a certificate, or is not used in the end, is charged to
 * the address it came from while it is unpacked. Owned by the event loop of its connection; lets go of the decoder with its last step, also if
 * that throws.
 */
final class Unpacking {
    /** Nothing that is signed can be compressed so well. */
    private static final int SUSPICIOUS_RATIO = 100;
    /** Nor does it become twice as long. */
    private static final int LONGER_RATIO = 2;

    private static final int LONGER_BYTES = 16 << 10;

    private final Decoding decoding;
    private final Exchange exchange;
    private final Limits limits;
    private final Then then;
    private long chargedBytes;
    private boolean isBegun;

    /** Where it goes; one of these is called once, unless nobody waits for it any more. */
    interface Then {
        /** All of it was decoded, or as much as there was room for. */
        void decoded(Taken taken);

        void invalid();

        void heldBack(HeldBack heldBack);
    }

    Unpacking(Decoding decoding, Exchange exchange, Limits limits, Then then) {
        this.decoding = decoding;
        this.exchange = exchange;
        this.limits = limits;
        this.then = then;
    }

    /** Does one step; whether there is more. */
    boolean goOn() {
        boolean hasMore = false;
        try {
            hasMore = step();
        } finally {
            if (!hasMore) {
                decoding.close();
            }
        }
        return hasMore;
    }

    /** Does no more of it. */
    void giveUp() {
        decoding.close();
    }

    private boolean step() {
        try {
            Optional<Taken> end = decoding.step();
            if (end.isPresent() && end.get() == Taken.TOO_LONG) {
                limits.failed(exchange.sender(), uncharged());
            } else if (isSuspicious()) {
                limits.unpacked(exchange.sender(), uncharged());
            }
            end.ifPresent(then::decoded);
            return end.isEmpty();
        } catch (IOException e) {
            limits.failed(exchange.sender(), uncharged());
            then.invalid();
            return false;
        }
    }

    /**
     * As {@link #goOn}, for a body that has waited for its turn: meanwhile its client may be gone, or others from its address may have used up what that may
     * have refused.
     */
    boolean goOnIfWanted() {
        if (exchange.isDiscarded()) {
            giveUp();
            exchange.answer(Refusal.overloaded()); // which lets go of what it holds
            return false;
        }
        Optional<HeldBack> held = isBegun ? Optional.empty() : limits.beforeReading(exchange.sender());
        isBegun = true;
        if (held.isPresent()) {
            giveUp();
            then.heldBack(held.get());
            return false;
        }
        return goOn();
    }

    private boolean isSuspicious() {
        return decoding.decodedBytes() > SUSPICIOUS_RATIO * decoding.encodedBytes()
                || decoding.encodedBytes() > LONGER_RATIO * decoding.decodedBytes() + LONGER_BYTES;
    }

    private long uncharged() {
        long bytes = Math.max(decoding.encodedBytes(), decoding.decodedBytes()) - chargedBytes;
        chargedBytes += bytes;
        return bytes;
    }
}
