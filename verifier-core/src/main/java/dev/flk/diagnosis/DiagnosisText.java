// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.diagnosis.Diagnosis.Tried;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/** A diagnosis for people: what is wrong, what was signed beside what should have been, what to do. */
public final class DiagnosisText {
    private static final int INDENT = 4;
    private static final int LABEL_COLUMNS = 15;

    /** Of a text that is shown; the JSON has all of it. */
    private static final int MAX_SHOWN_BYTES = 2_048;

    private DiagnosisText() {}

    /** Lines of at most 80 columns, each with its end. */
    public static String of(Diagnosis diagnosis) {
        return diagnosis.match(new Diagnosis.Cases<>() {
            @Override
            public String good(Diagnosis.Good good) {
                return "signature good, key " + good.key() + "\n";
            }

            @Override
            public String notChecked(Diagnosis.NotChecked notChecked) {
                return "signature not checked: no key is configured\n";
            }

            @Override
            public String missing(Diagnosis.Missing missing) {
                return "signature missing\n\n"
                        + Paragraph.wrapped(
                                "",
                                0,
                                "There is no sig, or it is no string, or it is empty. 'flk-agent sign' signs a"
                                        + " certificate; the agent signs whatever it sends.");
            }

            @Override
            public String unreadable(Diagnosis.Unreadable unreadable) {
                return "signature bad: that is no signature\n\n"
                        + Paragraph.wrapped("", 0, "As for sig, " + unreadable.why() + ".")
                        + Paragraph.wrapped("", 0, SignatureReading.advice());
            }

            @Override
            public String explained(Diagnosis.Explained explained) {
                return explain(explained);
            }

            @Override
            public String unexplained(Diagnosis.Unexplained unexplained) {
                return giveUp(unexplained);
            }
        });
    }

    private static String explain(Diagnosis.Explained explained) {
        StringBuilder out = new StringBuilder("signature bad, and it was found out why\n\n");
        for (Difference difference : explained.differences()) {
            String label = String.format(
                    Locale.ROOT, "%-" + LABEL_COLUMNS + "s", difference.cause().label());
            out.append(Paragraph.wrapped(label, LABEL_COLUMNS, difference.what()));
            out.append(Paragraph.wrapped(" ".repeat(LABEL_COLUMNS), LABEL_COLUMNS, difference.advice()));
        }
        out.append('\n').append(shown("should have been signed", explained.canonical()));
        boolean same = Arrays.equals(explained.signed(), explained.canonical());
        if (same) {
            out.append("was signed: the same text\n");
        } else {
            out.append(shown("was signed", explained.signed()));
            int at = Arrays.mismatch(explained.canonical(), explained.signed());
            out.append("the first difference is at byte ").append(at).append('\n');
        }
        out.append('\n');
        String key = explained.key().orElse("none");
        out.append(Paragraph.wrapped(
                "",
                0,
                "key " + key + (explained.keyName() == null ? "" : " of " + explained.keyName()) + ", found with "
                        + combinations(explained.tried())));
        return out.toString();
    }

    private static String giveUp(Diagnosis.Unexplained unexplained) {
        StringBuilder out = new StringBuilder("signature bad, and it was not found out why\n\n");
        if (!unexplained.hint().isEmpty()) {
            out.append(Paragraph.wrapped("", 0, unexplained.hint()));
        }
        out.append(Paragraph.wrapped(
                "",
                0,
                "It was made with a key that is not among those tried, or a signed field was changed after signing, or "
                        + "the text was written in yet another way. Name further keys, and compare the text that is "
                        + "signed with this one."));
        out.append('\n').append(shown("should have been signed", unexplained.canonical()));
        out.append('\n');
        out.append(Paragraph.wrapped(
                "",
                0,
                "Tried, in " + combinations(unexplained.tried())
                        + ": HMAC and Ed25519, over the text and over its hash; "
                        + "keys as they are configured and decoded, with and without a line end; reals rounded "
                        + "otherwise and not at all; other orders, spacings, escapes and spellings of numbers; "
                        + "the whole certificate."));
        if (!unexplained.tried().complete()) {
            out.append("Not everything was tried: that would have taken too long.\n");
        }
        return out.toString();
    }

    private static String combinations(Tried tried) {
        return tried.combinations() + (tried.combinations() == 1 ? " combination" : " combinations");
    }

    private static String shown(String heading, byte[] text) {
        int end = Math.min(text.length, MAX_SHOWN_BYTES);
        String rest = end < text.length ? "… and " + (text.length - end) + " bytes more" : "";
        return heading + ", " + text.length + " bytes:\n"
                + Paragraph.block(INDENT, new String(text, 0, end, StandardCharsets.UTF_8))
                + (rest.isEmpty() ? "" : Paragraph.block(INDENT, rest));
    }
}
