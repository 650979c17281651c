// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import dev.flk.canonical.SignedFields;
import java.time.Instant;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A certificate that keeps every rule of its format. The signature and the claims are checked elsewhere.
 *
 * @param id the same as {@code signed.pcsId()}
 * @param signed the signed fields, their reals rounded to 9 decimals
 * @param attempt the agent's count of attempts to send the certificate, at least 1; a number beyond 64 bits counts as
 *     {@link Long#MAX_VALUE}
 * @param sentAt the time of sending by the agent's clock; does not affect the verdict
 * @param scales 0 to 64 distinct scales, each at least 1, in the order of the certificate
 * @param counts N_j; its scales need not all be in {@code scales}
 * @param vStar the elements of {@code v_star}; null if the field is missing
 * @param regime the claimed regime
 * @param signedDigest the SHA-256 of the canonical form that is signed, 64 hex digits
 * @param contentDigest the digest that distinguishes this content from any other content under the same id
 */
public record Certificate(
        PcsId id,
        SignedFields signed,
        long attempt,
        Instant sentAt,
        @Nullable Long seed,
        List<Integer> scales,
        BoxCounts counts,
        @Nullable List<Double> vStar,
        Regime regime,
        FaultTolerance faultTolerance,
        String signedDigest,
        ContentDigest contentDigest) {

    public Certificate {
        if (!id.toString().equals(signed.pcsId())) {
            throw new IllegalArgumentException("the id " + id + " differs from pcs_id of the signed fields");
        }
        if (attempt < 1) {
            throw new IllegalArgumentException("attempt must be at least 1, not " + attempt);
        }
        if (scales.size() > UnsignedFields.MAX_SCALES || hasNonPositive(scales)) {
            throw new IllegalArgumentException(
                    "there must be at most " + UnsignedFields.MAX_SCALES + " scales, all positive");
        }
        scales = List.copyOf(scales);
        vStar = vStar == null ? null : List.copyOf(vStar);
    }

    private static boolean hasNonPositive(List<Integer> scales) {
        for (int scale : scales) {
            if (scale < 1) {
                return true;
            }
        }
        return false;
    }

    /**
     * The field {@code ft}: the circumstances under which the agent made and sent the certificate. The field is neither
     * signed nor part of the content.
     *
     * @param outboxSeq the number of the entry in the agent's outbox, if given; a number beyond 64 bits counts as the
     *     nearest 64-bit number
     * @param degraded whether the agent had to use a fallback, which escalates the certificate
     * @param fallbacks the names of the fallbacks that the agent used
     * @param clockSkewMillis the error of the agent's clock that the agent has corrected, if given; limited to 64 bits
     *     like {@code outboxSeq}
     * @param window the time of the measurements; null unless both of its times are given, valid and in order
     */
    public record FaultTolerance(
            @Nullable Long outboxSeq,
            boolean degraded,
            List<String> fallbacks,
            @Nullable Long clockSkewMillis,
            @Nullable Window window) {

        /** The value of a certificate without {@code ft}. */
        public static final FaultTolerance NONE = new FaultTolerance(null, false, List.of(), null, null);

        /** The times of the first and the last measurement. */
        public record Window(Instant start, Instant end) {}

        public FaultTolerance {
            fallbacks = List.copyOf(fallbacks);
        }
    }

    /** The kind of set that the points lie on, as a certificate claims it and as the verifier expects it. */
    public enum Regime {
        STICKY("sticky"),
        MIXED("mixed"),
        NON_STICKY("non_sticky");

        /** The least coh★ of the regime sticky. */
        public static final double STICKY_MIN_COH_STAR = 0.70;

        /** The greatest D̂ of the regime sticky. */
        public static final double STICKY_MAX_D_HAT = 1.5;

        /** The least D̂ of a non-sticky set. A set that is neither sticky nor non-sticky is mixed. */
        public static final double NON_STICKY_MIN_D_HAT = 2.6;

        private static final List<Regime> ALL = List.of(values());

        private final String wireName;

        Regime(String wireName) {
            this.wireName = wireName;
        }

        /** Returns the regime for a recomputed D̂ and a coh★, both rounded to 9 decimals. */
        public static Regime of(double dHat, double cohStar) {
            if (cohStar >= STICKY_MIN_COH_STAR && dHat <= STICKY_MAX_D_HAT) {
                return STICKY;
            }
            return dHat >= NON_STICKY_MIN_D_HAT ? NON_STICKY : MIXED;
        }

        /** Returns the regime whose name {@code isName} accepts; null if it accepts no regime's name. */
        static @Nullable Regime named(Predicate<String> isName) {
            for (Regime regime : ALL) {
                if (isName.test(regime.wireName)) {
                    return regime;
                }
            }
            return null;
        }

        /** Returns the name that certificates and outcomes use. */
        public String wireName() {
            return wireName;
        }
    }
}
