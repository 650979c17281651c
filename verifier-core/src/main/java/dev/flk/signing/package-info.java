/**
 * Signatures over the canonical form: making them and checking them, with HMAC-SHA256 or Ed25519. Anyone may call in; what
 * the signed bytes mean is not known here. A {@link dev.flk.signing.CandidateKey} also knows the ways in which keys are used by
 * mistake. No message ever contains a key.
 */
@NullMarked
package dev.flk.signing;

import org.jspecify.annotations.NullMarked;
