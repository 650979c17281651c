// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.OutboxEntry;
import dev.flk.agent.send.SendQueue.Queued;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** Certificates for tests: well-formed, unsigned, distinguished by their epoch. */
public final class Certificates {
    private static final String MERKLE_ROOT = "0123456789abcdef".repeat(4);

    private Certificates() {}

    public static String id(long epoch, String shardId) {
        return PcsId.of(MERKLE_ROOT, epoch, shardId).toString();
    }

    public static String id(long epoch) {
        return id(epoch, "shard-1");
    }

    public static byte[] certificate(long epoch) {
        return certificate(epoch, "shard-1");
    }

    public static byte[] certificate(long epoch, String shardId) {
        return ("{\"pcs_id\":\"" + id(epoch, shardId)
                        + "\",\"schema\":\"fractal-lba-kakeya\",\"version\":\"0.1\",\"shard_id\":\""
                        + shardId + "\",\"epoch\":" + epoch
                        + ",\"scales\":[2,4],\"N_j\":{\"2\":5,\"4\":10},\"coh_star\":0.5,\"D_hat\":1.0,\"r\":0.8,"
                        + "\"regime\":\"mixed\",\"budget\":0.26,\"merkle_root\":\"" + MERKLE_ROOT + "\"}")
                .getBytes(StandardCharsets.UTF_8);
    }

    /** Returns a batch of two certificates, with epochs 1 and 2. */
    static Batch batch() {
        return new Batch(List.of(item(1), item(2)));
    }

    private static Batch.Item item(long epoch) {
        try {
            SendingForm form = SendingForm.signed(certificate(epoch), Optional.empty(), Instant.EPOCH);
            return new Batch.Item(
                    new Queued(new OutboxEntry(epoch, 0, 1, -1), 0), form.signed(), form.line(), form.line());
        } catch (MalformedCertificate e) {
            throw new AssertionError(e);
        }
    }
}
