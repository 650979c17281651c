// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.certificate.PcsId;
import dev.flk.certificate.Regime;
import org.jspecify.annotations.Nullable;

/** What the verifier decided of one certificate. */
public sealed interface Verdict {
    PcsId id();

    /** The claimed D̂, rounded to 9 decimals. */
    double claimedDHat();

    /** The {@link Policy#hash} of the policy that it was decided by. */
    String policyHash();

    /** Calls the one case that applies; a new kind of verdict breaks every caller at compile time. */
    <R> R match(Cases<R> cases);

    /** The HTTP status of the answer: 200 if accepted without reserve, else 202. */
    default int status() {
        return this instanceof Accepted ? 200 : 202;
    }

    /** One method per kind of verdict. */
    interface Cases<R> {
        R accepted(Accepted accepted);

        R escalated(Escalated escalated);

        R rejected(Rejected rejected);
    }

    /** Every claim holds. */
    record Accepted(PcsId id, double claimedDHat, Recomputed recomputed, String policyHash) implements Verdict {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.accepted(this);
        }
    }

    /** Accepted, but to be reviewed. */
    record Escalated(PcsId id, double claimedDHat, Recomputed recomputed, Reason reason, String policyHash)
            implements Verdict {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.escalated(this);
        }
    }

    /**
     * A claim is false or can't be checked.
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
     * What the verifier recomputed.
     *
     * @param dHat D̂ from scales and counts, rounded to 9 decimals
     * @param budget from that D̂ and the claimed coh★ and r, rounded to 9 decimals
     * @param regime from that D̂ and the claimed coh★
     */
    record Recomputed(double dHat, double budget, Regime regime) {}

    /**
     * Why a certificate was not simply accepted.
     *
     * @param text the words of the outcome's body
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
