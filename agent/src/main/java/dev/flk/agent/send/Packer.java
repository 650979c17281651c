// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.send.Shipment.Parcel;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.Signer;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Makes deliveries ready to go: reads, stamps and signs. What can't go any more it hands to {@link Settlement}. Owned by the
 * sender's thread.
 */
final class Packer {
    private final Outbox outbox;
    private final Settlement settlement;
    private final SignatureHold hold;
    private final Optional<Signer> signer;
    private final Duration maxAge;

    Packer(Outbox outbox, Settlement settlement, SignatureHold hold, Optional<Signer> signer, Duration maxAge) {
        this.outbox = outbox;
        this.settlement = settlement;
        this.hold = hold;
        this.signer = signer;
        this.maxAge = maxAge;
    }

    /**
     * Packs what can go; may be empty.
     *
     * @param sentAt now, by the backend's clock: ages count by that one, since the own may be wrong
     * @param offset how far it is ahead of the own
     * @throws IOException if the outbox can't be read now; then nothing became of any of them
     */
    Shipment pack(List<Delivery> deliveries, Instant sentAt, Duration offset) throws IOException {
        Map<Long, byte[]> bodies = outbox.bodies(
                deliveries.stream().map(delivery -> delivery.entry).toList());
        List<Parcel> parcels = new ArrayList<>(deliveries.size());
        for (Delivery delivery : deliveries) {
            byte[] stored = bodies.get(delivery.entry.sequence());
            if (stored == null && outbox.mayBeReadLater()) {
                settlement.unreadable(List.of(delivery), "the disk can't read it now");
            } else if (stored == null) {
                settlement.lost(delivery);
            } else {
                pack(delivery, stored, sentAt, offset).ifPresent(parcels::add);
            }
        }
        return new Shipment(parcels);
    }

    private Optional<Parcel> pack(Delivery delivery, byte[] stored, Instant sentAt, Duration offset) {
        SendingForm.Stamp stamp =
                new SendingForm.Stamp(delivery.entry.sequence(), delivery.sent + 1, sentAt, offset.toMillis());
        SendingForm form;
        try {
            form = SendingForm.stamped(stored, signer, stamp);
        } catch (MalformedCertificate e) {
            settlement.deadLetter(delivery, "", stored, 0, "can't be signed: " + e.getMessage());
            return Optional.empty();
        }
        if (!hold.admits(delivery, form.signed().shardId())) {
            return Optional.empty();
        }
        long unansweredSinceMillis = outbox.unansweredSinceMillis(delivery.entry);
        if (tooOld(unansweredSinceMillis, sentAt)) {
            settlement.deadLetter(
                    delivery,
                    form.signed().pcsId(),
                    stored,
                    0,
                    "older than MAX_AGE: first sent without an answer at "
                            + Instant.ofEpochMilli(unansweredSinceMillis)
                            + ", whether it was recorded is not known");
            return Optional.empty();
        }
        delivery.sent++;
        delivery.neverArrivedBefore = unansweredSinceMillis < 0;
        return Optional.of(new Parcel(delivery, form.signed(), stored, form.line()));
    }

    private boolean tooOld(long unansweredSinceMillis, Instant sentAt) {
        return unansweredSinceMillis >= 0
                && Duration.between(Instant.ofEpochMilli(unansweredSinceMillis), sentAt)
                                .compareTo(maxAge)
                        > 0;
    }
}
