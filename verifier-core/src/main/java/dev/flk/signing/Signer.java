// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

/** A signer with one key. Implementations are immutable and thread-safe. */
@FunctionalInterface
public interface Signer {
    /** Returns the signature of a canonical form in padded base64 with the standard alphabet. */
    String sign(byte[] canonical);
}
