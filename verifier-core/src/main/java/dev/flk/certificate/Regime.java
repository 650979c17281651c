// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.util.Optional;

/** The kind of set that the points lie on, as a certificate claims it and as the verifier expects it. */
public enum Regime {
    STICKY("sticky"),
    MIXED("mixed"),
    NON_STICKY("non_sticky");

    /** The least coh★ of a sticky set. */
    public static final double STICKY_MIN_COH_STAR = 0.70;

    /** The greatest D̂ of a sticky set. */
    public static final double STICKY_MAX_D_HAT = 1.5;

    /** The least D̂ of a non-sticky set. A set that is neither sticky nor non-sticky is mixed. */
    public static final double NON_STICKY_MIN_D_HAT = 2.6;

    private final String wireName;

    Regime(String wireName) {
        this.wireName = wireName;
    }

    /** Returns the regime for a recomputed D̂ and a coh★, both rounded to 9 decimals. */
    public static Regime of(double dHat, double cohStar) {
        if (cohStar >= STICKY_MIN_COH_STAR && dHat <= STICKY_MAX_D_HAT) {
            return STICKY;
        }
        return dHat >= NON_STICKY_MIN_D_HAT ? NON_STICKY : MIXED;
    }

    /** Parses the name in a certificate; returns empty if there is no such regime. */
    public static Optional<Regime> parse(String wireName) {
        for (Regime regime : values()) {
            if (regime.wireName.equals(wireName)) {
                return Optional.of(regime);
            }
        }
        return Optional.empty();
    }

    /** Returns the name that certificates and outcomes use. */
    public String wireName() {
        return wireName;
    }
}
