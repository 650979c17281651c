// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

/**
 * JSON strings as CPython's {@code json.dumps} writes them: every character outside {@code ' '..'~'} is escaped, so the
 * text is always ASCII.
 */
public final class CanonicalString {
    private static final String HEX = "0123456789abcdef";

    private CanonicalString() {}

    /** Returns whether every surrogate in {@code text} belongs to a pair. */
    public static boolean isWellFormed(CharSequence text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isSurrogate(c)) {
                boolean pair = Character.isHighSurrogate(c)
                        && i + 1 < text.length()
                        && Character.isLowSurrogate(text.charAt(i + 1));
                if (!pair) {
                    return false;
                }
                i++;
            }
        }
        return true;
    }

    /** Returns {@code text} escaped and in quotes. */
    public static String quote(String text) {
        StringBuilder out = new StringBuilder(text.length() + 2);
        appendQuoted(out, text);
        return out.toString();
    }

    /** Returns {@code text} escaped, without quotes. The result is ASCII that is safe for a terminal or a log. */
    public static String escape(String text) {
        StringBuilder out = new StringBuilder(text.length());
        appendEscaped(out, text);
        return out.toString();
    }

    /** Appends {@code text} escaped and in quotes. */
    public static void appendQuoted(StringBuilder out, CharSequence text) {
        out.append('"');
        appendEscaped(out, text);
        out.append('"');
    }

    private static void appendEscaped(StringBuilder out, CharSequence text) {
        int plain = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c < ' ' || c > '~' || c == '"' || c == '\\') {
                out.append(text, plain, i);
                appendEscaped(out, c);
                plain = i + 1;
            }
        }
        if (plain == 0) {
            out.append(text);
        } else {
            out.append(text, plain, text.length());
        }
    }

    /**
     * Appends the escape of {@code c}: the two-character escape if JSON has one, otherwise {@code \}{@code uXXXX} in
     * lower case.
     */
    public static void appendEscaped(StringBuilder out, char c) {
        switch (c) {
            case '"' -> out.append("\\\"");
            case '\\' -> out.append("\\\\");
            case '\b' -> out.append("\\b");
            case '\f' -> out.append("\\f");
            case '\n' -> out.append("\\n");
            case '\r' -> out.append("\\r");
            case '\t' -> out.append("\\t");
            default -> {
                out.append("\\u");
                for (int shift = 12; shift >= 0; shift -= 4) {
                    out.append(HEX.charAt(c >> shift & 0xf));
                }
            }
        }
    }
}
