// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.flk.signing.SignatureCheck.KeyId;
import java.nio.charset.StandardCharsets;
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
