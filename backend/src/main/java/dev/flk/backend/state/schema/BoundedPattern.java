// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import com.networknt.schema.regex.RegularExpression;
import dev.flk.state.StateException.Reason;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression of Java whose matching counts as steps, in proportion to the characters that it reads. Some
 * expressions also do a lot of work between two characters, such as {@code (|)(|)(|)} and {@code (){1000000000}}; that
 * work is limited when the expression is compiled, and multiplies the steps of each character.
 */
final class BoundedPattern implements RegularExpression {
    /** The maximum number of ways to go through a pattern, or a part of it, without reading a character. */
    private static final long MOST_WAYS = 1_000;

    private static final int CHARS_A_STEP = 64;

    private final Pattern pattern;
    private final long stepsOfAChar;

    /** @throws Metered.Stopped INVALID if the text is not an expression, or is not accepted */
    BoundedPattern(String text) {
        Metered.current().takeForConstruction(text.length());
        try {
            this.pattern = Pattern.compile(text);
        } catch (PatternSyntaxException e) {
            throw refused(text, "is not a regular expression: " + e.getDescription());
        }
        Ways ways = new Ways(text);
        this.stepsOfAChar = ways.count() * (1 + text.length() / CHARS_A_STEP);
    }

    private static Metered.Stopped refused(String text, String why) {
        return new Metered.Stopped(Reason.INVALID.because("'" + text + "' " + why));
    }

    @Override
    public boolean matches(String value) {
        Metered metered = Metered.current();
        // a search tries each place of the text, even if it reads no character there
        metered.take(1 + value.length() / CHARS_A_STEP + (stepsOfAChar - 1) * (1 + value.length()));
        return pattern.matcher(new Counted(value, metered, stepsOfAChar)).find();
    }

    /** A text of which each read counts. */
    private record Counted(CharSequence text, Metered metered, long stepsOfAChar) implements CharSequence {
        @Override
        public char charAt(int index) {
            metered.take(stepsOfAChar);
            return text.charAt(index);
        }

        @Override
        public int length() {
            return text.length();
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return new Counted(text.subSequence(start, end), metered, stepsOfAChar);
        }

        @Override
        public String toString() {
            return text.toString();
        }
    }

    /**
     * An upper limit of the number of ways to go through a pattern without reading a character. It is 1 for a pattern
     * in which no optional part can match the empty text anyway. The text must be a valid pattern.
     */
    private static final class Ways {
        private final String original;
        private final String text;
        private int at;
        private int lookbehinds;
        private long ways = 1;

        Ways(String original) {
            this.original = original;
            this.text = unquoted(original);
            boolean unused = alternatives();
        }

        long count() {
            return ways;
        }

        private void multiply(long by) {
            ways *= Math.min(Math.max(1, by), MOST_WAYS + 1);
            if (ways > MOST_WAYS) {
                throw refused(
                        original,
                        "is too expensive a regular expression: optional or repeated parts of it can match the empty text,"
                                + " or a lookbehind is too long; simplify it");
            }
        }

        /** Replaces the parts between {@code \Q} and {@code \E}, as {@link Pattern} does. */
        private static String unquoted(String quoted) {
            StringBuilder plain = new StringBuilder();
            int i = 0;
            while (i < quoted.length()) {
                if (quoted.startsWith("\\Q", i)) {
                    int end = quoted.indexOf("\\E", i + 2);
                    plain.append("q".repeat((end < 0 ? quoted.length() : end) - i - 2));
                    i = end < 0 ? quoted.length() : end + 2;
                } else {
                    int end = Math.min(quoted.length(), i + (quoted.charAt(i) == '\\' ? 2 : 1));
                    plain.append(quoted, i, end);
                    i = end;
                }
            }
            return plain.toString();
        }

        private boolean isNext(String expected) {
            return text.startsWith(expected, at);
        }

        private boolean skip(String expected) {
            boolean isNext = isNext(expected);
            at += isNext ? expected.length() : 0;
            return isNext;
        }

