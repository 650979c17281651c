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
 * Takes secrets out of texts: as they are written in the configuration, as JSON, URLs and base64 have them, and, of one that is base64
 * itself, what it stands for in hex. Safe for several threads.
 */
public final class Scrubber {
    private static final String INSTEAD = "***";

    /** The longest first, so that none is left in part because a shorter one is its beginning. */
    private final List<String> forms;

    /** @param secrets that are known; empty ones are passed over */
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
            // it is no base64, and so stands for itself
        }
    }

    /** The text of a login by Basic Auth, which is a secret as its password is. */
    public static String basicLogin(String user, String password) {
        return Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
    }

    /** A copy without them, whatever its bytes mean. */
    byte[] scrubbed(byte[] content) {
        String text = new String(content, StandardCharsets.ISO_8859_1);
        for (String form : forms) {
            text = text.replace(form, INSTEAD);
        }
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    /** How many bytes the longest form has. */
    int longest() {
        return forms.stream().mapToInt(String::length).max().orElse(0);
    }

    /** A character for each byte of its UTF-8. */
    private static String asBytes(String text) {
        return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
    }
}
