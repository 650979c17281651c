// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.signing.message.UnacceptableRequest.Reason;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BodyDigestTest {
    /** The example content of RFC 9530, appendix B, with its two digests. */
    private static final byte[] BODY = "{\"hello\": \"world\"}\n".getBytes(StandardCharsets.US_ASCII);

    private static final String SHA_256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    private static final String SHA_512 =
            "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8Mjk" + "M7iw7yZ/WkppmM44T3qg==:";

    @Test
    void of_theRfcsContent_isTheRfcsDigest() {
        assertThat(BodyDigest.of(BODY)).isEqualTo(SHA_256);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                SHA_256,
                SHA_512,
                SHA_256 + ", " + SHA_512,
                SHA_512 + "," + SHA_256,
                "md5=:AAAA:,  " + SHA_256,
                SHA_256 + ", x.*-_9=::"
            })
    void check_everyKnownDigestIsTheBodys_accepts(String header) {
        assertThatCode(() -> BodyDigest.check(header, BODY)).doesNotThrowAnyException();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDh=:   | DIGEST_MISMATCH
            sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg:    | DIGEST_MISMATCH
            sha-256=:RK_0qy18MlBSVnWgjwz6lZEWjP_lF5HF9bvEF8FabDg=:   | MALFORMED
            sha-256=::                                               | DIGEST_MISMATCH
            sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:   | DIGEST_MISMATCH
            {256}, sha-512=:AAAA:                                    | DIGEST_MISMATCH
            sha-512=:AAAA:, {256}                                    | DIGEST_MISMATCH
            {256}, {256}                                             | MALFORMED
            sha-256=:AAAA:, {256}                                    | DIGEST_MISMATCH
            md5=:AAAA:, md5=:AAAA:, {256}                            | MALFORMED
            {256};x=1                                                | MALFORMED
            {256},                                                   | MALFORMED
            {256} {256}                                              | MALFORMED
            ''                                                       | MALFORMED
            sha-256                                                  | MALFORMED
            sha-256=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=     | MALFORMED
            sha-256="RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="   | MALFORMED
            SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:   | MALFORMED
            md5=:AAAA:                                               | UNSUPPORTED
            """)
    void check_anythingElse_isRefused(String header, Reason reason) {
        String value = header.replace("{256}", SHA_256);

        assertThatExceptionOfType(UnacceptableRequest.class)
                .isThrownBy(() -> BodyDigest.check(value, BODY))
                .satisfies(e -> assertThat(e.reason()).isEqualTo(reason));
    }
}
