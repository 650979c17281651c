// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.flk.signing.SignatureCheck.KeyId;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;

class HmacTest {
    private static final byte[] CANONICAL = "{\"D_hat\":1.0}".getBytes(StandardCharsets.US_ASCII);

    @Test
    void sign_secretOutsideAscii_usesItsUtf8() {
        // printf '{"D_hat":1.0}' | openssl dgst -sha256 -hmac 'schlüssel' -binary | base64
        assertThat(new HmacSigner("schlüssel").sign(CANONICAL))
                .isEqualTo("Yx29NNWSct4+7ADincKxaaonsU79H0T7ELHYb8EDvxQ=");
    }

    /** RFC 9421, section B.2.5, whose secret is not text. */
    @Test
    void mac_signatureBaseOfTheRfc_isTheRfcs() {
        byte[] secret = Base64.getDecoder()
                .decode("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==");
        String base = """
                "date": Tue, 20 Apr 2021 02:07:55 GMT
                "@authority": example.com
                "content-type": application/json
                "@signature-params": ("date" "@authority" "content-type");\
                created=1618884473;keyid="test-shared-secret\"""";

        assertThat(HmacSigner.keyed(secret).doFinal(base.getBytes(StandardCharsets.US_ASCII)))
                .asBase64Encoded()
                .isEqualTo("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");
    }

    @Test
    void keyId_distinguishesKeysWithoutDisclosingThem() {
        KeyId id = new HmacSigner("secret-one").keyId();

        assertThat(id).isNotEqualTo(new HmacSigner("secret-two").keyId());
        assertThat(id.text()).matches("[0-9a-f]{8}");
        assertThat(SignatureCheck.hmac(List.of("secret-one")).keyIds()).containsExactly(id);
    }

    @Test
    void signer_emptySecret_isRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new HmacSigner(""))
                .withMessageContaining("empty");
    }

    @Test
    void check_withoutSecrets_isRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SignatureCheck.hmac(List.of()))
                .withMessageContaining("configure at least one");
    }

    @Test
    void check_oneSecretEmpty_isRefusedWithoutDisclosingTheOthers() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SignatureCheck.hmac(List.of("never-shown", "")))
                .satisfies(e -> assertThat(e.getMessage()).contains("empty").doesNotContain("never-shown"));
    }
}
