// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.signing.KeyUse.Scheme;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/** What a signature's text may stand for. */
record SignatureReading(Spelling spelling, byte[] bytes) {

    /** How the bytes are written; the first is the one that verifies. */
    enum Spelling {
        BASE64(""),
        LOOSE_BASE64("The signature has white space in it, or lacks the = at its end."),
        URL_BASE64("The signature is in the alphabet for URLs, with - and _."),
        HEX("The signature is in hex."),
        BASE64_OF_HEX("The signature is the base64 of hex digits instead of bytes.");

        private final String what;

        Spelling(String what) {
            this.what = what;
        }

        String what() {
            return what;
        }
    }

    static String advice() {
        return "Write the bytes in base64: the standard alphabet with + and /, padded with =, no white space.";
    }

    /** All readings that have the length of any signature, the proper one first. */
    static List<SignatureReading> of(String sig) {
        List<SignatureReading> readings = new ArrayList<>();
        for (Spelling spelling : Spelling.values()) {
            read(sig, spelling)
                    .filter(bytes ->
                            Arrays.stream(Scheme.values()).anyMatch(scheme -> scheme.signatureBytes() == bytes.length))
                    .filter(bytes -> readings.stream().noneMatch(known -> Arrays.equals(known.bytes, bytes)))
                    .ifPresent(bytes -> readings.add(new SignatureReading(spelling, bytes)));
        }
        return readings;
    }

    /** How many bytes it stands for, if it is base64 of some kind. */
    static Optional<Integer> base64Length(String sig) {
        return read(sig, Spelling.LOOSE_BASE64)
                .or(() -> read(sig, Spelling.URL_BASE64))
                .map(bytes -> bytes.length);
    }

    private static Optional<byte[]> read(String sig, Spelling spelling) {
        try {
            return switch (spelling) {
                case BASE64 -> base64(sig).filter(bytes -> encoded(bytes).equals(sig));
                case LOOSE_BASE64 -> base64(sig.replaceAll("\\s", ""));
                case URL_BASE64 ->
                    base64(sig.replaceAll("\\s", "").replace('-', '+').replace('_', '/'));
                case HEX -> Optional.of(HexFormat.of().parseHex(sig.strip()));
                case BASE64_OF_HEX ->
                    base64(sig)
                            .map(hex -> HexFormat.of().parseHex(new String(hex, StandardCharsets.ISO_8859_1).strip()));
            };
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private static Optional<byte[]> base64(String text) {
        return Optional.of(Base64.getDecoder().decode(text));
    }

    private static String encoded(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }
}
