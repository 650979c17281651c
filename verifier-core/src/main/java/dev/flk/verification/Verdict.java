// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.certificate.PcsId;
import dev.flk.certificate.Regime;
import org.jspecify.annotations.Nullable;

/** The verifier's decision on one certificate. */
public sealed interface Verdict {
    PcsId id();

    /** Returns the claimed D̂, rounded to 9 decimals. */
    double claimedDHat();

    /** Returns the {@link Policy#hash} of the policy by which the certificate was decided. */
    String policyHash();

    /** Calls the case that applies. A new kind of verdict breaks every caller at compile time. */
    <R> R match(Cases<R> cases);

    /** Returns the HTTP status of the response: 200 if the certificate is accepted and not escalated, otherwise 202. */
    default int status() {
        return this instanceof Accepted ? 200 : 202;
    }

    /** A function with one method per kind of verdict. */
    interface Cases<R> {
        R accepted(Accepted accepted);

        R escalated(Escalated escalated);

        R rejected(Rejected rejected);
    }

    /** The verdict that every claim holds. */
    record Accepted(PcsId id, double claimedDHat, Recomputed recomputed, String policyHash) implements Verdict {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.accepted(this);
        }
    }

    /** The verdict that the certificate is accepted but needs a review. */
    record Escalated(PcsId id, double claimedDHat, Recomputed recomputed, Reason reason, String policyHash)
            implements Verdict {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.escalated(this);
        }
    }

    /**
     * The verdict that a claim is false or can't be checked.
     *
     * @param recomputed null if D̂ could not be recomputed
     */
    record Rejected(PcsId id, double claimedDHat, @Nullable Recomputed recomputed, Reason reason, String policyHash)
            implements Verdict {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.rejected(this);
        }
    }

    /**
     * The values that the verifier recomputed.
     *
     * @param dHat D̂ from scales and counts, rounded to 9 decimals
     * @param budget the budget for that D̂ and the claimed coh★ and r, rounded to 9 decimals
     * @param regime the regime for that D̂ and the claimed coh★
     */
    record Recomputed(double dHat, double budget, Regime regime) {}

    /**
     * The reason why a certificate was not simply accepted.
     *
     * @param text the text of {@code reason} in the outcome's body
     */
    record Reason(Rule rule, String text) {

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
}
