// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import dev.flk.signing.SigningKey;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** A signer of HTTP requests, whose signatures {@link SignedRequest} accepts. Immutable and thread-safe. */
public final class MessageSigner {
    private static final String LABEL = "sig1";

    private final SigningKey key;

    private MessageSigner(SigningKey key) {
        this.key = key;
    }

    /** Returns a signer with a key. */
    public static MessageSigner of(SigningKey key) {
        return new MessageSigner(key);
    }

    /**
     * Returns the headers to add to a request: {@code Content-Digest} if the request has a body, {@code
     * Signature-Input} and {@code Signature}. The signature covers the method, the path, the query, the body and {@code
     * headers}.
     *
     * @param rawTarget the path and the query exactly as they are sent
     * @param headers the other headers to cover, by name; must include {@code If-Match}, {@code If-None-Match} and
     *     {@code Last-Event-ID} if the request has them
     * @param body the body as it is sent; empty for a request without body
     * @param nonce a text that the signer never uses again: 1 to 64 printable ASCII characters without double quotes
     *     and backslashes
     * @throws IllegalArgumentException if the server would reject an argument as malformed
     */
    public Map<String, String> sign(
            String method, String rawTarget, Map<String, String> headers, byte[] body, Instant created, String nonce) {
        Map<String, String> signed = new LinkedHashMap<>();
        Map<String, String> covered = new LinkedHashMap<>();
        headers.forEach((name, value) -> covered.put(name.toLowerCase(Locale.ROOT), value));
        if (body.length > 0) {
            String digest = BodyDigest.of(body);
            signed.put("Content-Digest", digest);
            covered.put(RequestComponents.CONTENT_DIGEST, digest);
        }
        try {
            RequestComponents request = new RequestComponents(
                    method,
                    rawTarget,
                    name -> Optional.ofNullable(covered.get(name)).stream().toList());
            List<String> components = new ArrayList<>(request.required(body.length > 0));
            covered.keySet().stream().filter(name -> !components.contains(name)).forEach(components::add);
            String input = "%s=%s;created=%d;keyid=\"%s\";nonce=\"%s\""
                    .formatted(LABEL, list(components), created.getEpochSecond(), key.keyId(), nonce);
            // A value that is not accepted, such as a nonce with a quote, must not be signed.
            SignatureInput parsed = SignatureInput.parse(input);
            String signature = key.signMessage(request.signatureBase(components, parsed.signatureParams()));
            signed.put("Signature-Input", input);
            signed.put("Signature", LABEL + "=:" + signature + ":");
            return Collections.unmodifiableMap(signed);
        } catch (UnacceptableRequest e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }

    private static String list(List<String> components) {
        return components.stream().map(name -> '"' + name + '"').collect(Collectors.joining(" ", "(", ")"));
    }
}
