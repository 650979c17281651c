// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Counts;
import java.util.List;
import java.util.function.Function;

/** The counters of refused submissions and of their causes, which both the HTTP server and ingest increment. Safe for any thread. */
public final class RefusedSubmissions extends Metrics.Feature {
    public final Counts<RejectReason> rejected = counter(
            "flk_rejected_total",
            "Submissions that were not accepted, by reason.",
            "reason",
            List.of(RejectReason.values()),
            RejectReason::label);

    /**
     * The counters of submissions that were answered 503, except because of a full disk. The label {@code cause} is the
     * error in the answer.
     */
    public final Counts<String> unavailable = counter(
            "flk_unavailable_total",
            "Submissions answered 503, by cause; those refused because of a full disk are in flk_wal_errors.",
            "cause",
            List.of("dedup store unavailable", "overloaded", "starting"),
            Function.identity());

    public final Count filesExhausted = counter(
            "flk_files_exhausted_total",
            "Files of the log and connections that could not be opened, because too many files were open.");

    public final Count internalErrors =
            counter("flk_internal_errors_total", "Submissions answered 500 because of a bug.");

    /** The refusals of the last hour, by reason, key and sender. */
    public final RecentRefusals recent = new RecentRefusals();

    public RefusedSubmissions(Metrics metrics) {
        super(metrics);
    }

    /**
     * The reason why a submission was not accepted. Its {@link #label()} is a value of the label {@code reason} of the
     * metric {@code flk_rejected_total}.
     */
    public enum RejectReason {
        /** Answered 400: the body is not a certificate, or breaks a rule of the format. */
        MALFORMED("malformed"),
        /** Answered 400: {@code sent_at} is too far in the future. */
        CLOCK("clock"),
        /** Answered 401: the signature is missing or wrong. */
        SIGNATURE("signature"),
        /** Answered 413: the certificate or the batch is too large. */
        TOO_LARGE("too_large"),
        /** Answered 408: the body came too slowly. */
        SLOW("slow"),
        /** Answered 408: the body does not have the digest that the agent has sent with it. */
        CHANGED("changed"),
        /** Answered 202: the verification rejected the certificate. */
        VERIFICATION("verification");

        private final String label;

        RejectReason(String label) {
            this.label = label;
        }

        /** Returns the value of the label. */
        public String label() {
            return label;
        }
    }
}
