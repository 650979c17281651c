// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.canonical.SignedFields;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.PcsId;
import dev.flk.signing.Signer;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A source of certificates that a backend accepts, unless a {@link Variety} says otherwise. Each certificate has a new
 * id: all certificates have the same Merkle root, but consecutive epochs. Safe for any thread.
 */
final class Certificates {
    static final String SHARD = "bench-1";
    private static final String BEFORE_SHARD =
            "\",\"schema\":\"fractal-lba-kakeya\",\"version\":\"0.1\",\"shard_id\":\"";
    private static final String BEFORE_EPOCH = "\",\"epoch\":";
    private static final String AFTER_EPOCH = ",\"attempt\":1,\"sent_at\":\"2026-01-19T10:30:45Z\",\"seed\":7,"
            + "\"scales\":[2,4,8,16],\"N_j\":{\"2\":5,\"4\":10,\"8\":20,\"16\":40},\"coh_star\":0.5,"
            + "\"v_star\":[0.1000000,0.1007919,0.1015838],\"D_hat\":1.0,\"r\":0.8,\"budget\":0.26,\"regime\":\"";
    private static final String BEFORE_MERKLE_ROOT = "\",\"merkle_root\":\"";
    private static final Variety NONE = new Variety(1, 0);

    private final Signer signer;
    private final String merkleRoot;
    private final Variety variety;
    private final AtomicLong epochs = new AtomicLong();

    /**
     * The shards of certificates, and the certificates that are escalated. The shard {@link #SHARD} has an additional
     * tenth of the certificates after the first one of each shard.
     *
     * @param shards the number of shards
     * @param escalatedEvery the interval at which a certificate claims a wrong regime, which escalates it; 0 if none does
     */
    record Variety(int shards, int escalatedEvery) {
        String shard(long epoch) {
            boolean isBusy = epoch > shards && epoch % 10 == 9;
            long number = isBusy ? 1 : 1 + epoch % shards;
            return number == 1 ? SHARD : "bench-" + number;
        }

        private String regime(long epoch) {
            return escalatedEvery > 0 && epoch % escalatedEvery == 0
                    ? Regime.STICKY.wireName()
                    : Regime.MIXED.wireName();
        }
    }

    /**
     * Creates a source of certificates of about 500 bytes.
     *
     * @param merkleRoot 64 hexadecimal digits that no other source of certificates for the same backend uses
     */
    public Certificates(Signer signer, String merkleRoot) {
        this(signer, merkleRoot, NONE);
    }

    /** Creates a source of certificates of about 500 bytes, of several shards. */
    Certificates(Signer signer, String merkleRoot, Variety variety) {
        this.signer = signer;
        this.merkleRoot = merkleRoot;
        this.variety = variety;
    }

    /** Returns the id of the certificate with this epoch. */
    String id(long epoch) {
        return PcsId.of(merkleRoot, epoch, variety.shard(epoch)).toString();
    }

    /** Returns the next certificate as JSON. */
    public byte[] next() {
        long epoch = epochs.incrementAndGet();
        String shard = variety.shard(epoch);
        String id = id(epoch);
        String sig = signer.sign(new SignedFields(id, shard, epoch, merkleRoot, 1.0, 0.5, 0.8, 0.26).canonicalForm());
        return ("{\"pcs_id\":\"" + id + BEFORE_SHARD + shard + BEFORE_EPOCH + epoch + AFTER_EPOCH
                        + variety.regime(epoch) + BEFORE_MERKLE_ROOT + merkleRoot + "\",\"sig\":\"" + sig + "\"}")
                .getBytes(StandardCharsets.UTF_8);
    }
}
