// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of bodies that are not well-formed JSON in UTF-8, or that have a lone surrogate, a repeated key or too deep
 * nesting.
 */
class MalformedJsonTest {
    @ParameterizedTest
    @ValueSource(strings = {"", " ", "{", "[]", "\"x\"", "1", "null", "{}}", "{\"a\":1,}", "{,}", "{a:1}", "{'a':1}"})
    void parse_notAnObject_isRefused(String text) {
        assertMalformed(text.getBytes(StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "1.",
                ".5",
                "+1",
                "01",
                "-01",
                "-",
                "1e",
                "1e+",
                "1.e5",
                "0x10",
                "1_000",
                "1d",
                "00",
                "--1",
                "NaN",
                "Infinity",
                "-Infinity",
                "INF",
                "-INF",
                "+Infinity",
                "nan",
                "True",
                "nul",
                "undefined",
                "'x'",
                "\"\\x\"",
                "\"\\u12\"",
                "\"\\u12g4\"",
                "\"a\nb\"",
                "\"a\tb\"",
                "\"a\u0000b\"",
                "\"a",
                "[1 2]",
                "[1,]",
                "[,1]",
                "[1",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1 \"b\":2}",
                "{1:2}",
                "/*x*/1",
                "1//x",
                "#x",
                "\u00a01",
                "\f1",
                "١"
            })
    void parse_badValueAnywhere_isRefused(String json) {
        assertMalformed(CertificateText.valid().with("unknown", json).bytes());
        assertMalformed(CertificateText.valid().with("D_hat", json).bytes());
        assertMalformed(CertificateText.valid().with("v_star", "[" + json + "]").bytes());
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "1", "x", "\u0000", "\ufeff", ",", "]"})
    void parse_trailingBytes_areRefused(String trailing) {
        assertMalformed((CertificateText.valid().json() + " " + trailing).getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void parse_whiteSpaceAround_isFine() throws MalformedCertificate {
        String text = " \t\r\n" + CertificateText.valid().json() + " \t\r\n";

        assertThat(CertificateReader.parse(text.getBytes(StandardCharsets.UTF_8)))
                .isNotNull();
    }

    @Test
    void parse_byteOrderMark_isRefused() {
        String text = "\ufeff" + CertificateText.valid().json();

        assertRefused(text.getBytes(StandardCharsets.UTF_8), "malformed JSON: begins with a byte order mark");
    }

    @ParameterizedTest
    @ValueSource(strings = {"UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-32LE", "UTF-32BE"})
    void parse_otherUnicodeEncoding_isNotGuessedAt(String charset) {
        assertMalformed(CertificateText.valid().json().getBytes(Charset.forName(charset)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "80",
                "bf",
                "c3",
                "c328",
                "c080",
                "c0af",
                "c1bf",
                "e28028",
                "e080af",
                "eda080",
                "edb080",
                "eda0bdedb39e",
                "f0808080",
                "f08282ac",
                "f4908080",
                "f5808080",
                "f09f93",
                "fe",
                "ff",
                "e9"
            })
    void parse_invalidUtf8_isRefused(String hex) {
        assertRefused(withString(HexFormat.of().parseHex(hex)), "malformed JSON: not valid UTF-8");
    }

    @ParameterizedTest
    @ValueSource(strings = {"c3a9", "ed9fbf", "ee8080", "efbfbf", "f0908080", "f48fbfbf", "7f"})
    void parse_edgesOfUtf8_areFine(String hex) throws MalformedCertificate {
        assertThat(CertificateReader.parse(withString(HexFormat.of().parseHex(hex))))
                .isNotNull();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"\\ud83d", "\\udcde", "\\udcde\\ud83d", "\\ud83dx", "\\uD83D\\u0041", "\\ud83d\\ud83d\\udcde"})
    void parse_loneSurrogate_isRefused(String text) {
        for (String json : new String[] {"\"" + text + "\"", "[\"" + text + "\"]", "{\"" + text + "\":1}"}) {
            assertMalformed(CertificateText.valid().with("unknown", json).bytes());
            assertMalformed(CertificateText.valid().with("shard_id", json).bytes());
            assertMalformed(CertificateText.valid().with("ft", json).bytes());
        }
        assertMalformed(CertificateText.valid().with(text, "1").bytes());
    }

    @Test
    void parse_escapedPair_isFine() throws MalformedCertificate {
        assertThat(CertificateText.valid()
                        .with("\\ud83d\\udcde", "\"\\ud83d\\udcde\"")
                        .parse())
                .isNotNull();
    }

    @ParameterizedTest
    @ValueSource(strings = {"pcs_id", "epoch", "D_hat", "sig", "regime", "ft", "attempt", "v_star", "unknown"})
    void parse_keyRepeatedAtTheTop_isRefused(String key) {
        String text = CertificateText.valid().with("unknown", "1").json();
        String repeated = text.substring(0, text.length() - 1) + ",\"" + key + "\":null}";

        assertRefused(repeated.getBytes(StandardCharsets.UTF_8), "malformed JSON: the key \"" + key + "\" is repeated");
    }

    @ParameterizedTest
    @ValueSource(strings = {"N_j", "ft", "unknown", "D_hat", "sig", "schema"})
    void parse_keyRepeatedWithin_isRefused(String field) {
        String error = "malformed JSON: the key \"8\" is repeated";

        assertRefused(
                CertificateText.valid().with(field, "{\"8\":1,\"4\":2,\"8\":1}").bytes(), error);
        assertRefused(
                CertificateText.valid()
                        .with(field, "[{\"a\":{\"8\":1,\"\\u0038\":2}}]")
                        .bytes(),
                error);
    }

    @Test
    void parse_nesting32_isFine_33_isNot() throws MalformedCertificate {
        // The certificate itself is the first level.
        String deepest = "[".repeat(31) + "]".repeat(31);

        assertThat(CertificateText.valid().with("unknown", deepest).parse()).isNotNull();
        assertRefused(
                CertificateText.valid().with("unknown", "[" + deepest + "]").bytes(),
                "malformed JSON: nested more than 32 deep");
    }

    @Test
    void parse_cutAnywhere_isRefused() {
        byte[] complete = CertificateText.valid().shardId("é\ud83d\udcde").bytes();
        for (int length = 0; length < complete.length; length++) {
            assertMalformed(Arrays.copyOf(complete, length));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"pcs_id", "r", "sig", "seed", "N_j", "ft", "unknown"})
    void message_ofARepeatedKey_whoseValueIsMalformed_isAboutTheValue(String key) {
        String text = CertificateText.valid().with("unknown", "1").json();
        String start = text.substring(0, text.length() - 1) + ",\"" + key + "\":";

        assertRefused(
                (start + "\"\\ud800\"}").getBytes(StandardCharsets.UTF_8),
                "malformed JSON: a string has a surrogate without its partner");
        assertRefused((start + "\"x").getBytes(StandardCharsets.UTF_8), "malformed JSON: ends too early");
    }

    @Test
    void message_saysWhere() {
        assertRefused("{\n\"a\":x}".getBytes(StandardCharsets.UTF_8), "malformed JSON: near line 2, column 6");
    }

    @Test
    void message_quotesOnlyTheBeginningOfALongKey() {
        String key = "k\u0001" + "x".repeat(10_000);
        String member = "\"" + key.replace("\u0001", "\\u0001") + "\":1";

        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(() ->
                        CertificateReader.parse(("{" + member + "," + member + "}").getBytes(StandardCharsets.UTF_8)))
                .satisfies(
                        e -> assertThat(e.getMessage()).contains("\"k\\u0001xx").hasSizeLessThan(120));
    }

    private static byte[] withString(byte[] content) {
        String[] around =
                CertificateText.valid().with("unknown", "\"|\"").json().split("\\|\"", 2);
        // The value of the unknown field is the only bar that is followed by a quote.
        byte[] before = around[0].getBytes(StandardCharsets.UTF_8);
        byte[] after = ("\"" + around[1]).getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(before.length + content.length + after.length)
                .put(before)
                .put(content)
                .put(after)
                .array();
    }

    private static void assertMalformed(byte[] body) {
        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(() -> CertificateReader.parse(body))
                .withMessageStartingWith("malformed JSON: ");
    }

    private static void assertRefused(byte[] body, String error) {
        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(() -> CertificateReader.parse(body))
                .withMessage(error);
    }
}
