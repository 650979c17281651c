// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.canonical.CanonicalForm;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.PcsId;
import dev.flk.signing.HmacSigner;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** A signed certificate as it goes over the wire; accepted unless something is changed. */
record Pcs(String shard, long epoch, double dHat, double budget, int attempt, String extra, String key) {
    static final String KEY = "test-key";

    static Pcs number(long epoch) {
        return new Pcs("shard-1", epoch, 1.0, 0.26, 1, "", KEY);
    }

    /** Signed content that differs. */
    Pcs withBudget(double otherBudget) {
        return new Pcs(shard, epoch, dHat, otherBudget, attempt, extra, key);
    }

    Pcs withDHat(double otherDHat) {
        return new Pcs(shard, epoch, otherDHat, budget, attempt, extra, key);
    }

    /** The same certificate, sent again. */
    Pcs withAttempt(int otherAttempt) {
        return new Pcs(shard, epoch, dHat, budget, otherAttempt, extra, key);
    }

    /** More members, as {@code ,"name":value}. */
    Pcs with(String members) {
        return new Pcs(shard, epoch, dHat, budget, attempt, members, key);
    }

    Pcs signedBy(String otherKey) {
        return new Pcs(shard, epoch, dHat, budget, attempt, extra, otherKey);
    }

    PcsId id() {
        return PcsId.of(merkleRoot(), epoch, shard);
    }

    private String merkleRoot() {
        return HexFormat.of().formatHex(new byte[32]);
    }

    String json() {
        SignedFields signed = new SignedFields(id().toString(), shard, epoch, merkleRoot(), dHat, 0.5, 0.8, budget);
        String sig = new HmacSigner(key).sign(CanonicalForm.of(signed));
        return ("{\"pcs_id\":\"%s\",\"schema\":\"fractal-lba-kakeya\",\"version\":\"0.1\",\"shard_id\":\"%s\",\"epoch\":%d,"
                        + "\"attempt\":%d,\"sent_at\":\"2026-01-19T10:30:45Z\",\"scales\":[2,4,8,16],"
                        + "\"N_j\":{\"2\":5,\"4\":10,\"8\":20,\"16\":40},\"coh_star\":0.5,\"D_hat\":%s,\"r\":0.8,"
                        + "\"regime\":\"mixed\",\"budget\":%s,\"merkle_root\":\"%s\"%s,\"sig\":\"%s\"}")
                .formatted(id(), shard, epoch, attempt, dHat, budget, merkleRoot(), extra, sig);
    }

    byte[] bytes() {
        return json().getBytes(StandardCharsets.UTF_8);
    }
}
