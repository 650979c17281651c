// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Collection;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Removes secrets from texts. A secret is removed as it is configured, and as JSON, URLs and base64 encode it. If the
 * secret is itself base64, its content is also removed in hexadecimal and in the variants of base64. Safe for several
 * threads.
 */
public final class Scrubber {
    private static final String INSTEAD = "***";

    /**
     * All forms, longest first: if a shorter form that begins a longer one were removed first, the rest of the longer
     * one would remain.
     */
    private final List<String> forms;

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
        forms = all.stream().map(Scrubber::asBytes).toList();
    }

    private static void addForms(Set<String> forms, String secret) {
        forms.add(secret);
        forms.add(secret.replace("\\", "\\\\").replace("\"", "\\\""));
        forms.add(URLEncoder.encode(secret, StandardCharsets.UTF_8));
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
            // it is not base64
        }
    }

    /** Returns the credentials of Basic Auth in base64, which are as secret as the password. */
    public static String basicLogin(String user, String password) {
        return Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
    }

    /** Returns a copy without secrets. The content need not be text; its other bytes are unchanged. */
    byte[] scrubbed(byte[] content) {
        String text = new String(content, StandardCharsets.ISO_8859_1);
        for (String form : forms) {
            text = text.replace(form, INSTEAD);
        }
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    /** Returns the length of the longest form in bytes. */
    int longest() {
        return forms.stream().mapToInt(String::length).max().orElse(0);
    }

    /** Returns a string with one character for each byte of the text in UTF-8. */
    private static String asBytes(String text) {
        return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
    }
}
