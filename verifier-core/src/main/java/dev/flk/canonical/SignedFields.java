// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

/**
 * The eight fields that a signature covers, and their canonical form. This record rounds the four reals to 9 decimals,
 * as the signature requires, and never exposes the original values. It rejects texts with an unpaired surrogate and
 * reals that are not finite; the reader of certificates checks the other rules for these fields.
 *
 * @param epoch the epoch as sent; may be negative, in which case the reader of certificates rejects the certificate
 *     later
 * @param dHat the claimed D̂
 * @param cohStar the claimed coh★
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
    private static final byte[] D_HAT = Utf8Buffer.utf8("{\"D_hat\":");
    private static final byte[] BUDGET = Utf8Buffer.utf8(",\"budget\":");
    private static final byte[] COH_STAR = Utf8Buffer.utf8(",\"coh_star\":");
    private static final byte[] EPOCH = Utf8Buffer.utf8(",\"epoch\":");
    private static final byte[] MERKLE_ROOT = Utf8Buffer.utf8(",\"merkle_root\":");
    private static final byte[] PCS_ID = Utf8Buffer.utf8(",\"pcs_id\":");
    private static final byte[] R = Utf8Buffer.utf8(",\"r\":");
    private static final byte[] SHARD_ID = Utf8Buffer.utf8(",\"shard_id\":");

    public SignedFields {
        requireWellFormed("pcs_id", pcsId);
        requireWellFormed("shard_id", shardId);
        requireWellFormed("merkle_root", merkleRoot);
        dHat = rounded("D_hat", dHat);
        cohStar = rounded("coh_star", cohStar);
        r = rounded("r", r);
        budget = rounded("budget", budget);
    }

    /**
     * Returns the bytes that a signature covers: the output of CPython's {@code json.dumps(payload, sort_keys=True,
     * separators=(',', ':'))}, where each real {@code x} in the payload is {@code round(float(x), 9)}. The output is
     * one JSON object in ASCII without a line ending.
     */
    public byte[] canonicalForm() {
        Utf8Buffer text = new Utf8Buffer(288 + shardId.length());
        CanonicalDouble.print(dHat, text.append(D_HAT));
        CanonicalDouble.print(budget, text.append(BUDGET));
        CanonicalDouble.print(cohStar, text.append(COH_STAR));
        text.append(EPOCH).append(epoch);
        text.append(MERKLE_ROOT).appendQuoted(merkleRoot);
        text.append(PCS_ID).appendQuoted(pcsId);
        CanonicalDouble.print(r, text.append(R));
        text.append(SHARD_ID).appendQuoted(shardId);
        return text.append('}').toBytes();
    }

    private static void requireWellFormed(String field, String text) {
        if (!CanonicalString.isWellFormed(text)) {
            throw new IllegalArgumentException(field + " has a surrogate without its partner");
        }
    }

    private static double rounded(String field, double value) {
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException(field + " must be a finite number, not " + value);
        }
        return CanonicalDouble.round9(value);
    }
}
