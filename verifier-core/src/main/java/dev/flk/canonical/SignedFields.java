// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

/**
 * The eight fields that a signature covers. The four reals count as rounded to 9 decimals, so they are rounded here, once,
 * and are never seen otherwise. All other rules are checked by the reader.
 *
 * @param epoch as sent; may be negative here, which no certificate's is
 * @param dHat claimed D̂
 * @param cohStar claimed coh★
 */
public record SignedFields(
        String pcsId,
        String shardId,
        long epoch,
        String merkleRoot,
        double dHat,
        double cohStar,
        double r,
        double budget) {

    public SignedFields {
        requireWellFormed("pcs_id", pcsId);
        requireWellFormed("shard_id", shardId);
        requireWellFormed("merkle_root", merkleRoot);
        dHat = rounded("D_hat", dHat);
        cohStar = rounded("coh_star", cohStar);
        r = rounded("r", r);
        budget = rounded("budget", budget);
    }

    private static void requireWellFormed(String field, String text) {
        if (!CanonicalString.isWellFormed(text)) {
            throw new IllegalArgumentException(field + " has a surrogate without its partner");
        }
    }

    private static double rounded(String field, double value) {
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException(field + " must be a finite number, this is " + value);
        }
        return CanonicalDouble.round9(value);
    }
}
