// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Makes untrusted text safe for a log line or a terminal: the result can't end the line, move the cursor or reverse the
 * direction of the text.
 */
public final class Printable {
    private static final Pattern UNPRINTABLE = Pattern.compile("[[\\p{Cc}&&[^\t]]\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]");

    private Printable() {}

    /**
     * Escapes each unprintable character except line feeds, as {@code \\u202e}. In a string of JSON, the escape has the
     * same meaning.
     */
    public static String escaped(String text) {
        if (text.chars().allMatch(c -> (c >= ' ' && c <= '~') || c == '\n')) {
            return text; // nearly all texts, so this is fast
        }
        return UNPRINTABLE
                .matcher(text)
                .replaceAll(found -> found.group().equals("\n") ? "\n" : escapes(found.group()));
    }

    /** Escapes the unprintable characters in the strings of any JSON, which keeps its value. */
    public static String json(String json) {
        return escaped(json.replace('\r', ' ')); // outside strings, a carriage return is a space; inside, invalid
    }

    private static String escapes(String unprintable) {
        return unprintable.chars().mapToObj("\\\\u%04x"::formatted).collect(Collectors.joining());
    }

    /** Replaces each unprintable character with a question mark. */
    public static String of(String text) {
        return UNPRINTABLE.matcher(text).replaceAll("?");
    }
}
