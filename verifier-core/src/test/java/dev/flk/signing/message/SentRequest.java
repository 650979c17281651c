// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import dev.flk.signing.SigningKey;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * A request as a server receives it. Immutable.
 *
 * @param headers the values of the headers by lower-case names
 */
record SentRequest(String method, String target, Map<String, List<String>> headers, String body) {
    static final Instant CREATED = Instant.ofEpochSecond(1_795_000_000);
    static final String NONCE = "5f0c1a";

    SentRequest {
        headers = Collections.unmodifiableMap(new LinkedHashMap<>(headers));
    }

    static SentRequest of(String method, String target) {
        return new SentRequest(method, target, Map.of(), "");
    }

    SentRequest withMethod(String other) {
        return new SentRequest(other, target, headers, body);
    }

    SentRequest withTarget(String other) {
        return new SentRequest(method, other, headers, body);
    }

    SentRequest withBody(String other) {
        return new SentRequest(method, target, headers, other);
    }

    SentRequest with(String name, String... values) {
        Map<String, List<String>> all = new LinkedHashMap<>(headers);
        all.put(name.toLowerCase(Locale.ROOT), List.of(values));
        return new SentRequest(method, target, all, body);
    }

    SentRequest without(String name) {
        Map<String, List<String>> all = new LinkedHashMap<>(headers);
        all.remove(name);
        return new SentRequest(method, target, all, body);
    }

    /** Returns the value of a header that occurs once. */
    String header(String name) {
        List<String> values = headers.getOrDefault(name, List.of());
        if (values.size() != 1) {
            throw new IllegalStateException(name + " occurs " + values.size() + " times");
        }
        return values.get(0);
    }

    /** Returns this request with a signature that covers all of its headers. */
    SentRequest signedBy(SigningKey key) {
        return signedBy(key, CREATED, NONCE);
    }

    SentRequest signedBy(SigningKey key, Instant created, String nonce) {
        Map<String, String> covered = new TreeMap<>();
        headers.keySet().forEach(name -> covered.put(name, header(name)));
        SentRequest signed = this;
        for (Map.Entry<String, String> header : MessageSigner.of(key)
                .sign(method, target, covered, bodyBytes(), created, nonce)
                .entrySet()) {
            signed = signed.with(header.getKey(), header.getValue());
        }
        return signed;
    }

    SignedRequest parse() throws UnacceptableRequest {
        return SignedRequest.parse(method, target, name -> headers.getOrDefault(name, List.of()), bodyBytes());
    }

    private byte[] bodyBytes() {
        return body.getBytes(StandardCharsets.ISO_8859_1);
    }
}
