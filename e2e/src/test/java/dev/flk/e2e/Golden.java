// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The golden files, which are test resources of the verifier. */
final class Golden {
    /** The secret that signs all certificates of {@code outcomes.jsonl}. */
    static final String OUTCOMES_KEY = "golden-outcomes-key";

    /** The secret for the HMAC signatures in {@code canonical.jsonl}. */
    static final String CANONICAL_KEY = "golden-secret-101";

    /** The public key for the Ed25519 signatures in {@code canonical.jsonl}. */
    static final String CANONICAL_PUBLIC_KEY = "wyxJJ0xPI5mt5Ph9GOvPSdr40Dbft/IREnYyNcNLIy0=";

    private Golden() {}

    /**
     * A signed certificate and the expected answer.
     *
     * @param body the exact body of the answer
     */
    record Decided(String name, String certificate, int status, String body) {
        byte[] bytes() {
            return certificate.getBytes(StandardCharsets.UTF_8);
        }
    }

    static List<Decided> outcomes() {
        return lines("outcomes.jsonl").stream()
                .map(line -> new Decided(
                        line.get("name").textValue(),
                        line.get("certificate").textValue(),
                        line.get("status").intValue(),
                        line.get("body").textValue()))
                .toList();
    }

    /**
     * Returns the certificates of {@code canonical.jsonl} with their original formatting, each with its signature for
     * {@code algorithm}.
     */
    static List<String> signedCertificates(String algorithm) {
        return lines("canonical.jsonl").stream()
                .map(line -> {
                    String unsigned = line.get("certificate").textValue().stripTrailing();
                    String sig = line.get(algorithm).textValue();
                    return unsigned.substring(0, unsigned.length() - 1) + ",\"sig\":\"" + sig + "\"}";
                })
                .toList();
    }

    private static List<JsonNode> lines(String name) {
        Path file =
                Built.root().resolve("verifier-core/src/test/resources/golden").resolve(name);
        try {
            return Files.readAllLines(file).stream().map(StrictJson::read).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
