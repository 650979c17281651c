// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.postgres;

import java.math.BigInteger;
import java.util.Optional;
import java.util.random.RandomGenerator;

/**
 * What marks a position as written by one transaction of one session: {@code incarnation.counter}, the incarnation 32 hex digits
 * drawn at every connect, the counter from 1. No two transactions that took effect ever have the same.
 */
record Token(String incarnation, long counter) {

    /** The one before the first of a session; never written. */
    static Token before(RandomGenerator random) {
        byte[] bits = new byte[16];
        random.nextBytes(bits);
        return new Token("%032x".formatted(new BigInteger(1, bits)), 0);
    }

    Token next() {
        return new Token(incarnation, counter + 1);
    }

    /** Reads what {@link #toString} wrote; empty for what somebody else did. */
    static Optional<Token> parse(String text) {
        int dot = text.indexOf('.');
        try {
            return dot < 0
                    ? Optional.empty()
                    : Optional.of(new Token(text.substring(0, dot), Long.parseLong(text.substring(dot + 1))));
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }

    @Override
    public String toString() {
        return incarnation + "." + counter;
    }
}
