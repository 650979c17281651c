// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.decide.Review;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Recomputed;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The kinds of outcomes by which rows are found: numbers that combine a verdict with the recomputed regime, and with
 * whether the row waits for a review. They are stored, so they never change.
 */
public final class RowKind {
    /** The bit that is set in the kind of a row that waits for a review. */
    public static final int WAITS = 16;

    private static final int NO_REGIME = 3;

    /** The kinds of outcomes that may have a {@link OutcomeRows.Shape}. */
    public static final List<Integer> SHAPED = all(null, null).stream()
            .filter(kind -> verdict(kind) != Verdict.Kind.REJECTED && regime(kind) != null)
            .toList();

    private RowKind() {}

    /** Returns the kind of an outcome that does not wait for a review. */
    public static int of(RecordedOutcome outcome) {
        Recomputed recomputed = outcome.verdict().recomputed();
        return code(outcome.verdict().kind()) << 2 | (recomputed == null ? NO_REGIME : code(recomputed.regime()));
    }

    /** Returns the kind of a row with this outcome and this newest review; null stands for none. */
    public static int of(RecordedOutcome outcome, @Nullable Review newest) {
        boolean isSettled =
                outcome.verdict().kind() == Verdict.Kind.ACCEPTED || (newest != null && !newest.isWithdrawal());
        return isSettled ? of(outcome) : of(outcome) | WAITS;
    }

    private static int code(Verdict.Kind verdict) {
        return switch (verdict) {
            case ACCEPTED -> 0;
            case ESCALATED -> 1;
            case REJECTED -> 2;
        };
    }

    private static int code(Regime regime) {
        return switch (regime) {
            case STICKY -> 0;
            case MIXED -> 1;
            case NON_STICKY -> 2;
        };
    }

    /**
     * Returns the verdict of a kind.
     *
     * @throws IndexOutOfBoundsException if this version does not know the kind
     */
    public static Verdict.Kind verdict(int kind) {
        return List.of(Verdict.Kind.ACCEPTED, Verdict.Kind.ESCALATED, Verdict.Kind.REJECTED)
                .get((kind & ~WAITS) >> 2);
    }

    /** Returns the regime of a kind; null for outcomes whose D̂ could not be recomputed. */
    public static @Nullable Regime regime(int kind) {
        int code = kind & NO_REGIME;
        return code == NO_REGIME
                ? null
                : List.of(Regime.STICKY, Regime.MIXED, Regime.NON_STICKY).get(code);
    }

    /** Returns all kinds that combine this verdict with this regime; null stands for any. */
    public static List<Integer> all(Verdict.@Nullable Kind verdict, @Nullable Regime regime) {
        int some = Verdict.Kind.values().length << 2;
        return IntStream.concat(IntStream.range(0, some), IntStream.range(WAITS, WAITS + some))
                .filter(kind -> kind < WAITS || verdict(kind) != Verdict.Kind.ACCEPTED)
                .filter(kind -> verdict == null || verdict(kind) == verdict)
                .filter(kind -> regime == null || regime(kind) == regime)
                .boxed()
                .toList();
    }

    /** Returns whether rows of a kind wait for a review. */
    public static boolean waits(int kind) {
        return (kind & WAITS) != 0;
    }
}
