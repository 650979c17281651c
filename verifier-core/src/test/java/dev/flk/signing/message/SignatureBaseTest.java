// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.SignatureCheck;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Tests with the examples B.2.5 and B.2.6 of RFC 9421. The signature of B.2.5 is tested by {@code HmacTest}. */
class SignatureBaseTest {
    /** The headers of the request of appendix B.2, without {@code Content-Digest}. */
    private static final Map<String, String> HEADERS = Map.of(
            "host", "example.com",
            "date", "Tue, 20 Apr 2021 02:07:55 GMT",
            "content-type", "application/json",
            "content-length", "18");

    private static byte[] base(List<String> components, String signatureParams) throws UnacceptableRequest {
        return new RequestComponents("POST", "/foo?param=Value&Pet=dog", name -> List.of(HEADERS.get(name)))
                .signatureBase(components, signatureParams);
    }

    @Test
    void signatureBase_ofSectionB25_isTheRfcs() throws Exception {
        assertThat(base(
                        List.of("date", "@authority", "content-type"),
                        "(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\""))
                .asString(StandardCharsets.US_ASCII)
                .isEqualTo("""
                        "date": Tue, 20 Apr 2021 02:07:55 GMT
                        "@authority": example.com
                        "content-type": application/json
                        "@signature-params": ("date" "@authority" "content-type");\
                        created=1618884473;keyid="test-shared-secret\"""");
    }

    @Test
    void signMessage_baseOfSectionB26_makesTheRfcsSignature() throws Exception {
        byte[] base = base(
                List.of("date", "@method", "@path", "@authority", "content-type", "content-length"),
                "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")"
                        + ";created=1618884473;keyid=\"test-key-ed25519\"");
        Ed25519Signer key = Ed25519Signer.ofBase64("n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=");

        assertThat(key.publicKeyBase64()).isEqualTo("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=");
        assertThat(key.signMessage(base))
                .isEqualTo("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==");
        assertThat(SignatureCheck.ed25519(List.of(key.publicKeyBase64()))
                        .verifyMessage(base, key.signMessage(base), key.keyId()))
                .isTrue();
    }

    @Test
    void signatureBase_everyDerivedComponent_isAsReceived() throws Exception {
        assertThat(base(List.of("@method", "@path", "@query"), "()"))
                .asString(StandardCharsets.US_ASCII)
                .isEqualTo("""
                        "@method": POST
                        "@path": /foo
                        "@query": ?param=Value&Pet=dog
                        "@signature-params": ()""");
    }
}
