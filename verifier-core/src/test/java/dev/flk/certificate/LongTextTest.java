// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonToken;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Long bodies are read bit by bit, and it makes no difference: whole ones, and ones that are damaged anywhere, say the same as in one piece. */
final class LongTextTest {
    private static final int LONG_CHARS = 100_000;
    private static final int DAMAGES = 30;
    private static final String[] STRINGS = {
        "",
        "plain",
        "\\\"",
        "\\\\",
        "\\n",
        "\\u00e9",
        "\\ud83d\\ude00",
        "a much longer string, so that some are cut ",
        "\\ud83d",
        "\\x"
    };
    private static final String[] NUMBERS = {
        "0", "-1", "3.25", "1e400", "123456789012345678901234567890", "-0.0e-7", "01"
    };

    private final Random random = new Random();

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void longText_isReadLikeOneInOnePiece(long seed) {
        random.setSeed(seed);
        // the last ones of each are no JSON
        String text = object(STRINGS.length - 2, NUMBERS.length - 1);
        assertThat(text).hasSizeGreaterThan(LONG_CHARS);
        String said = said(text);
        assertThat(said).endsWith("end");
        for (int i = 0; i < DAMAGES; i++) {
            said(damaged(text));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void longText_withMistakes_isRefusedInTheSameWords(long seed) {
        random.setSeed(seed);
        String said = said(object(STRINGS.length, NUMBERS.length));
        assertThat(said).contains("malformed JSON: ");
    }

    private String damaged(String text) {
        StringBuilder damaged = new StringBuilder(text);
        int place = random.nextInt(text.length());
        switch (random.nextInt(3)) {
            case 0 -> damaged.setCharAt(place, (char) random.nextInt(128));
            case 1 -> damaged.deleteCharAt(place);
            default -> damaged.setLength(Math.max(place, LONG_CHARS));
        }
        return damaged.toString();
    }

    /** What both say. */
    private static String said(String text) {
        String inOnePiece = tokens(JsonText.of(text));
        String bitByBit;
        try {
            bitByBit = tokens(JsonText.of(text.getBytes(StandardCharsets.US_ASCII)));
        } catch (MalformedCertificate e) {
            throw new AssertionError(e);
        }
        assertThat(bitByBit.equals(inOnePiece))
                .as("said the same: %s", tail(bitByBit) + " / " + tail(inOnePiece))
                .isTrue();
        return bitByBit;
    }

    private static String tail(String text) {
        return text.substring(Math.max(0, text.length() - 200));
    }

    private static String tokens(JsonText in) {
        StringBuilder told = new StringBuilder();
        try (in) {
            int depth = 0;
            do {
                JsonToken token = in.next();
                depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
                told.append(token).append(' ').append(in.text()).append('\n');
            } while (depth > 0);
            in.end();
            return told.append("end").toString();
        } catch (MalformedCertificate e) {
            return told.append(e.getMessage()).toString();
        }
    }

    private String object(int strings, int numbers) {
        StringBuilder text = new StringBuilder("{");
        for (int member = 0; text.length() <= LONG_CHARS; member++) {
            text.append(member == 0 ? "" : ",")
                    .append(" ".repeat(random.nextInt(5)))
                    .append(random.nextInt(50) == 0 ? "\n" : "")
                    .append('"')
                    .append(member)
                    .append("\":");
            value(text, strings, numbers, 3);
        }
        return text.append("} ").toString();
    }

    private void value(StringBuilder text, int strings, int numbers, int depth) {
        switch (random.nextInt(depth > 0 ? 5 : 4)) {
            case 0 -> text.append(new String[] {"true", "false", "null"}[random.nextInt(3)]);
            case 1 -> text.append(NUMBERS[random.nextInt(numbers)]);
            case 2, 3 -> {
                text.append('"');
                for (int parts = random.nextInt(8); parts > 0; parts--) {
                    text.append(STRINGS[random.nextInt(strings)]);
                }
                text.append('"');
            }
            default -> {
                text.append('[');
                for (int elements = random.nextInt(20), i = 0; i < elements; i++) {
                    text.append(i == 0 ? "" : ", ");
                    value(text, strings, numbers, depth - 1);
                }
                text.append(']');
            }
        }
    }
}
