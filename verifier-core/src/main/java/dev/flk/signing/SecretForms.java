// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import dev.flk.signing.KeyUse.KeyForm;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;

/** The bytes that people make of a secret's text: the right ones, and those of each mistake that makes others. */
final class SecretForms {
    private SecretForms() {}

    /** Never empty keys, and no bytes twice. */
    static Map<KeyForm, byte[]> of(String secret) {
        Map<KeyForm, byte[]> forms = new EnumMap<>(KeyForm.class);
        add(forms, KeyForm.AS_CONFIGURED, utf8(secret));
        base64(secret).ifPresent(key -> add(forms, KeyForm.BASE64_DECODED, key));
        hex(secret).ifPresent(key -> add(forms, KeyForm.HEX_DECODED, key));
        add(forms, KeyForm.WITH_LINE_FEED, utf8(secret + "\n"));
        add(forms, KeyForm.WITH_CARRIAGE_RETURN_AND_LINE_FEED, utf8(secret + "\r\n"));
        add(forms, KeyForm.STRIPPED, utf8(secret.strip()));
        return forms;
    }

    private static void add(Map<KeyForm, byte[]> forms, KeyForm form, byte[] key) {
        if (key.length > 0 && forms.values().stream().noneMatch(known -> Arrays.equals(known, key))) {
            forms.put(form, key);
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** In either alphabet, padded or not. */
    private static Optional<byte[]> base64(String text) {
        try {
            return Optional.of(
                    Base64.getDecoder().decode(text.strip().replace('-', '+').replace('_', '/')));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private static Optional<byte[]> hex(String text) {
        try {
            return Optional.of(HexFormat.of().parseHex(text.strip()));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }
}
