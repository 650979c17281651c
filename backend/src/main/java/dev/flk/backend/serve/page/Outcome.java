// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.decide.RecordedOutcome.Claims;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.ShardChange.Measure;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Recomputed;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** An outcome of the record, as pages show it. */
public record Outcome(Version version) {
    /** The verdicts and the regimes, as forms and queries name them. */
    public static final List<String> VERDICTS =
            Stream.of(Kind.values()).map(Kind::label).toList();

    public static final List<String> REGIMES =
            Stream.of(Regime.values()).map(Regime::wireName).toList();

    private static final int SHORT_ID = 12;
    private static final int MOST_READS = 4;

    /**
     * A claimed value, and the same value as the verifier recomputed it.
     *
     * @param claimed NaN if the record does not have it
     * @param recomputed NaN if it could not be recomputed
     */
    public record Claim(double claimed, double recomputed) {
        /** Returns the claimed value with four decimals. */
        public String claimedText() {
            return decimals(claimed);
        }

        /** Returns the recomputed value with four decimals. */
        public String recomputedText() {
            return decimals(recomputed);
        }
    }

    /** The outcomes that were read, in a list that may be changed, and whether there may be more. */
    record Part(List<Outcome> outcomes, boolean isCut) {}

    /** Reads at most {@code most} outcomes that a query selects, in a few parts. */
    static Part read(RecordedOutcomes record, OutcomeQuery wanted, int most) {
        List<Outcome> found = new ArrayList<>();
        String cursor = null;
        int reads = 0;
        do {
            Rows part = record.outcomes(wanted.withLimit(most - found.size()).withCursor(cursor));
            part.rows().forEach(row -> found.add(new Outcome(row)));
            cursor = part.cursor();
        } while (cursor != null && found.size() < most && ++reads < MOST_READS);
        return new Part(found, cursor != null);
    }

    public RowKey key() {
        return version.key();
    }

    Kind kind() {
        return version.outcome().verdict().kind();
    }

    public String verdict() {
        return kind().label();
    }

    /** Returns the reason why the certificate was not accepted; empty if it was accepted. */
    public String reason() {
        return version.outcome().reason();
    }

    @Nullable
    Claims claims() {
        return version.outcome().claims();
    }

    private @Nullable Recomputed recomputed() {
        return version.outcome().verdict().recomputed();
    }

    public Claim dHat() {
        Recomputed recomputed = recomputed();
        return new Claim(
                version.outcome().verdict().claimedDHat(), recomputed == null ? Double.NaN : recomputed.dHat());
    }

    public Claim budget() {
        Claims claims = claims();
        Recomputed recomputed = recomputed();
        return new Claim(
                claims == null ? Double.NaN : claims.budget(), recomputed == null ? Double.NaN : recomputed.budget());
    }

    /** Returns the claimed coh★; NaN if the record does not have it. */
    double cohStar() {
        Claims claims = claims();
        return claims == null ? Double.NaN : claims.cohStar();
    }

    /** Returns a value that is compared with those of other outcomes; NaN if the record does not have it. */
    double value(Measure measure) {
        Claims claims = claims();
        return switch (measure) {
            case D_HAT -> dHat().recomputed();
            case COH_STAR -> cohStar();
            case R -> claims == null ? Double.NaN : claims.r();
        };
    }

    /** Returns the recomputed regime; empty if D̂ could not be recomputed. */
    public String regime() {
        Recomputed recomputed = recomputed();
        return recomputed == null ? "" : recomputed.regime().wireName();
    }

    public Instant receivedAt() {
        return version.outcome().receivedAt();
    }

    /** Returns the time of the last measurement; null if the certificate does not have it. */
    public @Nullable Instant measuredAt() {
        return version.outcome().measuredAt();
    }

    /** Returns the address of the certificates of the shard. */
    public String shardPath() {
        return OutcomesView.ofShard(key().shard());
    }

    /** Returns the beginning of the id. */
    public String shortId() {
        return shortened(key().pcsId());
    }

    /** Returns the beginning of an id. */
    public static String shortened(String pcsId) {
        return pcsId.substring(0, Math.min(SHORT_ID, pcsId.length()));
    }

    /** Returns the claimed coh★ with four decimals. */
    public String cohStarText() {
        return decimals(cohStar());
    }

    /** Returns whether the certificate was accepted. */
    public boolean isAccepted() {
        return kind() == Kind.ACCEPTED;
    }

    static String decimals(double value) {
        return Double.isNaN(value) ? "–" : String.format(Locale.ROOT, "%.4f", value);
    }
}
