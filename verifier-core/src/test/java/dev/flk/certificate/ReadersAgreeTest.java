// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import dev.flk.certificate.CertificateReader.ParsedCertificate;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A comparison of {@link JsonBytes}, which reads every body, with {@link JacksonText}, on bodies that differ from valid
 * ones in a few places: both accept the same bodies and read the same from them.
 */
final class ReadersAgreeTest {
    private static final List<byte[]> BODIES = List.of(
                    CertificateText.valid().json(),
                    CertificateText.valid()
                            .shardId("Pumpe \u00fc \uD83D\uDE00 \u4E2D\uD83D\uDE00")
                            .with("shard_id", "\"Pumpe \\u00fc \uD83D\uDE00 \u4E2D\\ud83d\\ude00\"")
                            .with("unknown", "{\"b\":[null,true,-0,1e-7,{}],\"a\\\"\":[[]],\"\":\"\"}")
                            .json(),
                    CertificateText.valid()
                            .with("D_hat", "-0.000000000000000000000000000000000000000000000000001E+50")
                            .with("seed", "-9223372036854775808")
                            .with("attempt", "99999999999999999999999999")
                            .epoch("9223372036854775807")
                            .with("v_star", "[-0,0.1,1E300,123456789012345678901234567890]")
                            .json()
                            .replace(",\"", " ,\n\t\"")
                            .replace("\":", "\"\r: "),
                    CertificateText.valid()
                            .with("deep", "[".repeat(30) + "]".repeat(30))
                            .json())
            .stream()
            .map(json -> json.getBytes(StandardCharsets.UTF_8))
            .toList();

    private static final List<byte[]> FRAGMENTS = List.of(
                    "\"",
                    "\\",
                    "\\u",
                    "\\ud800",
                    "\\udc00",
                    "\\u0000",
                    "{",
                    "}",
                    "[",
                    "]",
                    ",",
                    ":",
                    "-",
                    "-0",
                    "0",
                    "01",
                    "9",
                    ".",
                    "e",
                    "E+",
                    "1e5",
                    "true",
                    "false",
                    "null",
                    "NaN",
                    " ",
                    "\t",
                    "\n",
                    "\r",
                    "\f",
                    "\u0000",
                    "\u007f",
                    "/",
                    "//",
                    "\u00fc",
                    "\u00a0",
                    "\ufeff",
                    "\u2028",
                    "\uD83D\uDE00",
                    "\"seed\":",
                    "\"N_j\":{}",
                    ",\"x\":1",
                    "\"schema\"",
                    "epoch",
                    "18446744073709551616")
            .stream()
            .map(text -> text.getBytes(StandardCharsets.UTF_8))
            .toList();

    @Test
    void readers_mutatedBodies_agree() {
        compare(30_000);
    }

    @Test
    @Tag("thorough")
    void readers_manyMutatedBodies_agree() {
        compare(10_000_000);
    }

    @Test
    void readers_bodyCutAnywhere_agree() {
        for (byte[] body : BODIES) {
            for (int length = 0; length <= body.length; length++) {
                requireSame(Arrays.copyOf(body, length));
            }
        }
    }

    @Test
    void bodies_areAccepted() {
        for (byte[] body : BODIES) {
            assertThatCode(() -> CertificateReader.parse(new JsonBytes(body)).checkIgnoringClock())
                    .doesNotThrowAnyException();
        }
    }

    private static void compare(long bodies) {
        LongAdder accepted = new LongAdder();
        LongStream.range(0, bodies).parallel().forEach(number -> {
            Random random = new Random(number);
            byte[] body = BODIES.get(random.nextInt(BODIES.size()));
            for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
                body = changed(body, random);
            }
            accepted.add(requireSame(body) ? 1 : 0);
        });
        assertThat(accepted.sum()).as("bodies that were accepted").isBetween(bodies / 20, bodies * 19 / 20);
    }

    /** Replaces a short range of a body with a fragment, another range or any byte, or removes the range. */
    private static byte[] changed(byte[] body, Random random) {
        int from = random.nextInt(body.length + 1);
        int to = Math.min(body.length, from + random.nextInt(4));
        byte[] with = switch (random.nextInt(4)) {
            case 0 -> FRAGMENTS.get(random.nextInt(FRAGMENTS.size()));
            case 1 -> new byte[] {(byte) random.nextInt(256)};
            case 2 -> {
                int start = random.nextInt(body.length + 1);
                yield Arrays.copyOfRange(body, start, Math.min(body.length, start + random.nextInt(40)));
            }
            default -> new byte[0];
        };
        byte[] changed = Arrays.copyOf(body, from + with.length + body.length - to);
        System.arraycopy(with, 0, changed, from, with.length);
        System.arraycopy(body, to, changed, from + with.length, body.length - to);
        return changed;
    }

    private static boolean requireSame(byte[] body) {
        String read = read(new JsonBytes(body));
        String reference;
        try (JacksonText in = JacksonText.of(body)) {
            reference = read(in);
        } catch (MalformedCertificate e) {
            reference = "";
        }
        if (!read.equals(reference)) {
            throw new AssertionError("read differently: " + new String(body, StandardCharsets.UTF_8) + "\n" + read
                    + "\n" + reference + "\n" + Arrays.toString(body));
        }
        return !read.isEmpty();
    }

    /**
     * Returns the canonical form and {@code sig} of a body, and its certificate or the message of {@code check}; empty
     * if {@code parse} rejected the body.
     */
    private static String read(JsonText in) {
        ParsedCertificate parsed;
        try {
            parsed = CertificateReader.parse(in);
        } catch (MalformedCertificate e) {
            return "";
        }
        String signed = new String(parsed.canonicalForm(), StandardCharsets.US_ASCII) + parsed.sig();
        try {
            return signed + parsed.checkIgnoringClock();
        } catch (MalformedCertificate e) {
            return signed + e.getMessage();
        }
    }
}
