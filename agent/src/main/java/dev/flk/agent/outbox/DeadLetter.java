// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.OutboxRecords.Name;
import dev.flk.agent.outbox.certificate.JsonMembers;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.zip.CRC32C;

/**
 * A certificate that the agent has given up. Its line in the file of dead letters is a JSON object:
 *
 * <pre>
 * {"when":"2026-11-20T08:00:00Z","outbox_seq":7,"added":1795161600000,"pcs_id":"…","status":400,"reason":"…",
 *  "attempts":1,"certificate":{…},"crc32c":"0a1b2c3d"}
 * </pre>
 *
 * <p>The members {@code outbox_seq} and {@code added} identify the former entry of the outbox. The member {@code
 * status} is present only if the certificate was given up because of an answer. The certificate has its original bytes,
 * except that spaces replace line breaks.
 *
 * @param when the time at which the agent gave the certificate up
 * @param sequence the sequence of the former entry; the sequence and {@code addedMillis} together identify the entry
 * @param pcsId the certificate's {@code pcs_id}; empty if it has none
 * @param status the HTTP status of the answer that made the agent give up; 0 if there was no such answer
 * @param attempts the number of times the certificate was sent between the agent's start and {@code when}
 * @param line the complete line, without its line end
 * @param checksum the result of the comparison of the line with its checksum
 */
