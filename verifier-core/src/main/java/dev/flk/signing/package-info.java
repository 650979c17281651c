/**
 * Signatures over the canonical form: making and checking them, with HMAC-SHA256 or Ed25519. Any package may use it; it
 * does not know what the signed bytes mean. {@link dev.flk.signing.CandidateKey} also knows how keys are used by mistake.
 * No message ever contains a key.
 */
@NullMarked
package dev.flk.signing;

import org.jspecify.annotations.NullMarked;
