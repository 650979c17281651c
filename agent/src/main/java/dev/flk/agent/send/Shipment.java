// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.Entry;
import dev.flk.canonical.SignedFields;
import java.util.List;

/** What goes out in one request: a certificate, or a batch of them. */
record Shipment(List<Parcel> parcels) {

    /**
     * One certificate of it.
     *
     * @param stored the certificate as it stands in the outbox
     * @param line as it is sent
     */
    record Parcel(Delivery delivery, SignedFields signed, byte[] stored, byte[] line) {}

    int size() {
        return parcels.size();
    }

    /** Of the lines, for what memory they take. */
    long bytes() {
        return parcels.stream().mapToLong(parcel -> parcel.line().length).sum();
    }

    List<byte[]> lines() {
        return parcels.stream().map(Parcel::line).toList();
    }

    List<String> pcsIds() {
        return parcels.stream().map(parcel -> parcel.signed().pcsId()).toList();
    }

    List<Entry> entries() {
        return parcels.stream().map(parcel -> parcel.delivery().entry).toList();
    }
}
