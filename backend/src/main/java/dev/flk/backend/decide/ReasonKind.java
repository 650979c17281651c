// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Reason.Rule;
import java.util.stream.Stream;

/** The kinds of reasons why certificates are rejected or escalated, and what each means for a person who reviews one. */
public final class ReasonKind {
    private static final String UNKNOWN = "This version of the backend does not know this reason.";

    private ReasonKind() {}

    /**
     * Returns a sentence that says what a kind of reason means.
     *
     * @param kind the words of a reason before its numbers, such as {@code regime mismatch}
     */
    public static String meaning(String kind) {
        return Stream.of(Rule.values())
                .filter(rule -> kind(rule).equals(kind))
                .map(ReasonKind::meaning)
                .findFirst()
                .orElse(UNKNOWN);
    }

    /**
     * Returns the reason with a text.
     *
     * @throws IllegalArgumentException if this version does not know the kind of the reason
     */
    public static Reason reason(String text) {
        return Stream.of(Rule.values())
                .filter(rule -> text.startsWith(kind(rule) + ": "))
                .findFirst()
                .map(rule -> new Reason(rule, text))
                .orElseThrow(() -> new IllegalArgumentException("this version does not know the reason " + text));
    }

    /** Returns the words with which the reasons of a rule begin. */
    public static String kind(Rule rule) {
        return switch (rule) {
            case D_HAT_RECOMPUTATION -> "D_hat recomputation failed";
            case D_HAT_TOLERANCE -> "D_hat out of tolerance";
            case COH_STAR_BOUNDS -> "coh_star out of bounds";
            case R_BOUNDS -> "r out of bounds";
            case REGIME -> "regime mismatch";
            case BUDGET -> "budget deviation";
            case DEGRADED -> "degraded";
        };
    }

    private static String meaning(Rule rule) {
        return switch (rule) {
            case D_HAT_RECOMPUTATION ->
                "The box counts do not suffice to compute D̂: there are fewer than two scales, or a scale has no boxes.";
            case D_HAT_TOLERANCE ->
                "The claimed D̂ does not follow from the box counts: the producer used another estimator or other data.";
            case COH_STAR_BOUNDS -> "The claimed coh★ is below 0, or above 1 by more than the tolerance.";
            case R_BOUNDS -> "The claimed r is not between 0 and 1.";
            case REGIME -> "The claimed regime is not the one that follows from D̂ and coh★.";
            case BUDGET ->
                "The claimed budget does not follow from D̂, coh★ and r: the producer used other weights than this"
                        + " backend.";
            case DEGRADED ->
                "The producer itself doubts its measurement. single_point: all values of the window are equal, as of a"
                        + " sensor that is stuck. short_window: the window has too few values.";
        };
    }
}
