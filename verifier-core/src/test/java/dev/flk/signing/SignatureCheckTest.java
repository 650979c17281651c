// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.flk.signing.SignatureCheck.KeyId;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class SignatureCheckTest {
    private static final byte[] CANONICAL = "{}".getBytes(StandardCharsets.US_ASCII);
    private static final HmacSigner HMAC = new HmacSigner("secret");
    private static final SignatureCheck SHARED = SignatureCheck.hmac(List.of("secret"));
    private static final Ed25519Signer ED25519 = new Ed25519Signer(new byte[32]);

    private static List<SignatureCheck> checks() {
        return List.of(
                SignatureCheck.hmac(List.of("secret")), SignatureCheck.ed25519(List.of(ED25519.publicKeyBase64())));
    }

    private static List<String> signatures() {
        return List.of(HMAC.sign(CANONICAL), ED25519.sign(CANONICAL));
    }

    @Test
    void verify_noSignature_isRefused() {
        for (SignatureCheck check : checks()) {
            assertThat(check.verify(CANONICAL, null)).isEmpty();
            assertThat(check.verify(CANONICAL, "")).isEmpty();
        }
    }

    @Test
    void verify_signatureSpelledOtherwise_isRefused() {
        for (int i = 0; i < 2; i++) {
            String sig = signatures().get(i);
            byte[] bytes = Base64.getDecoder().decode(sig);
            for (String other : List.of(
                    sig + "\n",
                    " " + sig,
                    sig.substring(0, sig.length() - 1),
                    sig.replaceAll("=+$", ""),
                    sig + "====",
                    sig.substring(0, 40) + "\n" + sig.substring(40),
                    "A" + sig,
                    withOtherUnusedBits(sig),
                    Base64.getMimeEncoder().encodeToString(bytes) + "\r\n",
                    sig.replace('=', 'A'),
                    sig + sig)) {
                assertThat(checks().get(i).verify(CANONICAL, other)).as(other).isEmpty();
            }
        }
    }

    @Test
    void verify_urlAlphabet_isRefused() {
        for (int n = 0; ; n++) {
            byte[] canonical = ("{" + n + "}").getBytes(StandardCharsets.US_ASCII);
            String sig = HMAC.sign(canonical);
            if (sig.contains("+") || sig.contains("/")) {
                assertThat(checks().get(0)
                                .verify(canonical, sig.replace('+', '-').replace('/', '_')))
                        .isEmpty();
                return;
            }
        }
    }

    @Test
    void verify_signatureOfTheOtherKind_isRefused() {
        assertThat(checks().get(0).verify(CANONICAL, signatures().get(1))).isEmpty();
        assertThat(checks().get(1).verify(CANONICAL, signatures().get(0))).isEmpty();
    }

    @Test
    void verify_signatureOfAMebibyte_isRefused() {
        for (SignatureCheck check : checks()) {
            assertThat(check.verify(CANONICAL, "A".repeat(1 << 20))).isEmpty();
        }
    }

    @Test
    void verifyMessage_ownMessage_isVerifiedForTheKeysIdOnly() {
        byte[] message = "\"@method\": GET\n".repeat(3).getBytes(StandardCharsets.US_ASCII);
        for (SigningKey key : List.of(HMAC, ED25519)) {
            String sig = key.signMessage(message);
            for (SignatureCheck check : checks()) {
                boolean hasKey = check.keyIds().contains(key.keyId());
                assertThat(check.verifyMessage(message, sig, key.keyId())).isEqualTo(hasKey);
                assertThat(check.verifyMessage(message, sig, new KeyId("00000000")))
                        .isFalse();
                assertThat(check.verifyMessage(message, sig, KeyId.NONE)).isFalse();
                assertThat(check.verifyMessage(CANONICAL, sig, key.keyId())).isFalse();
                assertThat(check.verifyMessage(message, sig + "=", key.keyId())).isFalse();
                assertThat(check.verifyMessage(message, "", key.keyId())).isFalse();
            }
            assertThat(SignatureCheck.none().verifyMessage(message, sig, KeyId.NONE))
                    .isFalse();
        }
    }

    /** With HMAC, only the form of the signed bytes tells a message from a certificate. */
    @Test
    void verify_ed25519SignatureOfTheOtherUse_isRefused() {
        SignatureCheck check = checks().get(1);

        assertThat(check.verify(CANONICAL, ED25519.signMessage(CANONICAL))).isEmpty();
        assertThat(check.verifyMessage(CANONICAL, ED25519.sign(CANONICAL), ED25519.keyId()))
                .isFalse();
    }

    @Test
    void none_acceptsAnything() {
        SignatureCheck none = SignatureCheck.none();

        assertThat(none.verify(CANONICAL, null)).contains(KeyId.NONE);
        assertThat(none.verify(CANONICAL, "whatever")).contains(KeyId.NONE);
        assertThat(none.keyIds()).isEmpty();
        assertThat(KeyId.NONE).hasToString("none");
    }

    @Test
    void keyId_ofAnotherForm_isRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new KeyId("my-secret-key"))
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("my-secret-key"));
    }

    @Test
    void verify_fromSeveralThreads_agrees() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            List<Future<Boolean>> results = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                results.add(threads.submit(SignatureCheckTest::verifiesOwnSignaturesOnly));
            }
            for (Future<Boolean> result : results) {
                assertThat(result.get()).isTrue();
            }
        } finally {
            threads.shutdownNow();
        }
    }

    private static boolean verifiesOwnSignaturesOnly() {
        for (int i = 0; i < 2_000; i++) {
            byte[] canonical = Integer.toString(i).getBytes(StandardCharsets.US_ASCII);
            String sig = HMAC.sign(canonical);
            if (SHARED.verify(canonical, sig).isEmpty()
                    || SHARED.verify(CANONICAL, sig).isPresent()) {
                return false;
            }
        }
        return true;
    }

    /** Changes the unused bits of the last digit before the padding. */
    private static String withOtherUnusedBits(String sig) {
        int last = sig.indexOf('=') - 1;
        return sig.substring(0, last) + (char) (sig.charAt(last) + 1) + sig.substring(last + 1);
    }
}
