// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.nio.charset.StandardCharsets;

/**
 * The bytes that a signature covers: the output of CPython's {@code json.dumps(payload, sort_keys=True,
 * separators=(',', ':'))} for the eight signed fields, whose reals are passed through {@code round(float(x), 9)}.
 */
public final class CanonicalForm {
    private CanonicalForm() {}

    /** Returns the canonical form of {@code fields}: one JSON object in ASCII without a line ending. */
    public static byte[] of(SignedFields fields) {
        StringBuilder text = new StringBuilder(384);
        text.append("{\"D_hat\":").append(CanonicalDouble.print(fields.dHat()));
        text.append(",\"budget\":").append(CanonicalDouble.print(fields.budget()));
        text.append(",\"coh_star\":").append(CanonicalDouble.print(fields.cohStar()));
        text.append(",\"epoch\":").append(fields.epoch());
        text.append(",\"merkle_root\":");
        CanonicalString.appendQuoted(text, fields.merkleRoot());
        text.append(",\"pcs_id\":");
        CanonicalString.appendQuoted(text, fields.pcsId());
        text.append(",\"r\":").append(CanonicalDouble.print(fields.r()));
        text.append(",\"shard_id\":");
        CanonicalString.appendQuoted(text, fields.shardId());
        return text.append('}').toString().getBytes(StandardCharsets.US_ASCII);
    }
}
