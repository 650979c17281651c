// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.decide.RecordKind.LoggedId;
import dev.flk.certificate.PcsId;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A reader of the bodies of one certificate from the inbox log: the submission that was decided, and different content
 * under the same id that arrived soon afterwards. Safe for any thread.
 */
public final class LoggedBodies {
    /** The maximum number of records that are looked at from the time before the arrival on. */
    private static final int MOST_READ = 100_000;

    /** The maximum number of records that are looked at after the first body was found. */
    private static final int MOST_AFTER = 10_000;

    private static final int MOST_BODIES = 10;
    private static final long MOST_BYTES = 1 << 20;
    /** The maximum time by which the arrivals of records in the log may be out of order. */
    private static final long SLACK_MILLIS = 1_000;

    private static final long LOOKED_AFTER_MILLIS = 60_000;
    /** The maximum time by which a clock that was set back may have put later arrivals before the wanted one. */
    private static final long SET_BACK_MILLIS = 300_000;

    private final DecidedLog log;

    public LoggedBodies(DecidedLog log) {
        this.log = log;
    }

    /**
     * A logged body.
     *
     * @param kind the kind of the record, as the commands name it
     * @param keyId the key that signed the body
     */
    public record Body(long sequence, String kind, Instant arrived, String keyId, byte[] bytes) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Body body && sequence == body.sequence;
        }

        @Override
        public int hashCode() {
            return Long.hashCode(sequence);
        }

        @Override
        public String toString() {
            return kind + " " + sequence;
        }

        /** Returns the body as it was submitted. */
        public String text() {
            return new String(bytes, StandardCharsets.UTF_8);
        }
    }

    /**
     * Finds the first bodies of a certificate, in the order of the log. Takes up to a few seconds.
     *
     * @param arrived the arrival of the submission that was decided
     * @return an empty list if the log no longer has the submission
     * @throws IOException if the log can't be read
     */
    public List<Body> find(PcsId id, Instant arrived) throws IOException {
        long wanted = arrived.toEpochMilli();
        byte[] text = id.toString().getBytes(StandardCharsets.US_ASCII);
        List<Body> found = new ArrayList<>();
        try (LogWalk walk = log.walk(segmentOf(wanted - SLACK_MILLIS))) {
            long bytes = 0;
            int left = MOST_READ;
            while (left > 0 && found.size() < MOST_BODIES && bytes < MOST_BYTES) {
                LogRecord record = walk.next();
                long after = record == null ? Long.MAX_VALUE : record.arrivalMillis() - wanted;
                if (record == null
                        || after > LOOKED_AFTER_MILLIS + SET_BACK_MILLIS
                        || (after > LOOKED_AFTER_MILLIS && !found.isEmpty())) {
                    break;
                }
                left -= after < -SLACK_MILLIS ? 0 : 1;
                if (after >= -SLACK_MILLIS
                        && after <= LOOKED_AFTER_MILLIS
                        && record.kind() != RecordKind.OVERRULED
                        && record.kind() != RecordKind.REVIEW
                        && contains(record.body(), text)
                        && LoggedId.of(record).equals(Optional.of(id))) {
                    left = found.isEmpty() ? MOST_AFTER : left;
                    bytes += record.body().length;
                    found.add(new Body(
                            record.sequence(),
                            RecordKind.nameOf(record.kind()),
                            Instant.ofEpochMilli(record.arrivalMillis()),
                            record.keyId(),
                            record.body()));
                }
            }
        }
        return found;
    }

    /** Returns the first sequence of the last segment that begins with a record that arrived until a time. */
    private long segmentOf(long millis) throws IOException {
        List<Long> beginnings = log.beginnings();
        int from = 0;
        int to = beginnings.size();
        while (to - from > 1) {
            int middle = (from + to) / 2;
            LogRecord record = firstFrom(beginnings.get(middle));
            if (record != null && record.arrivalMillis() <= millis) {
                from = middle;
            } else {
                to = middle;
            }
        }
        return beginnings.isEmpty() ? 1 : beginnings.get(from);
    }

    private @Nullable LogRecord firstFrom(long sequence) throws IOException {
        try (LogWalk walk = log.walk(sequence)) {
            return walk.next();
        }
    }

    private static boolean contains(byte[] body, byte[] text) {
        for (int at = 0; at + text.length <= body.length; at++) {
            if (body[at] == text[0] && Arrays.equals(body, at, at + text.length, text, 0, text.length)) {
                return true;
            }
        }
        return false;
    }
}
