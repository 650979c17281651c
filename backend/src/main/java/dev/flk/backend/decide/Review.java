// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A person's decision about a certificate that was escalated or rejected, or that it is taken back.
 *
 * @param version its number among the reviews of the certificate, from 1; 0 before it is numbered
 * @param note a remark; may be empty
 * @param author the name of the person, or of the login
 * @param at the time of the decision, in ISO 8601
 */
public record Review(long version, Verdict verdict, String note, String author, String at) {
    /** The maximum length of a note, in characters. */
    public static final int MAX_NOTE = 1_000;

    /** The maximum length of the name of an author, in characters. */
    public static final int MAX_AUTHOR = 100;

    /** The decisions. */
    public enum Verdict {
        /** The certificate shows something that was expected. */
        EXPECTED,
        /** The certificate shows a fault. */
        FAULT,
        /** The certificate does not matter. */
        IGNORE,
        /** The person has looked at the certificate and can't say. */
        UNCLEAR,
        /** The review is taken back: the certificate waits for a review again. */
        WITHDRAWN;

        /**
         * Returns the decision with a name in lower case.
         *
         * @throws IllegalArgumentException if there is no such decision; the message completes a sentence that begins
         *     with "verdict is"
         */
        @JsonCreator
        public static Verdict parse(String name) {
            return Stream.of(values())
                    .filter(each -> each.text().equals(name))
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException("not one of "
                            + Stream.of(values()).map(Verdict::text).collect(Collectors.joining(", "))));
        }

        /** Returns the name of this decision in lower case. */
        @JsonValue
        public String text() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** @throws IllegalArgumentException if a text is too long; the message is a sentence */
    public Review {
        requireLength("note", note, MAX_NOTE);
        requireLength("author", author, MAX_AUTHOR);
    }

    private static void requireLength(String name, String text, int most) {
        if (text.length() > most) {
            throw new IllegalArgumentException(name + " has " + text.length() + " characters; write at most " + most);
        }
    }

    /** Returns this review with a number. */
    public Review numbered(long number) {
        return new Review(number, verdict, note, author, at);
    }

    /** Returns whether the certificate waits for a review again. */
    @JsonIgnore
    public boolean isWithdrawal() {
        return verdict == Verdict.WITHDRAWN;
    }
}
