// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import dev.flk.canonical.SignedFields;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A certificate that keeps every rule of its format. Signature and claims are checked elsewhere.
 *
 * @param id the same as {@code signed.pcsId()}
 * @param signed the signed fields, their reals rounded to 9 decimals
 * @param attempt from 1; one beyond 64 bits counts as the greatest there is
 * @param sentAt by the agent's clock; decides nothing
 * @param scales 0 to 64 different ones, each from 1, in the order of the certificate
 * @param counts N_j by scale, the scale as it is written; keys that are no scale are there too
 * @param vStar null if it isn't there
 * @param regime the claimed one
 * @param signedDigest the SHA-256 of the canonical form that is signed, 64 hex digits
 * @param contentDigest tells this content from any other under the same id
 */
public record Certificate(
        PcsId id,
        SignedFields signed,
        long attempt,
        Instant sentAt,
        @Nullable Long seed,
        List<Integer> scales,
        Map<String, Long> counts,
        @Nullable List<Double> vStar,
        Regime regime,
        FaultTolerance faultTolerance,
        String signedDigest,
        ContentDigest contentDigest) {

    public Certificate {
        if (!id.toString().equals(signed.pcsId())) {
            throw new IllegalArgumentException("the id " + id + " is not the one among the signed fields");
        }
        if (attempt < 1) {
            throw new IllegalArgumentException("attempts count from 1, this is " + attempt);
        }
        if (scales.size() > UnsignedFields.MAX_SCALES || hasNonPositive(scales)) {
            throw new IllegalArgumentException("scales must be positive and at most " + UnsignedFields.MAX_SCALES);
        }
        scales = List.copyOf(scales);
        counts = Collections.unmodifiableMap(new LinkedHashMap<>(counts));
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
     * The field {@code ft}: the circumstances under which the agent made and sent the certificate. Not signed, no content.
     *
     * @param outboxSeq the entry's number in the agent's outbox, if given; numbers beyond 64 bits count as the nearest there is
     * @param degraded whether the agent had to use a fallback, which escalates the certificate
     * @param fallbacks the fallbacks that it used, by its names
     * @param clockSkewMillis the offset of the agent's clock that it corrected for, if given; clamped like {@code outboxSeq}
     */
    public record FaultTolerance(
            @Nullable Long outboxSeq,
            boolean degraded,
            List<String> fallbacks,
            @Nullable Long clockSkewMillis) {

        /** What a certificate without {@code ft} says. */
        public static final FaultTolerance NOTHING_SAID = new FaultTolerance(null, false, List.of(), null);

        public FaultTolerance {
            fallbacks = List.copyOf(fallbacks);
        }
    }
}
