// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

/** Signs with one key. Implementations are immutable and safe from any thread. */
@FunctionalInterface
public interface Signer {
    /** The signature of a canonical form: base64, standard alphabet, padded. */
    String sign(byte[] canonical);
}
