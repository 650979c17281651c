// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Malicious bodies: the stack must not overflow, and memory must stay a small multiple of the body. */
class HostileInputTest {
    /** A bound on everything that is allocated during a read, most of which immediately becomes garbage. */
    private static final int MAX_ALLOCATED_BYTES_PER_BODY_BYTE = 80;

    @ParameterizedTest
    @ValueSource(ints = {33, 5_000, 1_000_000})
    void parse_deepNesting_isRefused(int depth) {
        assertMalformed("{\"x\":" + "[".repeat(depth) + "]".repeat(depth) + "}");
        assertMalformed("{\"x\":[" + "{\"y\":".repeat(depth));
        assertMalformed("{\"x\":".repeat(depth));
    }

    @ParameterizedTest
    @ValueSource(strings = {"y", "\\u0001", "\\\"", "é", "\u007f", "\\ud83d\\udcde"})
    void parse_stringOfAMebibyte_isRead(String piece) {
        String text = "\"" + piece.repeat((1 << 20) / piece.length()) + "\"";

        assertReadWithinBounds(CertificateText.valid().with("unknown", text));
        assertReadWithinBounds(CertificateText.valid().with("ft", "{\"degraded\":true,\"fallbacks\":[" + text + "]}"));
    }

    @Test
    void parse_aMillionKeys_areRead() {
        String keys = IntStream.range(0, 1_000_000)
                .mapToObj(i -> "\"" + Long.toString(i * 7919L % 1_000_003, 36) + "\":1")
                .collect(Collectors.joining(",", "{", "}"));

        assertReadWithinBounds(CertificateText.valid().with("unknown", keys));
    }

    @Test
    void parse_65536KeysOfOneHash_areRead() {
        // "Aa" and "BB" have the same hash code, and so do all sequences of them of the same length.
        String keys = IntStream.range(0, 1 << 16)
                .mapToObj(i ->
                        Integer.toBinaryString(i + (1 << 16)).replace("0", "Aa").replace("1", "BB"))
                .map(key -> "\"" + key + "\":1")
                .collect(Collectors.joining(",", "{", "}"));

        assertReadWithinBounds(CertificateText.valid().with("unknown", keys));
        assertMalformedAfterReading(CertificateText.valid().with("N_j", keys), "N_j must have decimal keys");
    }

    @ParameterizedTest
    @ValueSource(strings = {"unknown", "D_hat", "budget", "epoch", "attempt", "seed"})
    void parse_numberOf300000Digits_isReadOrRefused(String field) {
        for (String number : new String[] {
            "9".repeat(300_000),
            "-" + "9".repeat(300_000),
            "0." + "9".repeat(300_000),
            "1" + "0".repeat(300_000) + "e-300000",
            "0." + "0".repeat(300_000) + "1e300000",
            "1e" + "9".repeat(300_000),
            "1e-" + "9".repeat(300_000)
        }) {
            assertEndsWithinBounds(CertificateText.valid().with(field, number));
        }
    }

    @Test
    void parse_realOf300000Digits_isRoundedCorrectly() throws MalformedCertificate {
        String belowOne = "0." + "9".repeat(300_000);

        assertThat(CertificateText.valid().with("r", belowOne).parse().signed().r())
                .isEqualTo(1.0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "{}", "[]", "\"\"", "{\"a\":1}"})
    void parse_arrayOfAMebibyte_isReadOrRefusedWithinBounds(String element) {
        String array = "[" + (element + ",").repeat((1 << 20) / (element.length() + 1)) + "1]";

        assertReadWithinBounds(CertificateText.valid().with("unknown", array));
        assertEndsWithinBounds(CertificateText.valid().with("scales", array));
        assertEndsWithinBounds(CertificateText.valid().with("v_star", array));
        assertEndsWithinBounds(CertificateText.valid().with("ft", "{\"fallbacks\":" + array + "}"));
    }

    @Test
    void parse_longTexts_inKnownFields_endWithinBounds() {
        String text = "\"" + "2".repeat(1 << 20) + "\"";
        for (String field :
                new String[] {"pcs_id", "merkle_root", "sent_at", "version", "regime", "schema", "shard_id"}) {
            assertEndsWithinBounds(CertificateText.valid().with(field, text));
        }
    }

    @Test
    void parse_manyShortTextsWithEscapes_areReadWithinBounds() {
        String texts = "[" + "\"\\n\u00e9\",".repeat(100_000) + "\"\"]";
        assertReadWithinBounds(CertificateText.valid().with("ft", "{\"fallbacks\":" + texts + "}"));
        assertReadWithinBounds(CertificateText.valid().with("unknown", texts));
        assertEndsWithinBounds(CertificateText.valid().with("unknown", texts.replace("]", ",]")));
    }

    private static void assertReadWithinBounds(CertificateText text) {
        byte[] body = text.bytes();
        long before = allocatedBytes();
        assertThatCode(() -> CertificateReader.parse(body).checkIgnoringClock()).doesNotThrowAnyException();
        assertBounds(body, before, 1);
    }

    private static void assertEndsWithinBounds(CertificateText text) {
        byte[] body = text.bytes();
        long before = allocatedBytes();
        try {
            assertThat(CertificateReader.parse(body).checkIgnoringClock()).isNotNull();
        } catch (MalformedCertificate e) {
            assertThat(e.getMessage()).hasSizeLessThan(200);
        }
        assertBounds(body, before, 2); // a body that parse() rejects is read twice
    }

    private static void assertMalformedAfterReading(CertificateText text, String error) {
        byte[] body = text.bytes();
        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(() -> CertificateReader.parse(body).checkIgnoringClock())
                .withMessageStartingWith(error);
    }

    private static void assertMalformed(String text) {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(() -> CertificateReader.parse(body))
                .withMessageStartingWith("malformed JSON: nested more than 32 deep");
    }

    private static void assertBounds(byte[] body, long allocatedBefore, int readings) {
        assertThat((allocatedBytes() - allocatedBefore) / body.length)
                .as("bytes allocated for each of %s bytes", body.length)
                .isLessThan((long) readings * MAX_ALLOCATED_BYTES_PER_BODY_BYTE);
    }

    private static long allocatedBytes() {
        return ((ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }
}