        private void skipTo(char end) {
            int found = text.indexOf(end, at);
            at = found < 0 ? text.length() : found + 1;
        }

        /** Reads alternatives; returns whether one of them can match the empty text. */
        private boolean alternatives() {
            int empty = 0;
            do {
                empty += sequence() ? 1 : 0;
            } while (skip("|"));
            multiply(empty);
            return empty > 0;
        }

        private boolean sequence() {
            boolean isEmpty = true;
            while (at < text.length() && !isNext("|") && !isNext(")")) {
                boolean canBeEmpty = atom();
                while (at < text.length() && isQuantifier()) {
                    canBeEmpty = quantified(canBeEmpty);
                }
                isEmpty &= canBeEmpty;
            }
            return isEmpty;
        }

        private boolean isQuantifier() {
            return "*+?".indexOf(text.charAt(at)) >= 0
                    || (isNext("{") && at + 1 < text.length() && Character.isDigit(text.charAt(at + 1)));
        }

        /** Reads a quantifier; returns whether the quantified part can match the empty text. */
        private boolean quantified(boolean canBeEmpty) {
            long least = isNext("+") ? 1 : 0;
            long most = isNext("?") ? 1 : Integer.MAX_VALUE;
            if (skip("{")) {
                int end = text.indexOf('}', at);
                String[] limits = text.substring(at, end).split(",", -1);
                least = Long.parseLong(limits[0].trim());
                most = limits.length == 1 ? least : limits[1].isBlank() ? most : Long.parseLong(limits[1].trim());
                at = end + 1;
            } else {
                at++;
            }
            if (!skip("?")) {
                boolean unused = skip("+");
            }
            if (canBeEmpty) {
                multiply(least == 0 ? 2 : least);
            }
            if (lookbehinds > 0) {
                multiply(most); // a lookbehind tries all lengths
            }
            return canBeEmpty || least == 0;
        }

        private boolean atom() {
            char c = text.charAt(at++);
            return switch (c) {
                case '(' -> group();
                case '[' -> {
                    characterClass();
                    yield false;
                }
                case '\\' -> escape();
                default -> c == '^' || c == '$';
            };
        }

        private boolean group() {
            boolean isLookbehind = isNext("?<=") || isNext("?<!");
            boolean isLook = isLookbehind || isNext("?=") || isNext("?!");
            if (isLookbehind) {
                at += 3;
            } else if (skip("?<")) {
                skipTo('>');
            } else if (skip("?")) {
                int begin = at;
                while (Character.isLetter(text.charAt(at)) || isNext("-")) {
                    at++;
                }
                if (text.substring(begin, at).split("-", -1)[0].contains("x")) {
                    throw refused(original, "has the flag x, which schemas don't support");
                }
                boolean isFlagsOnly = isNext(")");
                at++;
                if (isFlagsOnly) {
                    return true;
                }
            }
            lookbehinds += isLookbehind ? 1 : 0;
            boolean canBeEmpty = alternatives();
            lookbehinds -= isLookbehind ? 1 : 0;
            at++;
            return canBeEmpty || isLook;
        }

        private void characterClass() {
            boolean unused = skip("^");
            boolean isFirst = true;
            while (isFirst || !isNext("]")) {
                isFirst = false;
                char c = text.charAt(at++);
                if (c == '[') {
                    characterClass();
                } else if (c == '\\') {
                    boolean unusedToo = escape();
                }
            }
            at++;
        }

        /** Reads an escape; returns whether it matches the empty text. */
        private boolean escape() {
            char c = text.charAt(at++);
            switch (c) {
                case 'b' -> {
                    boolean unused = skip("{g}");
                }
                case 'c' -> at++;
                case 'k' -> skipTo('>');
                case 'p', 'P', 'x', 'N' -> {
                    if (isNext("{")) {
                        skipTo('}');
                    }
                }
                default -> {}
            }
            return "bBAGzZk123456789".indexOf(c) >= 0;
        }
    }
}
