// SPDX-License-Identifier: Apache-2.0
/**
 * The making and checking of signatures over canonical forms and other messages, with HMAC-SHA256 or Ed25519. Any
 * package may use this package, which does not know what the signed bytes mean. {@link dev.flk.signing.CandidateKey}
 * also tests whether a signer used a key in a wrong way. No error message contains a key.
 */
@NullMarked
package dev.flk.signing;

import org.jspecify.annotations.NullMarked;
