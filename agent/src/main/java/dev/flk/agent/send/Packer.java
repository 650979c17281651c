// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.send.Shipment.Parcel;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.Signer;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
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
    private final Optional<Signer> signer;
    private final Duration maxAge;
    private final InstantSource clock;

    Packer(Outbox outbox, Settlement settlement, Optional<Signer> signer, Duration maxAge, InstantSource clock) {
        this.outbox = outbox;
        this.settlement = settlement;
        this.signer = signer;
        this.maxAge = maxAge;
        this.clock = clock;
    }

    /**
     * Packs what can go; may be empty.
     *
     * @param offset how far the backend's clock is ahead; ages count by that clock, since the own one may be wrong
     * @throws IOException if the outbox can't be read now; then nothing became of any of them
     */
    Shipment pack(List<Delivery> deliveries, Duration offset) throws IOException {
        Instant sentAt = clock.instant().plus(offset);
        Map<Long, byte[]> bodies = outbox.bodies(
                deliveries.stream().map(delivery -> delivery.entry).toList());
        List<Parcel> parcels = new ArrayList<>(deliveries.size());
        for (Delivery delivery : deliveries) {
            byte[] stored = bodies.get(delivery.entry.sequence());
            if (stored == null) {
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
        if (tooOld(delivery, sentAt)) {
            settlement.deadLetter(
                    delivery,
                    form.signed().pcsId(),
                    stored,
                    0,
                    "older than MAX_AGE: first sent without an answer at "
                            + Instant.ofEpochMilli(delivery.unansweredSinceMillis)
                            + ", whether it was recorded is not known");
            return Optional.empty();
        }
        delivery.sent++;
        delivery.sentAtMillis = sentAt.toEpochMilli();
        return Optional.of(new Parcel(delivery, form.signed(), stored, form.line()));
    }

    private boolean tooOld(Delivery delivery, Instant sentAt) {
        return delivery.unansweredSinceMillis >= 0
                && Duration.between(Instant.ofEpochMilli(delivery.unansweredSinceMillis), sentAt)
                                .compareTo(maxAge)
                        > 0;
    }
}
