// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;

/**
 * A JSON value (RFC 8259) without the white space between its tokens. Everything else is preserved exactly: numbers,
 * escapes (including unpaired surrogates), and the order and repetition of members.
 */
public final class ValueText {
    private static final int MAX_NESTING = 128;
    private static final int MAX_NUMBER_CHARS = 1_000;
    private static final char END = '\0';

    private final String json;
    private final StringBuilder kept;
    /** The brackets that are not closed yet, outermost first: '[' or '{'. */
    private final StringBuilder open = new StringBuilder();

    private int at;

    private ValueText(String json) {
        this.json = json;
        this.kept = new StringBuilder(json.length());
    }

    /**
     * Returns the value without white space between its tokens.
     *
     * @throws StateException INVALID if {@code json} is not valid, is nested too deeply or has too long a number;
     *     VALUE_TOO_LARGE if {@code json}, with its white space, is longer than {@code maxBytes} in UTF-8
     */
    public static String compact(String json, int maxBytes) {
        // a char takes at most three bytes in UTF-8, so only a text of more than maxBytes / 3 chars must be measured
        if (json.length() > maxBytes / 3) {
            int bytes = StateKey.utf8(json).length;
            if (bytes > maxBytes) {
                throw Reason.VALUE_TOO_LARGE.because("the value is longer than " + maxBytes + " bytes: " + bytes);
            }
        }
        return new ValueText(json).compact();
    }

    private String compact() {
        value();
        while (!open.isEmpty()) {
            char c = peek();
            boolean isObject = open.charAt(open.length() - 1) == '{';
            if (c == (isObject ? '}' : ']')) {
                take();
                open.setLength(open.length() - 1);
            } else if (c == ',') {
                take();
                member(isObject);
            } else {
                throw expected(isObject ? "',' or '}'" : "',' or ']'");
            }
        }
        if (peek() != END || at < json.length()) {
            throw Reason.INVALID.because("unexpected text after the value, at character " + at);
        }
        return kept.length() == json.length() ? json : kept.toString();
    }

    /**
     * Skips white space and returns the next character, without reading past it. Returns {@link #END} at the end of the
     * text; a text that contains this character is not valid JSON.
     */
    private char peek() {
        while (at < json.length()) {
            char c = json.charAt(at);
            if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
                return c;
            }
            at++;
        }
        return END;
    }

    private void take() {
        kept.append(json.charAt(at));
        at++;
    }

    /**
     * Reads a scalar, or the beginning of an array or object up to and including its first scalar. If an empty array or
     * object comes first, stops before its closing bracket.
     */
    private void value() {
        char c = peek();
        while (c == '[' || c == '{') {
            if (open.length() == MAX_NESTING) {
                throw Reason.INVALID.because("the value is nested deeper than " + MAX_NESTING + " levels");
            }
            take();
            boolean isObject = c == '{';
            open.append(c);
            c = peek();
            if (c == (isObject ? '}' : ']')) {
                return; // the caller reads the closing bracket
            }
            if (isObject) {
                name();
                c = peek();
            }
        }
        scalar(c);
    }

    private void member(boolean isObject) {
        if (isObject) {
            name();
        }
        value();
    }

    private void name() {
        if (peek() != '"') {
            throw expected("a member's name");
        }
        string();
        if (peek() != ':') {
            throw expected("':'");
        }
        take();
    }

    private void scalar(char c) {
        if (c == '"') {
            string();
        } else if (c == '-' || isDigit(c)) {
            number();
        } else {
            String word = c == 't' ? "true" : c == 'f' ? "false" : c == 'n' ? "null" : null;
            if (word == null || !json.startsWith(word, at)) {
                throw expected("a value");
            }
            kept.append(word);
            at += word.length();
        }
    }

    private void string() {
        int from = at;
        at++;
        for (char c = next("'\"'"); c != '"'; c = next("'\"'")) {
            if (c < ' ') {
                at--;
                throw expected("an escape such as \\n instead of a control character");
            }
            if (c == '\\') {
                escape();
            } else if (Character.isSurrogate(c)) {
                if (at == json.length() || !Character.isSurrogatePair(c, json.charAt(at))) {
                    at--;
                    throw expected("a complete surrogate pair: half of one is not valid UTF-8; write it as an escape");
                }
                at++;
            }
        }
        kept.append(json, from, at);
    }

    private void escape() {
        char c = next("an escape");
        if (c != 'u') {
            if ("\"\\/bfnrt".indexOf(c) < 0) {
                at--;
                throw expected("an escape");
            }
            return;
        }
        for (int i = 0; i < 4; i++) {
            char digit = next("four hexadecimal digits");
            if (!isDigit(digit) && (digit < 'a' || digit > 'f') && (digit < 'A' || digit > 'F')) {
                at--;
                throw expected("four hexadecimal digits");
            }
        }
    }

    private void number() {
        int from = at;
        if (json.charAt(at) == '-') {
            at++;
        }
        if (at < json.length() && json.charAt(at) == '0') {
            at++;
        } else {
            digits();
        }
        if (at < json.length() && json.charAt(at) == '.') {
            at++;
            digits();
        }
        if (at < json.length() && (json.charAt(at) == 'e' || json.charAt(at) == 'E')) {
            at++;
            if (at < json.length() && (json.charAt(at) == '+' || json.charAt(at) == '-')) {
                at++;
            }
            digits();
        }
        if (at - from > MAX_NUMBER_CHARS) {
            throw Reason.INVALID.because(
                    "a number is longer than " + MAX_NUMBER_CHARS + " characters, at character " + from);
        }
        kept.append(json, from, at);
    }

    private void digits() {
        int from = at;
        while (at < json.length() && isDigit(json.charAt(at))) {
            at++;
        }
        if (at == from) {
            throw expected("a digit");
        }
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private char next(String what) {
        if (at == json.length()) {
            throw expected(what);
        }
        return json.charAt(at++);
    }

    private StateException expected(String what) {
        String found = at < json.length() ? "" : ", but the value ends there";
        return Reason.INVALID.because("the value is not valid JSON at character " + at + ": expected " + what + found);
    }
}
