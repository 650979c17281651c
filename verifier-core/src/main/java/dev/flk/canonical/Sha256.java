// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** SHA-256, which ids, signatures and digests are made of. Safe from any thread. */
public final class Sha256 {
    /** Never updated; each use works on a clone, which costs less than looking the algorithm up. */
    private static final MessageDigest FRESH = fresh();

    private Sha256() {}

    /** The 32 bytes for {@code parts}, one after the other. */
    public static byte[] of(byte[]... parts) {
        try {
            MessageDigest sha256 = (MessageDigest) FRESH.clone();
            for (byte[] part : parts) {
                sha256.update(part);
            }
            return sha256.digest();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("the platform's SHA-256 can't be cloned", e);
        }
    }

    private static MessageDigest fresh() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
