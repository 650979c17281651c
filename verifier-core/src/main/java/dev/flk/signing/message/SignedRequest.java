// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.signing.message.UnacceptableRequest.Reason;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A request with one message signature that follows this profile of RFC 9421; {@link #parse} rejects everything else:
 *
 * <table>
 * <caption>Profile</caption>
 * <tr><td>signatures</td><td>exactly one, with any label</td></tr>
 * <tr><td>components that must be covered</td><td>{@code @method}; {@code @path}; {@code @query} if the target has a
 *   query; {@code content-digest} if there is a body; each of {@code content-digest}, {@code if-match}, {@code
 *   if-none-match} and {@code last-event-id} that the request has</td></tr>
 * <tr><td>components that may be covered</td><td>{@code @authority}, which is the {@code Host} header in lower case;
 *   other headers</td></tr>
 * <tr><td>parameters of components</td><td>none</td></tr>
 * <tr><td>parameters that must be given</td><td>{@code created}, in seconds; {@code keyid}, 8 hex digits; {@code
 *   nonce}, 1 to 64 printable ASCII characters without quotes and backslashes</td></tr>
 * <tr><td>parameters that may be given</td><td>{@code expires}, in seconds; {@code alg}, {@code hmac-sha256} or {@code
 *   ed25519}</td></tr>
 * <tr><td>headers</td><td>at most once, at most 4096 printable ASCII characters</td></tr>
 * <tr><td>{@code Content-Digest}</td><td>{@code sha-256}, {@code sha-512} or both, and any unknown algorithms; each
 *   known digest must match the body</td></tr>
 * </table>
 *
 * <p>Parsing proves nothing: anyone can name any key. The caller must find the key by its id, call {@link #verifiedBy}
 * and {@link #isFresh}, and reject a nonce that the key has used before. Immutable.
 */
public final class SignedRequest {
    private static final Pattern SIGNATURE =
            Pattern.compile("(?<label>[a-z*][a-z0-9_.*-]*)=:(?<base64>[A-Za-z0-9+/]*={0,2}):");

    private final SignatureInput input;
    private final String signature;
    private final SigningAlgorithm algorithm;
    private final byte[] signatureBase;

    private SignedRequest(SignatureInput input, String signature, SigningAlgorithm algorithm, byte[] signatureBase) {
        this.input = input;
        this.signature = signature;
        this.algorithm = algorithm;
        this.signatureBase = signatureBase;
    }

    /**
     * Parses the signature of a request. Checks that the signature covers every component that the profile requires,
     * and that {@code Content-Digest}, if it is covered, matches the body.
     *
     * @param rawTarget the path and the query exactly as they were received
     * @param headers returns the values of a header, one for each line that has the header, or an empty list; called
     *     with names in lower case
     * @param body the body as it was received; empty for a request without body
     * @throws UnacceptableRequest if the request has no signature that the profile allows
     */
    public static SignedRequest parse(
            String method, String rawTarget, Function<String, List<String>> headers, byte[] body)
            throws UnacceptableRequest {
        RequestComponents request = new RequestComponents(method, rawTarget, headers);
        for (String name : List.of("signature-input", "signature")) {
            if (!request.has(name)) {
                throw new UnacceptableRequest(
                        Reason.MISSING, "The request is not signed: it has no header " + name + ".");
            }
        }
        SignatureInput input = SignatureInput.parse(request.header("signature-input"));
        String signature = signature(request.header("signature"), input.label());
        SigningAlgorithm algorithm = algorithm(signature, input);
        for (String component : request.required(body.length > 0)) {
            if (!input.components().contains(component)) {
                throw new UnacceptableRequest(Reason.NOT_COVERED, "The signature must cover " + component + ".");
            }
        }
        byte[] signatureBase = request.signatureBase(input.components(), input.signatureParams());
        if (input.components().contains(RequestComponents.CONTENT_DIGEST)) {
            BodyDigest.check(request.header(RequestComponents.CONTENT_DIGEST), body);
        }
        return new SignedRequest(input, signature, algorithm, signatureBase);
    }

    private static String signature(String header, String label) throws UnacceptableRequest {
        Matcher member = SIGNATURE.matcher(header);
        if (!member.matches() || !member.group("label").equals(label)) {
            throw new UnacceptableRequest(
                    Reason.MALFORMED,
                    "The header signature must be one signature in base64 between colons, with the label of"
                            + " signature-input.");
        }
        return member.group("base64");
    }

    private static SigningAlgorithm algorithm(String signature, SignatureInput input) throws UnacceptableRequest {
        SigningAlgorithm algorithm = SigningAlgorithm.byLength(signature)
                .orElseThrow(() -> new UnacceptableRequest(
                        Reason.OTHER_ALGORITHM, "The signature has the length of neither hmac-sha256 nor ed25519."));
        if (input.algorithm() != null && !input.algorithm().equals(messageName(algorithm))) {
            throw new UnacceptableRequest(
                    Reason.OTHER_ALGORITHM,
                    "The signature has the length of " + messageName(algorithm) + ", but alg names another algorithm.");
        }
        return algorithm;
    }

    /** Returns the name of an algorithm in the parameter {@code alg}. */
    private static String messageName(SigningAlgorithm algorithm) {
        return switch (algorithm) {
            case HMAC -> "hmac-sha256";
            case ED25519 -> "ed25519";
        };
    }

    /** Returns the id of the key that is claimed to have signed. */
    public KeyId keyId() {
        return input.keyId();
    }

    /** Returns the algorithm of the signature. */
    public SigningAlgorithm algorithm() {
        return algorithm;
    }

    /** Returns the second in which the request was signed, by the clock of the signer. */
    public Instant created() {
        return input.created();
    }

    /** Returns the text that the signer uses only once with the key. */
    public String nonce() {
        return input.nonce();
    }

    /**
     * Returns whether the request was signed at most {@code tolerance} before or after {@code time}, and has not
     * expired by then.
     */
    public boolean isFresh(Instant time, Duration tolerance) {
        Instant expires = input.expires();
        return Duration.between(created(), time).abs().compareTo(tolerance) <= 0
                && (expires == null || !time.isAfter(expires));
    }

    /**
     * Returns whether {@code check} has a key with the id {@link #keyId} that made the signature. Every key is tried,
     * so that the duration does not reveal which ids exist.
     */
    public boolean verifiedBy(SignatureCheck check) {
        return check.verifyMessage(signatureBase, signature, keyId());
    }
}
