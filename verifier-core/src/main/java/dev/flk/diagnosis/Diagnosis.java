// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The result of examining a signature.
 *
 * @param keyId the id of the key that made the signature; null if the key is not known
 * @param keyName the name of a key from elsewhere; null if the key belongs to the check or to the keys file, or is not
 *     known
 * @param differences if the signature is explained, all mistakes of the signer; otherwise the possible causes that
 *     remain
 * @param shouldBeSigned the canonical form; null if the signature is good, not checked or missing
 * @param wasSigned the text that was signed, which may be the canonical form; null if the signature is not explained
 * @param hint an additional remark, or null
 */
public record Diagnosis(
        Verdict verdict,
        @Nullable String keyId,
        @Nullable String keyName,
        List<Difference> differences,
        @Nullable String shouldBeSigned,
        @Nullable String wasSigned,
        @Nullable String hint) {
    /** The maximum number of bytes of a signed text that {@link #text} shows; the record holds the complete text. */
    private static final int MAX_SHOWN_BYTES = 2_048;

    /** The kind of result. */
    public enum Verdict {
        /** The signature verifies. */
        GOOD("signature good"),
        /** No key is configured, and none is required. */
        NOT_CHECKED("signature not checked: no key is configured"),
        /** There is no signature. */
        MISSING("signature missing"),
        /** The text of {@code sig} can't be a signature of any kind. */
        UNREADABLE("signature bad: sig is not a signature"),
        /** The mistakes of the signer were found. */
        EXPLAINED("signature bad, and the mistake was found"),
        /** The signature is as long as the signatures of an algorithm for which there is no key. */
        OTHER_ALGORITHM("signature bad: it was made with another algorithm"),
        /**
         * No known mistake explains the signature: either another key made it, or the certificate was changed after
         * signing.
         */
        UNEXPLAINED("signature bad: probably made with another key");

        private final String heading;

        Verdict(String heading) {
            this.heading = heading;
        }
    }

    /**
     * One mistake of a signer.
     *
     * @param cause one lower-case word: algorithm, key, rounding, serialisation or spelling
     * @param what a sentence that says what the signer did
     * @param advice a sentence that says what to do instead
     */
    public record Difference(String cause, String what, String advice) {}

    public Diagnosis {
        differences = List.copyOf(differences);
    }

    static Diagnosis of(Verdict verdict, @Nullable String keyId) {
        return new Diagnosis(verdict, keyId, null, List.of(), null, null, null);
    }

    static Diagnosis failed(Verdict verdict, byte[] canonical, @Nullable Difference difference, @Nullable String hint) {
        return new Diagnosis(
                verdict,
                null,
                null,
                difference == null ? List.of() : List.of(difference),
                new String(canonical, StandardCharsets.UTF_8),
                null,
                hint);
    }

    /** Returns whether a backend with the same keys accepts the signature. */
    public boolean isAccepted() {
        return verdict == Verdict.GOOD || verdict == Verdict.NOT_CHECKED;
    }

    /**
     * Returns the result for people, in lines that are not wrapped yet. A tab separates a label from its text. A text
     * that was or should be signed has no-break spaces in place of spaces, because the line must not be broken at these
     * spaces.
     */
    public String text() {
        String heading = verdict.heading + (verdict == Verdict.GOOD ? ", key " + keyId : "") + "\n";
        return switch (verdict) {
            case GOOD, NOT_CHECKED -> heading;
            case MISSING ->
                heading
                        + "\nsig is missing, empty or not a string. 'flk-agent sign' signs a certificate; the agent"
                        + " signs every certificate that it sends.\n";
            case UNREADABLE -> heading + "\n" + hint + "\n";
            case EXPLAINED ->
                heading + "\n" + causes() + "\n" + comparison() + "\nkey " + keyId
                        + (keyName == null ? "" : " of " + keyName) + "\n";
            case OTHER_ALGORITHM -> heading + "\n" + causes();
            case UNEXPLAINED ->
                heading + "\n" + (hint == null ? "" : hint + "\n") + causes() + "\n"
                        + shown("should have been signed", String.valueOf(shouldBeSigned));
        };
    }

    private String causes() {
        return differences.stream()
                .map(difference -> difference.cause() + "\t" + difference.what() + "\n\t" + difference.advice() + "\n")
                .collect(Collectors.joining());
    }

    private String comparison() {
        String canonical = String.valueOf(shouldBeSigned);
        String signed = String.valueOf(wasSigned);
        String expected = shown("should have been signed", canonical);
        if (signed.equals(canonical)) {
            return expected + "was signed: the same text\n";
        }
        int at = Arrays.mismatch(canonical.getBytes(StandardCharsets.UTF_8), signed.getBytes(StandardCharsets.UTF_8));
        return expected + shown("was signed", signed) + "the first difference is at byte " + at + "\n";
    }

    private static String shown(String heading, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int end = Math.min(bytes.length, MAX_SHOWN_BYTES);
        String start = new String(bytes, 0, end, StandardCharsets.UTF_8);
        return heading + ", " + bytes.length + " bytes:\n    "
                + start.replace("\n", "\\n").replace(' ', '\u00a0') + "\n"
                + (end < bytes.length ? "    … and " + (bytes.length - end) + " more bytes\n" : "");
    }
}
