// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxEntry;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.send.AgeClock.Age;
import dev.flk.agent.send.SendQueue.Queued;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.Signer;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The certificates to send in one request. The list of items is empty if no certificate can be sent. */
record Batch(List<Item> items) {
    /** The maximum length of the backend's answer to one certificate without what it quotes of the certificate. */
    private static final int MAX_ANSWER_BYTES = 2 << 10;

    /**
     * One certificate of a batch.
     *
     * @param stored the certificate as stored in the outbox
     * @param line the certificate as it is sent: stamped, signed and on one line
     */
    record Item(Queued queued, SignedFields signed, byte[] stored, byte[] line) {}

    int size() {
        return items.size();
    }

    /** Returns the total length of the lines in bytes. The lines stay in memory while the request is in flight. */
    long bytes() {
        return items.stream().mapToLong(item -> item.line().length).sum();
    }

    /** Returns the maximum length in bytes of the backend's answer to this batch. */
    int maxAnswerBytes() {
        long bytes =
                items.stream().mapToLong(item -> maxAnswerBytes(item.line())).sum();
        return (int) Math.min(2L * CertificateLimit.BYTES, Math.max(BackendClient.MAX_PLAIN_BYTES, bytes));
    }

    /**
     * Returns the maximum length in bytes of the backend's answer to a certificate. An answer quotes at most the
     * certificate, and escapes all characters outside ASCII.
     */
    static int maxAnswerBytes(byte[] line) {
        long bytes = MAX_ANSWER_BYTES;
        for (byte each : line) {
            // an escape has six bytes; a character of four bytes in UTF-8 is two escapes, any other is at most one
            bytes += each >= ' ' && each <= '~' ? 1 : (each & 0xC0) == 0x80 ? 0 : (each & 0xF8) == 0xF0 ? 12 : 6;
        }
        return (int) Math.min(2L * CertificateLimit.BYTES, bytes);
    }

    List<byte[]> lines() {
        return items.stream().map(Item::line).toList();
    }

    List<String> pcsIds() {
        return items.stream().map(item -> item.signed().pcsId()).toList();
    }

    List<OutboxEntry> entries() {
        return items.stream().map(item -> item.queued().entry).toList();
    }

    /**
     * A builder of batches. It reads, stamps and signs due entries. Entries that must not be sent now, and entries that
     * must never be sent again, are left out of the batch and passed to {@link AnswerHandler} or {@link SignatureHold}.
     * Owned by the sender's thread.
     */
    static final class Builder {
        private final Outbox outbox;
        private final AnswerHandler handler;
        private final SignatureHold hold;
        private final Optional<Signer> signer;
        private final Duration maxAge;

        Builder(Outbox outbox, AnswerHandler handler, SignatureHold hold, Optional<Signer> signer, Duration maxAge) {
            this.outbox = outbox;
            this.handler = handler;
            this.hold = hold;
            this.signer = signer;
            this.maxAge = maxAge;
        }

        /**
         * Returns a batch of the due entries that can be sent. The batch may be empty.
         *
         * @param sentAt the current time of the backend's clock
         * @param offset the offset of the backend's clock from the agent's
         * @param age the current reading of the {@link AgeClock}
         * @throws IOException if the outbox can't be read now; no entry has been changed in this case
         */
        Batch build(List<Queued> due, Instant sentAt, Duration offset, Age age) throws IOException {
            if (due.get(0).entry.bodyBytes() > CertificateLimit.BYTES) {
                // alone in its batch, because it is longer than a batch may be
                CertificateLimit.parsing(CertificateLimit.BYTES, () -> giveUp(due.get(0)));
                return new Batch(List.of());
            }
            Map<Long, byte[]> bodies =
                    outbox.bodies(due.stream().map(queued -> queued.entry).toList());
            List<Item> items = new ArrayList<>(due.size());
            for (Queued queued : due) {
                byte[] stored = bodies.get(queued.entry.sequence());
                if (stored == null) {
                    handler.lost(queued);
                } else {
                    item(queued, stored, sentAt, offset, age).ifPresent(items::add);
                }
            }
            return new Batch(items);
        }

        /** Makes an entry a dead letter whose certificate is too long to be parsed. */
        private boolean giveUp(Queued queued) throws IOException {
            byte[] stored = outbox.bodies(List.of(queued.entry)).get(queued.entry.sequence());
            if (stored == null) {
                handler.lost(queued);
                return false;
            }
            handler.deadLetter(queued, "", stored, 0, CertificateLimit.tooLong(stored.length));
            return true;
        }

        private Optional<Item> item(Queued queued, byte[] stored, Instant sentAt, Duration offset, Age age) {
            SendingForm.Stamp stamp =
                    new SendingForm.Stamp(queued.entry.sequence(), queued.sent + 1, sentAt, offset.toMillis());
            SendingForm form;
            try {
                form = SendingForm.stamped(stored, signer, stamp);
            } catch (MalformedCertificate e) {
                handler.deadLetter(queued, "", stored, 0, "can't be signed: " + e.getMessage());
                return Optional.empty();
            }
            if (!hold.admits(queued, form.signed().shardId())) {
                return Optional.empty();
            }
            long unansweredSinceMillis = outbox.unansweredSinceMillis(queued.entry);
            boolean isOld = isOlderThanMaxAge(unansweredSinceMillis, age.certain());
            if (!isOld && isOlderThanMaxAge(unansweredSinceMillis, age.possible())) {
                handler.ageNotCertain(queued);
                return Optional.empty();
            }
            if (isOld) {
                handler.deadLetter(
                        queued,
                        form.signed().pcsId(),
                        stored,
                        0,
                        tooOld(queued, Instant.ofEpochMilli(unansweredSinceMillis)));
                return Optional.empty();
            }
            queued.sent++;
            queued.neverArrivedBefore = unansweredSinceMillis < 0;
            return Optional.of(new Item(queued, form.signed(), stored, form.line()));
        }

        private static String tooOld(Queued queued, Instant unansweredSince) {
            return queued.heldBecause == null
                    ? "older than MAX_AGE: first sent at " + unansweredSince
                            + " without an answer that is provably the backend's; the backend may have recorded it"
                    : "older than MAX_AGE: held since " + unansweredSince + ", sent " + queued.sent
                            + " times; the last refusal was " + queued.heldBecause;
        }

        private boolean isOlderThanMaxAge(long unansweredSinceMillis, Instant age) {
            return unansweredSinceMillis >= 0
                    && Duration.between(Instant.ofEpochMilli(unansweredSinceMillis), age)
                                    .compareTo(maxAge)
                            > 0;
        }
    }
}
