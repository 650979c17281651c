// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck.KeyId;
import java.util.Map;
import org.junit.jupiter.api.Test;

class KeyRingTest {
    private static final String SEED = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    private static final Ed25519Signer SIGNER = Ed25519Signer.ofBase64(SEED);

    @Test
    void bareText_isASecretWithoutItsFinalNewline() {
        for (String text : new String[] {"secret", "secret\n", "secret\r\n"}) {
            KeyRing ring = KeyRing.of("key", text, Map.of("secret", ""));

            assertThat(ring.check().keyIds()).containsExactly(new HmacSigner("secret").keyId());
            assertThat(ring.keys()).extracting(NamedKey::name).containsExactly("key");
        }
    }

    @Test
    void settings_ofKeygen_areTheKeyForTheirAlgorithm() {
        assertThat(KeyRing.of("a", "", Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY", "a,b"))
                        .check()
                        .keyIds())
                .containsExactly(new HmacSigner("a,b").keyId());
        assertThat(KeyRing.of("a", "", Map.of("PCS_SIGN_ALG", "ed25519", "PCS_ED25519_PRIV_B64", SEED))
                        .check()
                        .keyIds())
                .containsExactly(SIGNER.keyId());
    }

    @Test
    void settings_areReadLikeThoseOfThePrograms() {
        KeyId key = new HmacSigner("a").keyId();
        Map<String, String> both =
                Map.of("PCS_SIGN_ALG", " HMAC ", "PCS_HMAC_KEY", "a", "PCS_ED25519_PUB_B64", SIGNER.publicKeyBase64());

        assertThat(KeyRing.of("a", "", both).check().keyIds()).containsExactly(key);
        assertThat(KeyRing.of("a", "", Map.of("PCS_HMAC_KEY", "a", "PCS_HMAC_KEYS", ""))
                        .check()
                        .keyIds())
                .containsExactly(key);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> KeyRing.of("a", "", Map.of("PCS_HMAC_KEY", "", "PCS_HMAC_KEY_FILE", "/key")))
                .withMessageContaining("only the name of a file that does (PCS_HMAC_KEY_FILE)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> KeyRing.of("a", "PCS_HMAC_KEY=", Map.of("PCS_HMAC_KEY", "")))
                .withMessage("a contains no key: PCS_HMAC_KEY is empty");
    }

    @Test
    void settings_ofABackend_haveSeveralKeys() {
        KeyRing ring = KeyRing.of(
                "backend.properties",
                "",
                Map.of(
                        "PORT",
                        "8080",
                        "PCS_SIGN_ALG",
                        "hmac",
                        "PCS_HMAC_KEYS",
                        "new,old",
                        "PCS_ED25519_PUB_B64",
                        " " + SIGNER.publicKeyBase64()));

        assertThat(ring.check().keyIds()).containsExactly(new HmacSigner("new").keyId(), new HmacSigner("old").keyId());
        assertThat(ring.keys()).hasSize(3);
    }

    @Test
    void check_withoutAlgorithm_usesTheOnlyKindOfKey() {
        assertThat(KeyRing.of("a", "", Map.of("PCS_ED25519_PUB_B64", SIGNER.publicKeyBase64()))
                        .check()
                        .keyIds())
                .containsExactly(SIGNER.keyId());
        assertThat(KeyRing.of("a", "", Map.of("PCS_HMAC_KEY", "s")).check().keyIds())
                .hasSize(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> KeyRing.of("a", "", Map.of("PCS_HMAC_KEY", "s", "PCS_ED25519_PRIV_B64", SEED))
                        .check())
                .withMessage("a has keys for hmac and for ed25519: add PCS_SIGN_ALG to it");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> KeyRing.of("a", "", Map.of("PCS_SIGN_ALG", "ed25519", "PCS_HMAC_KEY", "s"))
                        .check())
                .withMessage("a has no key for its PCS_SIGN_ALG, ed25519");
    }

    @Test
    void of_textWithoutKey_failsWithoutDisclosingIt() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> KeyRing.of("f", "x", Map.of("PCS_HMAC_KEY_FILE", "/run/key")))
                .withMessageContaining("name of a file that does (PCS_HMAC_KEY_FILE)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> KeyRing.of("f", "x", Map.of("PCS_SIGN_ALG", "hmac")))
                .withMessage("f contains no key, only PCS_SIGN_ALG");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> KeyRing.of("f", "\n", Map.of()))
                .withMessageStartingWith("f: an HMAC secret is empty");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> KeyRing.of("f", "", Map.of("PCS_ED25519_PRIV_B64", "topsecret")))
                .withMessageStartingWith("f: an Ed25519 private key must be")
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("topsecret"));
    }
}
