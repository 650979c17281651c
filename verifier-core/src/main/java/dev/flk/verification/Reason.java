// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

/**
 * Why a certificate was not simply accepted.
 *
 * @param text the words of the outcome's body
 */
public record Reason(Rule rule, String text) {

    /** The rules in the order in which they are tried. */
    public enum Rule {
        D_HAT_RECOMPUTATION,
        D_HAT_TOLERANCE,
        COH_STAR_BOUNDS,
        R_BOUNDS,
        REGIME,
        BUDGET,
        DEGRADED
    }
}
