// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningKey;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Requests that the npm package http-message-signatures 1.0.6 has signed. Both algorithms are deterministic, so a
 * request that is signed here with the same text is also accepted there.
 */
class OtherImplementationTest {
    private static final String SECRET = "a secret of the test, long enough";
    private static final SigningKey HMAC = new HmacSigner(SECRET);
    private static final Ed25519Signer ED25519 = new Ed25519Signer(seed());
    private static final String BODY = "{\"revision\": 7}\n";

    private static byte[] seed() {
        byte[] seed = new byte[Ed25519Signer.SEED_BYTES];
        seed[0] = 1;
        return seed;
    }

    private static SignatureCheck check(SigningKey key) {
        return key == HMAC
                ? SignatureCheck.hmac(List.of(SECRET))
                : SignatureCheck.ed25519(List.of(ED25519.publicKeyBase64()));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', nullValues = "-", textBlock = """
            hmac | PUT | /v1/sessions/plant-7/line%202?wait=5&to=%2F | if-match | "6" | \
            TixoiBZPVRcshfrdHHbED3OPTJFkZ67tEFY+R4KWJ/w=
            ed25519 | PUT | /v1/sessions/plant-7/line%202?wait=5&to=%2F | if-match | "6" | \
            gr1eCntbhFTpZdUVGOiY4pw7GWju+1YmXurH5ILbliufpnKZziCW9/w48AXHmapfUiPr0oZQ95F2hd2OeyahBw==
            hmac | GET | /v1/sessions/plant-7 | last-event-id | 41 | \
            r4oe2GnYNhrxyiLJ/lgtmKnQvI5/LhoGhE+QT6j0+5Y=
            ed25519 | DELETE | /v1/sessions/plant-7 | - | - | \
            o8KlZkEcoclQOTnJi/S56WYJNIPS1dy47kwXkRh/BdClXWlgivGfqqbFMGVmwwUgCtAt/PVHMzJJwIZSndXDDA==
            """)
    void sign_theSameRequest_makesTheSameSignature(
            String algorithm, String method, String target, String header, String value, String signature)
            throws Exception {
        SigningKey key = algorithm.equals("hmac") ? HMAC : ED25519;
        SentRequest request = SentRequest.of(method, target).withBody(method.equals("PUT") ? BODY : "");

        SentRequest signed = (header == null ? request : request.with(header, value)).signedBy(key);

        assertThat(signed.header("signature")).isEqualTo("sig1=:" + signature + ":");
        assertThat(signed.parse().verifiedBy(check(key))).isTrue();
    }

    @Test
    void parse_anotherOrderAndEveryOptionalPart_accepts() throws Exception {
        SignedRequest request = SentRequest.of("POST", "/v1/sessions/plant-7?")
                .withBody(BODY)
                .with("host", "Agents.Example:8443")
                .with(
                        "content-digest",
                        "sha-512=:Z3BUlUei3BIYaR49i1Bb/37ymfCMfabeaqY2Uc5a5PJ/I/ULjFmkvrSurRSgXx0RP7DZW/+oJmg"
                                + "ByLUPJ2DEIA==:, sha-256=:VoKyudTmmJBR83XSSJEKjXN0Rnx5yOG7lNt3t4s2K8w=:")
                .with(
                        "signature",
                        "flk=:Gdg1ldjERhMStjtvmSk0C3EpUw5cDnvNE6ChQDARr8b43sTpMVdYecsiNpoxo1cU2UgLUM4jja8/LqNi"
                                + "NpfNAg==:")
                .with(
                        "signature-input",
                        "flk=(\"@authority\" \"content-digest\" \"@query\" \"@path\" \"@method\");alg=\"ed25519\""
                                + ";nonce=\"n 1;x\";expires=1795000060;keyid=\"fa4d86c3\";created=1795000000")
                .parse();

        assertThat(request.verifiedBy(check(ED25519))).isTrue();
        assertThat(request.nonce()).isEqualTo("n 1;x");
    }
}
