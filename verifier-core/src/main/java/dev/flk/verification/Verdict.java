// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.certificate.PcsId;
import dev.flk.certificate.Regime;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The verifier's decision on one certificate. */
public sealed interface Verdict {
    PcsId id();

    /** Returns the claimed D̂, rounded to 9 decimals. */
    double claimedDHat();

    /** Returns the {@link Policy#hash} of the policy by which the certificate was decided. */
    String policyHash();

    Kind kind();

    /** Returns the recomputed values; null if D̂ could not be recomputed. */
    @Nullable
    Recomputed recomputed();

    /** Returns the reason why the certificate was not simply accepted; null if it was. */
    @Nullable
    Reason reason();

    /** Returns the HTTP status of the response: 200 if the certificate is accepted and not escalated, otherwise 202. */
    default int status() {
        return kind() == Kind.ACCEPTED ? 200 : 202;
    }

    /** The kinds of verdicts. */
    enum Kind {
        ACCEPTED,
        ESCALATED,
        REJECTED;

        /** Returns the name in lower case, as metrics, records and reports show it. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** The verdict that every claim holds. */
    record Accepted(PcsId id, double claimedDHat, Recomputed recomputed, String policyHash) implements Verdict {
        @Override
        public @Nullable Reason reason() {
            return null;
        }

        @Override
        public Kind kind() {
            return Kind.ACCEPTED;
        }
    }

    /** The verdict that the certificate is accepted but needs a review. */
    record Escalated(PcsId id, double claimedDHat, Recomputed recomputed, Reason reason, String policyHash)
            implements Verdict {
        @Override
        public Kind kind() {
            return Kind.ESCALATED;
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
        public Kind kind() {
            return Kind.REJECTED;
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
