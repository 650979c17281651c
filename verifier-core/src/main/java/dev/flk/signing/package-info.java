/**
 * The making and checking of signatures over the canonical form, with HMAC-SHA256 or Ed25519. Any package may use this
 * package, which does not know what the signed bytes mean. {@link dev.flk.signing.CandidateKey} also tests whether a
 * signer used a key in a wrong way. No message ever contains a key.
 */
@NullMarked
package dev.flk.signing;

import org.jspecify.annotations.NullMarked;
