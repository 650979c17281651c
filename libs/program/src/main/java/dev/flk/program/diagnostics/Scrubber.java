// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Removes secrets from texts. A secret is removed both as it is configured and in base64, even if some of its
 * characters are escaped as in JSON or URLs. If the secret is itself base64 of at least 16 bytes, these bytes are also
 * removed in hexadecimal and in the variants of base64: without padding, and with the alphabet for URLs. Safe for
 * several threads.
 */
public final class Scrubber {
    private static final String INSTEAD = "***";

    /** The short escapes of JSON, and the escape of a space in URLs. */
    private static final Map<String, String> SHORT_ESCAPES = Map.of(
            "\"", "\\\"",
            "\\", "\\\\",
            "/", "\\/",
            "\b", "\\b",
            "\f", "\\f",
            "\n", "\\n",
            "\r", "\\r",
            "\t", "\\t",
            " ", "+");

    /**
     * All forms of the secrets, longest first. If a form were removed before a longer form that begins with it, the
     * rest of the longer form would remain.
     */
    private final List<Form> forms;

    private final int longest;

    /** @param secrets the known secrets; empty ones are ignored */
    public Scrubber(Collection<String> secrets) {
        Set<String> all = new TreeSet<>(
                Comparator.comparingInt(String::length).reversed().thenComparing(Comparator.naturalOrder()));
        for (String secret : secrets) {
            if (!secret.isBlank()) {
                addForms(all, secret);
                addForms(all, secret.strip());
            }
        }
        forms = all.stream().map(Form::new).toList();
        longest = all.stream().mapToInt(Scrubber::longestSpelling).max().orElse(0);
    }

    private static void addForms(Set<String> forms, String secret) {
        forms.add(secret);
        forms.add(Base64.getEncoder().encodeToString(secret.getBytes(StandardCharsets.UTF_8)));
        try {
            byte[] decoded = Base64.getDecoder().decode(secret);
            if (decoded.length >= 16) {
                forms.add(HexFormat.of().formatHex(decoded));
                forms.add(HexFormat.of().withUpperCase().formatHex(decoded));
                forms.add(Base64.getUrlEncoder().encodeToString(decoded));
                forms.add(Base64.getUrlEncoder().withoutPadding().encodeToString(decoded));
                forms.add(Base64.getEncoder().withoutPadding().encodeToString(decoded));
            }
        } catch (IllegalArgumentException e) {
            // the secret is not base64
        }
    }

    /** Returns the credentials of Basic Auth in base64, which are as secret as the password. */
    public static String basicLogin(String user, String password) {
        return Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Returns a copy of {@code content} in which each secret is replaced. The content need not be text; other bytes are
     * unchanged.
     */
    byte[] scrubbed(byte[] content) {
        String text = new String(content, StandardCharsets.ISO_8859_1);
        for (Form form : forms) {
            text = form.removedFrom(text);
        }
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    /** Returns the length in bytes of the longest spelling of a secret. */
    int longest() {
        return longest;
    }

    private static int longestSpelling(String form) {
        return form.codePoints()
                .mapToObj(Character::toString)
                .mapToInt(c ->
                        Math.max(escapedInJson(c).length(), percentEncoded(c).length()))
                .sum();
    }

    /** A form of a secret, in which each character may be escaped or not. */
    private static final class Form {
        private final List<List<Spelling>> characters;
        private final boolean[] canBeginWith = new boolean[256];

        Form(String form) {
            characters = form.codePoints()
                    .mapToObj(Character::toString)
                    .map(Form::spellings)
                    .toList();
            characters.get(0).forEach(spelling -> canBeginWith[spelling.text().charAt(0)] = true);
        }

        private static List<Spelling> spellings(String c) {
            Stream<Spelling> always = Stream.of(
                    new Spelling(asBytes(c), false),
                    new Spelling(percentEncoded(c), true),
                    new Spelling(escapedInJson(c), true));
            Stream<Spelling> inShort = Stream.ofNullable(SHORT_ESCAPES.get(c)).map(text -> new Spelling(text, false));
            return Stream.concat(always, inShort).toList();
        }

        String removedFrom(String text) {
            StringBuilder without = new StringBuilder();
            int copied = 0;
            for (int i = 0; i < text.length(); i++) {
                int end = canBeginWith[text.charAt(i)] ? end(text, i) : -1;
                if (end >= 0) {
                    without.append(text, copied, i).append(INSTEAD);
                    copied = end;
                    i = end - 1;
                }
            }
            return copied == 0
                    ? text
                    : without.append(text, copied, text.length()).toString();
        }

        /** Returns where the form ends that begins at {@code start}; -1 if the text there is not this form. */
        private int end(String text, int start) {
            // a set, because a percent sign may also begin an escape
            Set<Integer> ends = Set.of(start);
            for (List<Spelling> character : characters) {
                Set<Integer> next = new TreeSet<>();
                for (int at : ends) {
                    for (Spelling spelling : character) {
                        if (spelling.isAt(text, at)) {
                            next.add(at + spelling.text().length());
                        }
                    }
                }
                if (next.isEmpty()) {
                    return -1;
                }
                ends = next;
            }
            return Collections.max(ends);
        }
    }

    /** One way to write a character, as one character for each byte. */
    private record Spelling(String text, boolean ignoresCase) {
        boolean isAt(String where, int at) {
            return where.regionMatches(ignoresCase, at, text, 0, text.length());
        }
    }

    private static String percentEncoded(String character) {
        return HexFormat.of().withPrefix("%").formatHex(character.getBytes(StandardCharsets.UTF_8));
    }

    private static String escapedInJson(String character) {
        return character.chars().mapToObj(unit -> "\\u%04x".formatted(unit)).collect(Collectors.joining());
    }

    /** Returns a string with one character for each byte of the text in UTF-8. */
    private static String asBytes(String text) {
        return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
    }
}
