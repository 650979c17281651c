// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.load;

import dev.flk.canonical.CanonicalForm;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.PcsId;
import dev.flk.signing.Signer;
import java.nio.charset.StandardCharsets;

/**
 * Certificates that a backend accepts, each with an id that was never used before: of one shard and one Merkle root, one epoch after the
 * other. About 600 bytes. One thread.
 */
public final class Certificates {
    private static final String SHARD = "bench-1";
    private static final String BEFORE_EPOCH =
            "\",\"schema\":\"fractal-lba-kakeya\",\"version\":\"0.1\",\"shard_id\":\"" + SHARD + "\",\"epoch\":";
    private static final String BEHIND_EPOCH = ",\"attempt\":1,\"sent_at\":\"2026-01-19T10:30:45Z\",\"seed\":7,"
            + "\"scales\":[2,4,8,16],\"N_j\":{\"2\":5,\"4\":10,\"8\":20,\"16\":40},\"coh_star\":0.5,"
            + "\"v_star\":[0.1,0.2,0.3],\"D_hat\":1.0,\"r\":0.8,\"regime\":\"mixed\",\"budget\":0.26,\"merkle_root\":\"";

    private final Signer signer;
    private final String merkleRoot;
    private long epoch;

    /** @param merkleRoot 64 hexadecimal digits that no other source of this run has */
    public Certificates(Signer signer, String merkleRoot) {
        this.signer = signer;
        this.merkleRoot = merkleRoot;
    }

    /** The next one, as JSON. */
    public byte[] next() {
        epoch++;
        String id = PcsId.of(merkleRoot, epoch, SHARD).toString();
        String sig = signer.sign(CanonicalForm.of(new SignedFields(id, SHARD, epoch, merkleRoot, 1.0, 0.5, 0.8, 0.26)));
        return ("{\"pcs_id\":\"" + id + BEFORE_EPOCH + epoch + BEHIND_EPOCH + merkleRoot + "\",\"sig\":\"" + sig
                        + "\"}")
                .getBytes(StandardCharsets.UTF_8);
    }
}
