// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.signing.KeyUse.KeyForm;
import dev.flk.signing.KeyUse.Message;
import dev.flk.signing.KeyUse.Scheme;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;

class SuspectKeyTest {
    private static final byte[] SEED = new byte[32];
    private static final String SEED_BASE64 = Base64.getEncoder().encodeToString(SEED);
    private static final Ed25519Signer ED25519 = new Ed25519Signer(SEED);
    private static final HmacSigner HMAC = new HmacSigner("secret");
    private static final HashedText TEXT = new HashedText("{}".getBytes(StandardCharsets.US_ASCII));

    @Test
    void properUse_makesTheSignersSignature_andNoOtherUseDoes() {
        assertOnlyProperUseFits(SuspectKey.secret("secret"), HMAC.sign(TEXT.text()), Scheme.HMAC_SHA256, Message.TEXT);
        assertOnlyProperUseFits(
                SuspectKey.publicKey(ED25519.publicKeyBase64()),
                ED25519.sign(TEXT.text()),
                Scheme.ED25519,
                Message.SHA256);
        assertOnlyProperUseFits(
                SuspectKey.privateKey(SEED_BASE64), ED25519.sign(TEXT.text()), Scheme.ED25519, Message.SHA256);
    }

    private static void assertOnlyProperUseFits(SuspectKey key, String sig, Scheme scheme, Message message) {
        byte[] signature = Base64.getDecoder().decode(sig);
        assertThat(key.uses(signature.length).stream()
                        .filter(use -> use.made(signature, TEXT))
                        .toList())
                .singleElement()
                .satisfies(use -> {
                    assertThat(use.scheme()).isEqualTo(scheme);
                    assertThat(use.message()).isEqualTo(message);
                    assertThat(use.keyForm()).isEqualTo(KeyForm.AS_CONFIGURED);
                });
    }

    @Test
    void suspects_ofACheck_haveItsIdsInItsOrder() {
        assertThat(SignatureCheck.hmac(List.of("a", "b")).suspects())
                .extracting(SuspectKey::id)
                .containsExactlyElementsOf(
                        SignatureCheck.hmac(List.of("a", "b")).keyIds());
        assertThat(SignatureCheck.ed25519(List.of(ED25519.publicKeyBase64())).suspects())
                .extracting(SuspectKey::id, SuspectKey::algorithm)
                .containsExactly(tuple(ED25519.keyId(), SigningAlgorithm.ED25519));
        assertThat(SignatureCheck.none().suspects()).isEmpty();
    }

    @Test
    void uses_areThoseOfTheLength() {
        SuspectKey key = SuspectKey.secret("no base64, no hex");

        assertThat(key.uses(32)).hasSize(3 * 3);
        assertThat(key.uses(20)).hasSize(3);
        assertThat(key.uses(64)).extracting(KeyUse::scheme).containsOnly(Scheme.HMAC_SHA512);
        assertThat(key.uses(7)).isEmpty();
    }

    @Test
    void keyThatIsNone_isRefusedWithoutBeingShown() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SuspectKey.publicKey("topsecret"))
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("topsecret"));
        assertThatIllegalArgumentException().isThrownBy(() -> SuspectKey.secret(""));
    }
}
