// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;

/**
 * What becomes of a real before it is spelled.
 *
 * @param decimals to how many; counts for nothing where nothing is rounded
 */
record Rounding(Way way, int decimals) {
    static final int PROPER_DECIMALS = 9;

    /** Doubles have no more digits that matter. */
    private static final int MOST_DECIMALS = 15;

    /** From here on a double has no ninth decimal that could be rounded. */
    private static final double NOTHING_TO_ROUND = 0x1p53;

    /** {@code round(x, 9)}: the one that is signed. */
    static final Rounding PROPER = new Rounding(Way.EXACT, PROPER_DECIMALS);

    static final Rounding NONE = new Rounding(Way.NONE, 0);

    enum Way {
        /** On the exact value of the double, ties to even, as Python and C do. */
        EXACT,
        /** Not at all. */
        NONE,
        /** On the digits that are printed, ties away from zero, as decimal types do: 0.1234567885 is such a tie. */
        PRINTED_HALF_UP,
        /** {@code Math.round(x * 1e9) / 1e9}, whose product is rounded itself. */
        SCALED,
        /** The digits beyond are cut off. */
        CUT
    }

    /** The proper one, then the others, the likelier ones first. */
    static List<Rounding> all() {
        List<Rounding> all = new ArrayList<>();
        all.add(PROPER);
        all.add(NONE);
        all.add(new Rounding(Way.SCALED, PROPER_DECIMALS));
        all.add(new Rounding(Way.PRINTED_HALF_UP, PROPER_DECIMALS));
        all.add(new Rounding(Way.CUT, PROPER_DECIMALS));
        for (int decimals = 0; decimals <= MOST_DECIMALS; decimals++) {
            if (decimals != PROPER_DECIMALS) {
                all.add(new Rounding(Way.EXACT, decimals));
            }
        }
        return List.copyOf(all);
    }

    double apply(double x) {
        if (way == Way.NONE || Math.abs(x) >= NOTHING_TO_ROUND) {
            return x;
        }
        double rounded = switch (way) {
            case EXACT -> scaled(new BigDecimal(x), RoundingMode.HALF_EVEN);
            case PRINTED_HALF_UP -> scaled(new BigDecimal(Double.toString(x)), RoundingMode.HALF_UP);
            case SCALED -> Math.floor(x * 1e9 + 0.5) / 1e9;
            case CUT -> scaled(new BigDecimal(x), RoundingMode.DOWN);
            case NONE -> x;
        };
        return rounded == 0 ? Math.copySign(rounded, x) : rounded;
    }

    private double scaled(BigDecimal exact, RoundingMode mode) {
        return exact.setScale(decimals, mode).doubleValue();
    }

    /** Whether the number of decimals can be fixed, as {@code %.6f} does. */
    boolean hasDecimals() {
        return way == Way.EXACT && decimals > 0;
    }

    String what() {
        return switch (way) {
            case EXACT -> "The reals were rounded to " + decimals + " decimals.";
            case NONE -> "The reals were not rounded before they were signed.";
            case PRINTED_HALF_UP ->
                "The reals were rounded by their printed digits, with ties away from zero, as decimal types do.";
            case SCALED -> "The reals were multiplied by 1e9, rounded and divided, which rounds twice.";
            case CUT -> "The reals were cut after 9 decimals instead of rounded.";
        };
    }

    static String advice() {
        return "Round D_hat, budget, coh_star and r to 9 decimals, on the exact value of the double, ties to even: "
                + "round(float(x), 9) in Python.";
    }
}
