// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.util.Optional;

/** What kind of set the points lie on, as a certificate claims it and as the verifier expects it. */
public enum Regime {
    STICKY("sticky"),
    MIXED("mixed"),
    NON_STICKY("non_sticky");

    /** A sticky set has at least this coh★ … */
    public static final double STICKY_MIN_COH_STAR = 0.70;

    /** … and at most this D̂. */
    public static final double STICKY_MAX_D_HAT = 1.5;

    /** A set that is not sticky has at least this D̂, and all others are mixed. */
    public static final double NON_STICKY_MIN_D_HAT = 2.6;

    private final String wireName;

    Regime(String wireName) {
        this.wireName = wireName;
    }

    /** The regime that belongs to a recomputed D̂ and a coh★, both rounded to 9 decimals. */
    public static Regime of(double dHat, double cohStar) {
        if (cohStar >= STICKY_MIN_COH_STAR && dHat <= STICKY_MAX_D_HAT) {
            return STICKY;
        }
        return dHat >= NON_STICKY_MIN_D_HAT ? NON_STICKY : MIXED;
    }

    /** Reads the name that stands in a certificate; empty if there is no such regime. */
    public static Optional<Regime> parse(String wireName) {
        for (Regime regime : values()) {
            if (regime.wireName.equals(wireName)) {
                return Optional.of(regime);
            }
        }
        return Optional.empty();
    }

    /** The name that stands in a certificate and in an outcome. */
    public String wireName() {
        return wireName;
    }
}
