// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** The hash function SHA-256, used for ids, signatures and digests. Thread-safe. */
public final class Sha256 {
    /** An instance that is never updated: each use works on a clone, which costs less than looking up the algorithm. */
    private static final MessageDigest FRESH = fresh();

    private Sha256() {}

    /** Returns the 32-byte digest of {@code bytes}. */
    public static byte[] of(byte[] bytes) {
        return start().digest(bytes);
    }

    /** Returns a digest without any input. */
    public static MessageDigest start() {
        return copy(FRESH);
    }

    /** Returns a new digest that has already received the same input as {@code other}. */
    public static MessageDigest copy(MessageDigest other) {
        try {
            return (MessageDigest) other.clone();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("this Java platform can't clone a SHA-256", e);
        }
    }

    private static MessageDigest fresh() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this Java platform has no SHA-256", e);
        }
    }
}
