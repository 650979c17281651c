// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.CanonicalString;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Recomputed;
import java.nio.charset.StandardCharsets;

/**
 * The response body for a decided certificate, which is stored and returned unchanged for duplicates. It is one JSON
 * object in ASCII without white space or a line ending:
 * {@code {"pcs_id":…,"accepted":…,"escalated":…,"D_hat":claimed,"recomputed_D_hat":…,"recomputed_budget":…,"regime":…,
 * "reason":…,"policy":…}}. The three recomputed members are missing if D̂ could not be recomputed, and the reason is
 * missing if none exists.
 */
public final class OutcomeBody {
    private OutcomeBody() {}

    /** Returns the bytes of the body; {@link Verdict#status} returns the corresponding status. */
    public static byte[] render(Verdict verdict) {
        String acceptedAndEscalated = switch (verdict.kind()) {
            case ACCEPTED -> "true,\"escalated\":false";
            case ESCALATED -> "true,\"escalated\":true";
            case REJECTED -> "false,\"escalated\":true";
        };
        Recomputed recomputed = verdict.recomputed();
        Reason reason = verdict.reason();
        StringBuilder text = new StringBuilder(320);
        text.append("{\"pcs_id\":\"").append(verdict.id());
        text.append("\",\"accepted\":").append(acceptedAndEscalated);
        text.append(",\"D_hat\":").append(CanonicalDouble.print(verdict.claimedDHat()));
        if (recomputed != null) {
            text.append(",\"recomputed_D_hat\":").append(CanonicalDouble.print(recomputed.dHat()));
            text.append(",\"recomputed_budget\":").append(CanonicalDouble.print(recomputed.budget()));
            text.append(",\"regime\":\"").append(recomputed.regime().wireName()).append('"');
        }
        if (reason != null) {
            text.append(",\"reason\":");
            CanonicalString.appendQuoted(text, reason.text());
        }
        return text.append(",\"policy\":\"")
                .append(verdict.policyHash())
                .append("\"}")
                .toString()
                .getBytes(StandardCharsets.US_ASCII);
    }
}
