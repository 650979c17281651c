// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.JsonValue;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** How a signer may have written a real: rounded somehow, then spelled somehow. */
record NumberForm(NumberLayout layout, Rounding rounding) {
    /** Beyond it, JavaScript's numbers don't hold every integer. */
    private static final long SAFE_INTEGER = 1L << 53;

    /**
     * All that make sense together, those with fewer things otherwise first.
     *
     * @param written what rounding the numbers have had where they are left as the certificate writes them
     */
    static List<NumberForm> all(Rounding written) {
        List<NumberForm> all = new ArrayList<>();
        for (NumberLayout layout : NumberLayout.values()) {
            for (Rounding rounding : Rounding.all()) {
                boolean fits = switch (layout) {
                    case AS_WRITTEN -> rounding.equals(written);
                    case FIXED -> rounding.hasDecimals();
                    default -> true;
                };
                if (fits) {
                    all.add(new NumberForm(layout, rounding));
                }
            }
        }
        all.sort(Comparator.comparingInt(NumberForm::deviations));
        return List.copyOf(all);
    }

    /** How many things are otherwise than in the canonical form. */
    int deviations() {
        return (layout == NumberLayout.PYTHON ? 0 : 1) + (rounding.equals(Rounding.PROPER) ? 0 : 1);
    }

    /** To 9 decimals in the proper way, or not at all. */
    boolean isRoundedProperlyOrNot() {
        return rounding.equals(Rounding.NONE) || (rounding.equals(Rounding.PROPER) && layout != NumberLayout.FIXED);
    }

    /** One of the four reals that are signed. */
    String real(JsonValue.Numeral number) {
        double x = Double.parseDouble(number.literal());
        // an integer has no negative zero
        double read = number.isInteger() && x == 0 ? 0.0 : x;
        return layout.print(rounding.apply(read), number.literal(), number.isInteger(), rounding.decimals());
    }

    /** Any other number: nobody rounds those. */
    String other(JsonValue.Numeral number) {
        if (layout == NumberLayout.AS_WRITTEN) {
            return number.literal();
        }
        double x = Double.parseDouble(number.literal());
        boolean inexact = layout == NumberLayout.ECMASCRIPT && Math.abs(x) >= SAFE_INTEGER;
        if (number.isInteger() && !inexact) {
            return Literals.integer(number.literal());
        }
        NumberLayout spelled = layout == NumberLayout.FIXED ? NumberLayout.PYTHON : layout;
        return Double.isFinite(x) ? spelled.print(x, number.literal(), false, 0) : number.literal();
    }
}