public record DeadLetter(
        Instant when,
        long sequence,
        long addedMillis,
        String pcsId,
        int status,
        String reason,
        int attempts,
        byte[] certificate,
        byte[] line,
        Checksum checksum) {
    private static final String CHECKSUM = ",\"crc32c\":\"";
    /** The length of the checksum as the last member, with the end of the object. */
    private static final int CHECKSUM_BYTES = CHECKSUM.length() + 2 * Integer.BYTES + 2;

    private static final String CERTIFICATE = "certificate";

    /** The length from which a line is decoded without parsing its certificate, which may take much memory. */
    private static final int LONG_BYTES = 64 << 10;

    /** The result of the comparison of a line with its checksum. */
    public enum Checksum {
        MATCHES,
        /** The line ends with the certificate, as in version 0.1. */
        MISSING,
        /** The line is damaged, or was edited. */
        DIFFERS
    }

    /** Returns whether the line is not the one that an agent has written. Its certificate must not be signed. */
    public boolean isDamaged() {
        return checksum == Checksum.DIFFERS;
    }

    Name name() {
        return new Name(sequence, addedMillis);
    }

    /** Returns the dead letter for an entry. {@code certificate} is JSON in UTF-8, exactly as the agent accepted it. */
    public static DeadLetter of(
            Instant when,
            OutboxEntry entry,
            String pcsId,
            int status,
            String reason,
            int attempts,
            byte[] certificate) {
        JsonMembers members = new JsonMembers()
                .setText("when", when.toString())
                .set("outbox_seq", Long.toString(entry.sequence()))
                .set("added", Long.toString(entry.addedMillis()))
                .setText("pcs_id", pcsId);
        if (status != 0) {
            members.set("status", Integer.toString(status));
        }
        members.setText("reason", reason)
                .set("attempts", Integer.toString(attempts))
                .set(CERTIFICATE, certificate);
        byte[] line = members.toLine();
        return new DeadLetter(
                when,
                entry.sequence(),
                entry.addedMillis(),
                pcsId,
                status,
                reason,
                attempts,
                certificate,
                withChecksum(line, line.length - 1),
                Checksum.MATCHES);
    }

    /** Returns the first bytes of an object, and their checksum as its last member. */
    private static byte[] withChecksum(byte[] object, int length) {
        CRC32C crc = new CRC32C();
        crc.update(object, 0, length);
        byte[] end = (CHECKSUM + HexFormat.of().toHexDigits((int) crc.getValue()) + "\"}")
                .getBytes(StandardCharsets.US_ASCII);
        byte[] line = Arrays.copyOf(object, length + end.length);
        System.arraycopy(end, 0, line, length, end.length);
        return line;
    }

    private static Checksum checksum(JsonMembers members, byte[] line) {
        if (members.last().equals(CERTIFICATE)) {
            return Checksum.MISSING;
        }
        int length = line.length - CHECKSUM_BYTES;
        return Arrays.equals(withChecksum(line, length), line) ? Checksum.MATCHES : Checksum.DIFFERS;
    }

    /**
     * Decodes a line of the file of dead letters.
     *
     * @throws IOException if the line is not a dead letter
     */
    static DeadLetter decode(byte[] line) throws IOException {
        JsonMembers members = line.length <= LONG_BYTES ? JsonMembers.parse(line) : parseLong(line);
        byte[] certificate = members.get(CERTIFICATE);
        if (certificate == null) {
            throw new IOException("certificate is missing");
        }
        try {
            return new DeadLetter(
                    Instant.parse(members.text("when", Instant.EPOCH.toString())),
                    Long.parseLong(members.text("outbox_seq", "")),
                    Long.parseLong(members.text("added", "")),
                    members.text("pcs_id", ""),
                    Integer.parseInt(members.text("status", "0")),
                    members.text("reason", ""),
                    Integer.parseInt(members.text("attempts", "0")),
                    certificate,
                    line,
                    checksum(members, line));
        } catch (DateTimeException | NumberFormatException e) {
            throw new IOException(
                    "\"when\", \"outbox_seq\", \"added\", \"status\" or \"attempts\" is malformed or missing", e);
        }
    }

    /** Returns the members of a line that an agent has written, without parsing its certificate. */
    private static JsonMembers parseLong(byte[] line) throws IOException {
        // in a string, a backslash would precede the quotation marks
        byte[] name = ",\"certificate\":".getBytes(StandardCharsets.US_ASCII);
        int at = 0;
        while (!Arrays.equals(name, 0, name.length, line, at, at + name.length)) {
            if (++at > line.length - name.length) {
                throw new IOException("certificate is missing");
            }
        }
        byte[] head = Arrays.copyOf(line, at + 1);
        head[at] = '}';
        int checked = line.length - CHECKSUM_BYTES;
        boolean hasChecksum = Arrays.equals(
                CHECKSUM.getBytes(StandardCharsets.US_ASCII),
                0,
                CHECKSUM.length(),
                line,
                checked,
                checked + CHECKSUM.length());
        int end = hasChecksum ? checked : line.length - 1;
        if (line[end - 1] != '}' || line[line.length - 1] != '}') {
            throw new IOException("not a JSON object");
        }
        JsonMembers members = JsonMembers.parse(head).set(CERTIFICATE, Arrays.copyOfRange(line, at + name.length, end));
        return hasChecksum ? members.setText("crc32c", "") : members; // only its place counts here
    }

    /**
     * A filter of dead letters. The filter selects the dead letters that satisfy all of the conditions below.
     *
     * @param reason a text that the reason of the dead letter must contain, in upper or lower case; empty to allow any
     *     reason
     * @param since the earliest time at which the certificate may have been given up; empty to allow any time
     * @param ids {@code pcs_id}s and outbox sequences, one of which must belong to the dead letter; empty to allow
     *     any dead letter
     */
    public record DeadLetterFilter(Optional<String> reason, Optional<Instant> since, List<String> ids)
            implements Predicate<DeadLetter> {
        public DeadLetterFilter {
            ids = List.copyOf(ids);
        }

        /** Returns whether the filter has no condition and therefore selects every dead letter. */
        public boolean isAll() {
            return reason.isEmpty() && since.isEmpty() && ids.isEmpty();
        }

        @Override
        public boolean test(DeadLetter letter) {
            return reason.map(part -> lower(letter.reason()).contains(lower(part)))
                            .orElse(true)
                    && since.map(from -> !letter.when().isBefore(from)).orElse(true)
                    && (ids.isEmpty()
                            || ids.contains(letter.pcsId())
                            || ids.contains(Long.toString(letter.sequence())));
        }

        private static String lower(String text) {
            return text.toLowerCase(Locale.ROOT);
        }
    }
}
