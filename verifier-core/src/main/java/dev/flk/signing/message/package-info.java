// SPDX-License-Identifier: Apache-2.0
/**
 * The signing and checking of HTTP requests: message signatures (RFC 9421) that cover a digest of the body (RFC 9530).
 * Agents and clients call {@link dev.flk.signing.message.MessageSigner}, servers {@link
 * dev.flk.signing.message.SignedRequest}. The caller passes the time, and remembers nonces to detect replays.
 */
@NullMarked
package dev.flk.signing.message;

import org.jspecify.annotations.NullMarked;
