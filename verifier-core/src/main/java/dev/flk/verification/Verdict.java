// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.certificate.PcsId;
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

    /** Accepted, but someone should have a look. */
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
}
