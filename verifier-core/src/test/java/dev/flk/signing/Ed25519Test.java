// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class Ed25519Test {
    private static final byte[] CANONICAL = "{\"D_hat\":1.0}".getBytes(StandardCharsets.US_ASCII);

    /** The first key pair of RFC 8032, section 7.1. */
    private static final byte[] SEED =
            HexFormat.of().parseHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");

    private static final byte[] PUBLIC_KEY =
            HexFormat.of().parseHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");

    private static final String PUBLIC_KEY_BASE64 = Base64.getEncoder().encodeToString(PUBLIC_KEY);

    @Test
    void publicKey_ofTheRfcsSeed_isTheRfcsKey() {
        assertThat(new Ed25519Signer(SEED).publicKeyBase64()).isEqualTo(PUBLIC_KEY_BASE64);
    }

    @Test
    void verify_ownSignature_namesTheKey() {
        Ed25519Signer signer = new Ed25519Signer(SEED);
        String other = new Ed25519Signer(new byte[32]).publicKeyBase64();

        assertThat(SignatureCheck.ed25519(List.of(other, PUBLIC_KEY_BASE64)).verify(CANONICAL, signer.sign(CANONICAL)))
                .contains(signer.keyId());
    }

    @Test
    void verify_anyBitFlipped_isRefused() {
        byte[] sig = Base64.getDecoder().decode(new Ed25519Signer(SEED).sign(CANONICAL));
        for (int bit = 0; bit < sig.length * 8; bit++) {
            sig[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(check().verify(CANONICAL, Base64.getEncoder().encodeToString(sig)))
                    .as("bit %s", bit)
                    .isEmpty();
            sig[bit / 8] ^= (byte) (1 << bit % 8);
        }
    }

    @Test
    void verify_scalarPlusGroupOrder_isRefused() {
        byte[] sig = Base64.getDecoder().decode(new Ed25519Signer(SEED).sign(CANONICAL));
        BigInteger order = BigInteger.TWO.pow(252).add(new BigInteger("27742317777372353535851937790883648493"));
        byte[] scalar = reversed(sig, 32);
        byte[] sum = new BigInteger(1, scalar).add(order).toByteArray();
        for (int i = 0; i < 32; i++) {
            sig[32 + i] = i < sum.length ? sum[sum.length - 1 - i] : 0;
        }

        assertThat(check().verify(CANONICAL, Base64.getEncoder().encodeToString(sig)))
                .isEmpty();
    }

    @Test
    void keyId_isOfThePublicKey() {
        assertThat(check().keyIds()).containsExactly(new Ed25519Signer(SEED).keyId());
        assertThat(new Ed25519Signer(SEED).keyId().text()).isEqualTo("21fe31df");
    }

    @Test
    void signer_seedChangedAfterwards_keepsItsOwn() {
        byte[] seed = SEED.clone();
        Ed25519Signer signer = new Ed25519Signer(seed);
        seed[0] ^= 1;

        assertThat(check().verify(CANONICAL, signer.sign(CANONICAL))).isPresent();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 31, 33, 64})
    void signer_seedOfOtherLength_isRefused(int length) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Ed25519Signer(new byte[length]))
                .withMessageContaining("32 bytes, but this one has " + length);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "c2VjcmV0",
                "1VqYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "not base64 at all, but of 44 characters......"
            })
    void key_notBase64Of32Bytes_isRefusedWithoutBeingShown(String text) {
        for (ThrowingKey key :
                List.<ThrowingKey>of(() -> SignatureCheck.ed25519(List.of(text)), () -> Ed25519Signer.ofBase64(text))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(key::make)
                    .satisfies(e -> assertThat(e.getMessage())
                            .contains("32 raw bytes", "this one has " + text.length())
                            .satisfies(message -> assertThat(text.isEmpty() || !message.contains(text))
                                    .isTrue()));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                // the point of order 4, the neutral element, and a text that does not encode a point
                "0000000000000000000000000000000000000000000000000000000000000000",
                "0100000000000000000000000000000000000000000000000000000000000000",
                "0200000000000000000000000000000000000000000000000000000000000000",
            })
    void key_invalid_isRefused(String hex) {
        String text = Base64.getEncoder().encodeToString(HexFormat.of().parseHex(hex));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> SignatureCheck.ed25519(List.of(text)))
                .withMessageContaining("right length");
    }

    private interface ThrowingKey {
        Object make();
    }

    private static SignatureCheck check() {
        return SignatureCheck.ed25519(List.of(PUBLIC_KEY_BASE64));
    }

    private static byte[] reversed(byte[] bytes, int from) {
        byte[] reversed = new byte[bytes.length - from];
        for (int i = 0; i < reversed.length; i++) {
            reversed[i] = bytes[bytes.length - 1 - i];
        }
        return reversed;
    }
}
