/**
 * Signatures over the canonical form: making and checking them, with HMAC-SHA256 or Ed25519. Any package may use it; it
 * does not know what the signed bytes mean. {@link dev.flk.signing.CandidateKey} also tests whether a signer used a key
 * in a wrong way. No message ever contains a key.
 */
@NullMarked
package dev.flk.signing;

import org.jspecify.annotations.NullMarked;
