// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** The hash function SHA-256, used for ids, signatures and digests. Thread-safe. */
public final class Sha256 {
    /** An instance that is never updated: each use works on a clone, which costs less than looking up the algorithm. */
    private static final MessageDigest FRESH = fresh();

    private Sha256() {}

    /** Returns the 32-byte digest of the concatenated {@code parts}. */
    public static byte[] of(byte[]... parts) {
        try {
            MessageDigest sha256 = (MessageDigest) FRESH.clone();
            for (byte[] part : parts) {
                sha256.update(part);
            }
            return sha256.digest();
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
