// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.CsvRows.MalformedCsv;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The first bytes of a file, which show the encoding of a text, or a format that is no text. */
final class FileSignature {
    private static final int MOST_BYTES = 10;

    /** The byte order marks in hexadecimal. */
    private static final Map<Pattern, Charset> MARKS = Map.of(
            Pattern.compile("0000feff|fffe0000"),
            Charset.forName("UTF-32"),
            Pattern.compile("feff|fffe(?!0000)"),
            StandardCharsets.UTF_16);

    /** The first bytes of formats that are not read, in hexadecimal, with what to do about them. */
    private static final Map<Pattern, String> OTHERS = Map.of(
            Pattern.compile("425a683.314159265359"),
            "compressed with bzip2, which is not read: use bzip2 -dc FILE | flk-agent certify -",
            Pattern.compile("fd377a585a00"),
            "compressed with xz, which is not read: use xz -dc FILE | flk-agent certify -",
            Pattern.compile("28b52ffd"),
            "compressed with zstd, which is not read: use zstd -dc FILE | flk-agent certify -",
            Pattern.compile("504b0304"),
            "a zip archive or an Excel workbook, which is not read: unpack it, or save the sheet as CSV",
            Pattern.compile("377abcaf271c"),
            "a 7z archive, which is not read: unpack it",
            Pattern.compile("d0cf11e0a1b11ae1"),
            "an Excel workbook, which is not read: save the sheet as CSV");

    private FileSignature() {}

    /**
     * Returns the encoding that a byte order mark shows; empty if the text has no mark, or that of UTF-8. Consumes
     * nothing, and waits only for bytes that may belong to a signature; the stream must support marks.
     *
     * @throws MalformedCsv if the file is no text
     */
    static Optional<Charset> charset(InputStream stream) throws IOException, MalformedCsv {
        StringBuilder hex = new StringBuilder();
        stream.mark(MOST_BYTES);
        for (int i = 0; i < MOST_BYTES && mayBeSignature(hex); i++) {
            int next = stream.read();
            if (next < 0) {
                break;
            }
            hex.append(HexFormat.of().toHexDigits((byte) next));
        }
        stream.reset();
        Optional<String> other = find(OTHERS, hex);
        if (other.isPresent()) {
            throw new MalformedCsv("the file is " + other.get());
        }
        return find(MARKS, hex);
    }

    private static boolean mayBeSignature(CharSequence hex) {
        return MARKS.keySet().stream().anyMatch(each -> needsMore(each, hex))
                || OTHERS.keySet().stream().anyMatch(each -> needsMore(each, hex));
    }

    private static boolean needsMore(Pattern signature, CharSequence hex) {
        Matcher matcher = signature.matcher(hex);
        matcher.lookingAt();
        return matcher.hitEnd();
    }

    private static <T> Optional<T> find(Map<Pattern, T> all, CharSequence hex) {
        return all.entrySet().stream()
                .filter(each -> each.getKey().matcher(hex).lookingAt())
                .map(Map.Entry::getValue)
                .findAny();
    }
}
