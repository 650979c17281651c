// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

/** One key that can tell its own signatures. Immutable, safe from any thread. */
interface VerifyingKey {
    KeyId id();

    /** The same key, to be asked what was done with it by mistake. */
    SuspectKey suspect();

    /** Whether {@code sig} is this key's base64 signature over {@code canonical}. */
    boolean verifies(byte[] canonical, String sig);
}
