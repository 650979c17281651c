// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import dev.flk.canonical.Sha256;
import dev.flk.signing.message.UnacceptableRequest.Reason;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The header {@code Content-Digest} (RFC 9530). The algorithms {@code sha-256} and {@code sha-512} are known; digests
 * of other algorithms are ignored.
 */
final class BodyDigest {
    private static final Pattern MEMBER =
            Pattern.compile("(?<algorithm>[a-z*][a-z0-9_.*-]*)=:(?<digest>[A-Za-z0-9+/]*={0,2}):");

    private BodyDigest() {}

    /** Returns the value of the header for a body. */
    static String of(byte[] body) {
        return "sha-256=:" + Base64.getEncoder().encodeToString(Sha256.of(body)) + ":";
    }

    /**
     * Checks that the header has at least one digest of a known algorithm, and that all digests of known algorithms are
     * digests of the body.
     */
    static void check(String header, byte[] body) throws UnacceptableRequest {
        Set<String> algorithms = new HashSet<>();
        boolean hasKnown = false;
        for (String each : header.split(",", -1)) {
            Matcher member = MEMBER.matcher(each.strip());
            if (!member.matches()) {
                throw new UnacceptableRequest(
                        Reason.MALFORMED,
                        "Content-Digest must be a list of digests of the form name=:base64:, with lower-case names.");
            }
            if (!algorithms.add(member.group("algorithm"))) {
                throw new UnacceptableRequest(Reason.MALFORMED, "Content-Digest has two digests of one algorithm.");
            }
            Optional<byte[]> expected = digest(member.group("algorithm"), body);
            hasKnown |= expected.isPresent();
            if (expected.isPresent() && !isBase64Of(expected.get(), member.group("digest"))) {
                throw new UnacceptableRequest(
                        Reason.DIGEST_MISMATCH, "The body does not have the digest in Content-Digest.");
            }
        }
        if (!hasKnown) {
            throw new UnacceptableRequest(
                    Reason.UNSUPPORTED, "Content-Digest must have a digest of sha-256 or sha-512.");
        }
    }

    /** Returns whether the text is the padded base64 of the bytes; no other spelling matches. */
    private static boolean isBase64Of(byte[] bytes, String text) {
        return Base64.getEncoder().encodeToString(bytes).equals(text);
    }

    private static Optional<byte[]> digest(String algorithm, byte[] body) {
        return switch (algorithm) {
            case "sha-256" -> Optional.of(Sha256.of(body));
            case "sha-512" -> Optional.of(sha512(body));
            default -> Optional.empty();
        };
    }

    private static byte[] sha512(byte[] body) {
        try {
            return MessageDigest.getInstance("SHA-512").digest(body);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this Java platform has no SHA-512", e);
        }
    }
}
