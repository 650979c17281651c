// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What is wrong with a signature.
 *
 * @param keyId of the key that made it; null if none is known
 * @param keyName where that key comes from; null for a key that signatures are checked with
 * @param differences what the signer did wrong: all of it, if it is explained; else what is left, all else being excluded
 * @param shouldBeSigned the canonical form; null where there is no need to compare
 * @param wasSigned what was signed instead; null unless it is explained
 * @param hint what there is to say beside; null if nothing
 */
public record Diagnosis(
        Verdict verdict,
        @Nullable String keyId,
        @Nullable String keyName,
        List<Difference> differences,
        @Nullable String shouldBeSigned,
        @Nullable String wasSigned,
        @Nullable String hint) {
    private static final int INDENT = 4;
    private static final int LABEL_COLUMNS = 15;
    /** Of a text that is shown; a program gets all of it. */
    private static final int MAX_SHOWN_BYTES = 2_048;

    /** How it stands with a signature. */
    public enum Verdict {
        /** It verifies. */
        GOOD("signature good"),
        /** No key is configured, and none is asked for. */
        NOT_CHECKED("signature not checked: no key is configured"),
        /** There is none. */
        MISSING("signature missing"),
        /** It can't be a signature of any kind. */
        UNREADABLE("signature bad: that is no signature"),
        /** It was found out how it was made. */
        EXPLAINED("signature bad, and the mistake was found"),
        /** By its length, it was made with an algorithm that no key is for. */
        OTHER_ALGORITHM("signature bad: it was made with another algorithm"),
        /** No known mistake makes it: another key, or a change after signing, is what is left. */
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
     * @param what what was done, a sentence
     * @param advice what to do instead, a sentence
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

    /** Whether a backend with the same keys takes the signature. */
    public boolean isTaken() {
        return verdict == Verdict.GOOD || verdict == Verdict.NOT_CHECKED;
    }

    /** For people: lines of at most 80 columns, each with its end. */
    public String text() {
        String heading = verdict.heading + (verdict == Verdict.GOOD ? ", key " + keyId : "") + "\n";
        return switch (verdict) {
            case GOOD, NOT_CHECKED -> heading;
            case MISSING ->
                heading + "\n"
                        + Paragraph.wrapped(
                                "",
                                0,
                                "sig is missing, empty or no string. 'flk-agent sign' signs a certificate; the agent"
                                        + " signs whatever it sends.");
            case UNREADABLE -> heading + "\n" + Paragraph.wrapped("", 0, String.valueOf(hint));
            case EXPLAINED -> heading + "\n" + explanation();
            case OTHER_ALGORITHM -> heading + "\n" + causes();
            case UNEXPLAINED ->
                heading + "\n"
                        + (hint == null ? "" : Paragraph.wrapped("", 0, hint))
                        + causes()
                        + "\n" + shown("should have been signed", String.valueOf(shouldBeSigned));
        };
    }

    private String causes() {
        StringBuilder out = new StringBuilder();
        for (Difference difference : differences) {
            String label = String.format(Locale.ROOT, "%-" + LABEL_COLUMNS + "s", difference.cause());
            out.append(Paragraph.wrapped(label, LABEL_COLUMNS, difference.what()))
                    .append(Paragraph.wrapped(" ".repeat(LABEL_COLUMNS), LABEL_COLUMNS, difference.advice()));
        }
        return out.toString();
    }

    private String explanation() {
        StringBuilder out = new StringBuilder(causes());
        String canonical = String.valueOf(shouldBeSigned);
        String signed = String.valueOf(wasSigned);
        out.append('\n').append(shown("should have been signed", canonical));
        if (signed.equals(canonical)) {
            out.append("was signed: the same text\n");
        } else {
            int at = Arrays.mismatch(
                    canonical.getBytes(StandardCharsets.UTF_8), signed.getBytes(StandardCharsets.UTF_8));
            out.append(shown("was signed", signed))
                    .append("the first difference is at byte ")
                    .append(at)
                    .append('\n');
        }
        return out.append('\n')
                .append(Paragraph.wrapped("", 0, "key " + keyId + (keyName == null ? "" : " of " + keyName)))
                .toString();
    }

    private static String shown(String heading, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int end = Math.min(bytes.length, MAX_SHOWN_BYTES);
        String rest = end < bytes.length ? "… and " + (bytes.length - end) + " bytes more" : "";
        return heading + ", " + bytes.length + " bytes:\n"
                + Paragraph.block(INDENT, new String(bytes, 0, end, StandardCharsets.UTF_8))
                + (rest.isEmpty() ? "" : Paragraph.block(INDENT, rest));
    }
}
