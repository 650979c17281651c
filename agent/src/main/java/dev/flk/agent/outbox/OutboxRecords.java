// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.Outbox.LastSending;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The records of the outbox's log. Numbers are decimal and separated by one space; times are milliseconds since 1970.
 *
 * <pre>
 * kind   body
 * c      a certificate as the agent accepted it, JSON in UTF-8; the entry has the sequence of this record
 * r      a requeued dead letter: sequence and time of the former entry, a line feed, the certificate;
 *        the new entry has the sequence of this record
 * m      a pending or lost entry, appended again so that its old segment can be removed: the sequence of the entry,
 *        the time when it was added, the time of its first unanswered sending (-1 if no sending is unanswered), a
 *        line feed, the certificate
 * s      settled entries: the settlement (200, 202 or dead; in old logs also lost), and the sequences of the entries
 * b      entries about to be sent: the time on the clock that measures MAX_AGE (the record itself has the time of
 *        the agent's clock), and the sequences of the entries. Until a later record s or n contains the sequence of an
 *        entry, the entry may have arrived at the backend. A record without sequences follows records m and repeats the
 *        time of the last sending, because the segment with the earlier record may then be removed
 * n      entries that were sent but have not arrived: the sequences of the entries
 * q      requeued dead letters that may still be in the file of dead letters: sequence and time of each former entry.
 *        The record is written before the segments with earlier records r or q of these dead letters are removed
 * </pre>
 */
final class OutboxRecords {
    static final char CERTIFICATE = 'c';
    static final char REQUEUED = 'r';
    static final char MOVED = 'm';
    static final char SETTLED = 's';
    static final char BEING_SENT = 'b';
    static final char NOT_ARRIVED = 'n';
    static final char STILL_IN_FILE = 'q';
    static final String PREFIX = "outbox";
    /**
     * The key id in every record. It means that the record has no key: a certificate is signed only when it is sent.
     */
    private static final String NO_KEY = "-";

    private OutboxRecords() {}

    /** Returns a new record that can be appended to the log. */
    static Entry record(char kind, long millis, byte[] body) {
        return new Entry(kind, NO_KEY, Math.max(0, millis), body);
    }

    static byte[] numbers(List<Long> numbers) {
        return ascii(join(numbers));
    }

    /**
     * Returns a record of the kind {@link #BEING_SENT}: the entries with these sequences are about to be sent. If there
     * are no sequences, the record only repeats the time of the last sending.
     */
    static Entry beingSent(LastSending when, List<Long> sequences) {
        List<Long> numbers = new ArrayList<>(List.of(when.age().toEpochMilli()));
        numbers.addAll(sequences);
        return record(BEING_SENT, when.own().toEpochMilli(), numbers(numbers));
    }

    static byte[] settled(SettledAs how, List<Long> sequences) {
        return ascii(how.word() + " " + join(sequences));
    }

    static byte[] requeued(Name was, byte[] certificate) {
        return headed(was.sequence() + " " + was.addedMillis(), certificate);
    }

    static byte[] moved(OutboxEntry entry, byte[] certificate) {
        return headed(entry.sequence() + " " + entry.addedMillis() + " " + entry.unansweredSinceMillis(), certificate);
    }

    static SettledAs settlement(byte[] settled) {
        String text = new String(settled, StandardCharsets.US_ASCII);
        return SettledAs.ofWord(text.substring(0, text.indexOf(' ')));
    }

    static long[] settledSequences(byte[] settled) {
        String text = new String(settled, StandardCharsets.US_ASCII);
        return numbers(text.substring(text.indexOf(' ') + 1));
    }

    static long[] numbers(byte[] body) {
        return numbers(new String(body, StandardCharsets.US_ASCII));
    }

    static byte[] names(Collection<Name> names) {
        return numbers(names.stream()
                .flatMap(name -> Stream.of(name.sequence(), name.addedMillis()))
                .toList());
    }

    static List<Name> names(byte[] body) {
        long[] numbers = numbers(body);
        List<Name> names = new ArrayList<>();
        for (int i = 0; i + 1 < numbers.length; i += 2) {
            names.add(new Name(numbers[i], numbers[i + 1]));
        }
        return names;
    }

    static Name formerName(byte[] requeued) {
        long[] numbers = numbers(head(requeued));
        return new Name(numbers[0], numbers[1]);
    }

    /**
     * Returns the entry whose certificate a record contains. Its {@code bodyBytes} is the length of the certificate,
     * not of the record's body.
     */
    static OutboxEntry entry(LogRecord record) {
        int bytes = record.body().length - headBytes(record);
        if (record.kind() != MOVED) {
            return new OutboxEntry(record.sequence(), record.arrivalMillis(), bytes, -1);
        }
        long[] numbers = numbers(head(record.body()));
        return new OutboxEntry(numbers[0], numbers[1], bytes, numbers[2]);
    }

    /** Returns whether records of a kind contain a certificate. */
    static boolean holdsCertificate(char kind) {
        return kind == CERTIFICATE || kind == REQUEUED || kind == MOVED;
    }

    /** Returns the certificate in a record. The record must contain a certificate. */
    static byte[] certificate(LogRecord record) {
        byte[] body = record.body();
        int from = headBytes(record);
        return from == 0 ? body : Arrays.copyOfRange(body, from, body.length);
    }

    /**
     * Returns the shard id of a record's certificate; {@link Shards#OTHERS} if the certificate has no valid shard id.
     */
    static String shard(LogRecord record) {
        return Shards.nameIn(record.body(), headBytes(record));
    }

    /** Returns the error for a record of a kind that this version does not know. */
    static IOException unknown(LogRecord record) {
        return new IOException("the outbox has a record of the unknown kind " + record.kind() + " at sequence "
                + record.sequence() + "; a newer version wrote it: use that version");
    }

    private static int headBytes(LogRecord record) {
        return record.kind() == CERTIFICATE ? 0 : head(record.body()).length() + 1;
    }

    private static String head(byte[] body) {
        int end = 0;
        while (end < body.length && body[end] != '\n') {
            end++;
        }
        return new String(body, 0, end, StandardCharsets.US_ASCII);
    }

    private static byte[] headed(String head, byte[] certificate) {
        byte[] line = ascii(head + "\n");
        byte[] body = Arrays.copyOf(line, line.length + certificate.length);
        System.arraycopy(certificate, 0, body, line.length, certificate.length);
        return body;
    }

    private static String join(List<Long> numbers) {
        return numbers.stream().map(String::valueOf).collect(Collectors.joining(" "));
    }

    private static long[] numbers(String text) {
        return Arrays.stream(text.split(" ")).mapToLong(Long::parseLong).toArray();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    /**
     * The permanent name of an entry: its sequence and the time at which it was added. The time keeps names unique if
     * the outbox is deleted and its sequences start again.
     *
     * @param addedMillis the time at which the entry was added, in milliseconds since 1970
     */
    record Name(long sequence, long addedMillis) {}
}
