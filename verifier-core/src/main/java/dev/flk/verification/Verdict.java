// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.Utf8Buffer;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.PcsId;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The verifier's decision on one certificate.
 *
 * @param claimedDHat the claimed D̂, rounded to 9 decimals
 * @param recomputed the recomputed values; null if the certificate was rejected because D̂ could not be recomputed
 * @param reason the reason why the certificate was rejected or escalated; null if the certificate was accepted without
 *     escalation
 * @param policyHash the {@link Policy#hash} of the policy by which the certificate was decided
 */
public record Verdict(
        PcsId id,
        double claimedDHat,
        Kind kind,
        @Nullable Recomputed recomputed,
        @Nullable Reason reason,
        String policyHash) {
    private static final byte[] PCS_ID = Utf8Buffer.utf8("{\"pcs_id\":\"");
    private static final byte[] ACCEPTED = Utf8Buffer.utf8("\",\"accepted\":true,\"escalated\":false,\"D_hat\":");
    private static final byte[] ESCALATED = Utf8Buffer.utf8("\",\"accepted\":true,\"escalated\":true,\"D_hat\":");
    private static final byte[] REJECTED = Utf8Buffer.utf8("\",\"accepted\":false,\"escalated\":true,\"D_hat\":");
    private static final byte[] RECOMPUTED_D_HAT = Utf8Buffer.utf8(",\"recomputed_D_hat\":");
    private static final byte[] RECOMPUTED_BUDGET = Utf8Buffer.utf8(",\"recomputed_budget\":");
    private static final byte[] REGIME = Utf8Buffer.utf8(",\"regime\":\"");
    private static final byte[] REASON = Utf8Buffer.utf8(",\"reason\":");
    private static final byte[] POLICY = Utf8Buffer.utf8(",\"policy\":\"");

    public Verdict {
        if ((kind == Kind.ACCEPTED) != (reason == null) || (kind != Kind.REJECTED && recomputed == null)) {
            throw new IllegalArgumentException(
                    "the reason or the recomputed values do not fit a certificate that is " + kind.label() + ": " + id);
        }
    }

    /** Returns the HTTP status of the response: 200 if the certificate is accepted and not escalated, otherwise 202. */
    public int status() {
        return kind == Kind.ACCEPTED ? 200 : 202;
    }

    /**
     * Returns the body of the response, which is stored and returned unchanged for duplicates. It is one JSON object in
     * ASCII without white space or a line ending:
     * {@code {"pcs_id":…,"accepted":…,"escalated":…,"D_hat":claimed,"recomputed_D_hat":…,"recomputed_budget":…,
     * "regime":…,"reason":…,"policy":…}}. The members {@code recomputed_D_hat}, {@code recomputed_budget} and
     * {@code regime} are missing if D̂ could not be recomputed, and {@code reason} is missing if the certificate was
     * neither rejected nor escalated.
     */
    public byte[] body() {
        Utf8Buffer text = new Utf8Buffer(272);
        text.append(PCS_ID).append(id.toString());
        text.append(
                switch (kind) {
                    case ACCEPTED -> ACCEPTED;
                    case ESCALATED -> ESCALATED;
                    case REJECTED -> REJECTED;
                });
        CanonicalDouble.print(claimedDHat, text);
        if (recomputed != null) {
            CanonicalDouble.print(recomputed.dHat(), text.append(RECOMPUTED_D_HAT));
            CanonicalDouble.print(recomputed.budget(), text.append(RECOMPUTED_BUDGET));
            text.append(REGIME).append(recomputed.regime().wireName()).append('"');
        }
        if (reason != null) {
            text.append(REASON).appendQuoted(reason.text());
        }
        return text.append(POLICY).append(policyHash).append("\"}").toBytes();
    }

    public enum Kind {
        /** No step objected. */
        ACCEPTED,
        /** The certificate is accepted but needs a review. */
        ESCALATED,
        /** D̂ can't be recomputed or was claimed wrongly, or coh★ or r is out of bounds. */
        REJECTED;

        /** Returns the name in lower case, as metrics, records and reports show it. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * The values that the verifier recomputed.
     *
     * @param dHat D̂ from scales and counts, rounded to 9 decimals
     * @param budget the budget for {@code dHat} and the claimed coh★ and r, rounded to 9 decimals
     * @param regime the regime for {@code dHat} and the claimed coh★
     */
    public record Recomputed(double dHat, double budget, Regime regime) {}

    /**
     * The reason why a certificate was rejected or escalated.
     *
     * @param text the text of {@code reason} in the outcome's body
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
}
