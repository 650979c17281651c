// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.canonical.CanonicalString;
import java.util.Locale;

/** How languages escape strings. */
enum StringForm {
    /** All outside {@code ' '..'~'} as an escape in lower case: the one that is signed. */
    ASCII(""),
    /** Only what JSON must escape. */
    UTF_8("Characters beyond ASCII were written as they are, in UTF-8 (ensure_ascii=False)."),
    /** The escapes of {@link #ASCII} with capital digits. */
    CAPITALS("Escapes were written with capital hex digits."),
    /** Like {@link #ASCII}, and slashes too. */
    PHP("Slashes were escaped, as PHP's json_encode does."),
    /** Like {@link #UTF_8}, and what HTML minds. */
    GO("<, > or & were escaped and other characters left in UTF-8, as Go's json.Marshal does."),
    /** Like {@link #CAPITALS}, and what HTML minds. */
    DOTNET("Characters that HTML minds were escaped, as C#'s System.Text.Json does.");

    private static final String HTML_IN_GO = "<>&\u2028\u2029";
    private static final String HTML_IN_DOTNET = "\"'<>&+`";

    private final String what;

    StringForm(String what) {
        this.what = what;
    }

    String what() {
        return what;
    }

    static String advice() {
        return "Escape every character outside ' ' to '~' as \\u and four lower-case hex digits, and beside those only "
                + "\" and \\: json.dumps with ensure_ascii, its default.";
    }

    void appendQuoted(StringBuilder out, String text) {
        if (this == ASCII) {
            CanonicalString.appendQuoted(out, text);
            return;
        }
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            append(out, text.charAt(i));
        }
        out.append('"');
    }

    private void append(StringBuilder out, char c) {
        if (this == PHP && c == '/') {
            out.append("\\/");
        } else if (isEscapedAsNumber(c)) {
            String hex = "%04x".formatted((int) c);
            boolean capitals = this == CAPITALS || this == DOTNET;
            out.append("\\u").append(capitals ? hex.toUpperCase(Locale.ROOT) : hex);
        } else if (c < ' ' || c == '"' || c == '\\') {
            CanonicalString.appendEscaped(out, c);
        } else {
            out.append(c);
        }
    }

    private boolean isEscapedAsNumber(char c) {
        boolean unnamedControl = c < ' ' && "\b\f\n\r\t".indexOf(c) < 0;
        return unnamedControl
                || switch (this) {
                    case UTF_8 -> false;
                    case ASCII, PHP, CAPITALS -> c > '~';
                    case GO -> HTML_IN_GO.indexOf(c) >= 0;
                    case DOTNET -> c > '~' || HTML_IN_DOTNET.indexOf(c) >= 0;
                };
    }
}
