// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.tls;

import dev.flk.backend.files.ConfiguredFile;
import dev.flk.backend.files.ConfiguredFile.Unusable;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What stands between two lines of a PEM file (RFC 7468); what stands outside of them is not looked at.
 *
 * @param label as in {@code -----BEGIN label-----}
 * @param text base64, and in old files of keys headers before it
 */
record PemBlock(String label, String text) {
    private static final int MAX_BYTES = 1 << 20;
    private static final Pattern FORM =
            Pattern.compile("-----BEGIN ([A-Z0-9 ]{1,64})-----\\s*(.*?)-----END \\1-----", Pattern.DOTALL);

    static List<PemBlock> read(Path file) throws Unusable {
        String text = new String(ConfiguredFile.bytes(file, MAX_BYTES), StandardCharsets.ISO_8859_1);
        List<PemBlock> blocks = new ArrayList<>();
        Matcher form = FORM.matcher(text);
        while (form.find()) {
            blocks.add(new PemBlock(form.group(1), form.group(2)));
        }
        if (blocks.isEmpty()) {
            throw new Unusable("is no PEM file: nothing in it stands between -----BEGIN and -----END");
        }
        return blocks;
    }

    /** What the base64 says. */
    byte[] content() throws Unusable {
        try {
            return Base64.getMimeDecoder().decode(text);
        } catch (IllegalArgumentException e) {
            throw new Unusable("has a " + label + " that is no base64");
        }
    }
}
