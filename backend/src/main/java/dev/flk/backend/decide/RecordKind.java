// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.wal.segment.LogRecord;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The kinds of records in the inbox log. The log stores a letter; commands and messages show a name. */
public final class RecordKind {
    /**
     * The raw body of a certificate that must be decided. The rules for the decision ({@link DecisionRules}) are in the
     * header of the record's segment, as the context of the segment.
     */
    public static final char SUBMISSION = 's';

    /** The raw body of a certificate whose id is already known, but with different content. It is never decided. */
    public static final char EVIDENCE = 'e';

    /**
     * The note that a submission was overruled: another outcome had been recorded first for its id. Encoded by
     * {@link Overruled}.
     */
    public static final char OVERRULED = 'o';

    /**
     * A person's review of a certificate, or the note that a review never took effect. Encoded by {@link LoggedReview}.
     */
    public static final char REVIEW = 'r';

    private RecordKind() {}

    /** Returns the names of all kinds. */
    public static List<String> names() {
        return Stream.of(SUBMISSION, EVIDENCE, OVERRULED, REVIEW)
                .map(RecordKind::nameOf)
                .toList();
    }

    /**
     * Returns {@code submission}, {@code evidence}, {@code overruled} or {@code review}, or the letter itself if this
     * version does not know it.
     */
    public static String nameOf(char kind) {
        return switch (kind) {
            case SUBMISSION -> "submission";
            case EVIDENCE -> "evidence";
            case OVERRULED -> "overruled";
            case REVIEW -> "review";
            default -> String.valueOf(kind);
        };
    }

    /** A reader of the id in a record. */
    public static final class LoggedId {
        private LoggedId() {}

        /** Returns the id of the certificate in a record of the inbox log; empty if this version can't read it. */
        public static Optional<PcsId> of(LogRecord record) {
            try {
                return switch (record.kind()) {
                    case RecordKind.SUBMISSION, RecordKind.EVIDENCE ->
                        PcsId.parse(
                                CertificateReader.parse(record.body()).signed().pcsId());
                    case RecordKind.OVERRULED ->
                        Overruled.in(record)
                                .map(overruled -> overruled.existing().id());
                    case RecordKind.REVIEW ->
                        LoggedReview.voided(record).isPresent()
                                ? Optional.empty()
                                : PcsId.parse(LoggedReview.decode(record.body()).pcsId());
                    default -> Optional.empty();
                };
            } catch (MalformedCertificate | IllegalArgumentException e) {
                return Optional.empty(); // deciding such a record reports what is wrong with it
            }
        }
    }

    /**
     * The body of a record of kind {@link RecordKind#OVERRULED}: a line {@code overruled <sequence>}, followed by the
     * recorded outcome, as encoded by {@link StoredOutcome#encode}.
     *
     * @param sequence the sequence of the overruled submission; its own outcome is never put into a store again, even
     *     after the recorded outcome has expired
     * @param existing the recorded outcome, which applies instead
     */
    public record Overruled(long sequence, StoredOutcome existing) {
        private static final String NAME = "overruled ";

        public byte[] encode() {
            byte[] line = (NAME + sequence + "\n").getBytes(StandardCharsets.US_ASCII);
            byte[] recorded = existing.encode();
            byte[] bytes = Arrays.copyOf(line, line.length + recorded.length);
            System.arraycopy(recorded, 0, bytes, line.length, recorded.length);
            return bytes;
        }

        /**
         * Returns the content of an overruled record; empty for a record of another kind.
         *
         * @throws IllegalArgumentException if this version does not understand the record
         */
        public static Optional<Overruled> in(LogRecord record) {
            return record.kind() == RecordKind.OVERRULED ? Optional.of(decode(record.body())) : Optional.empty();
        }

        /**
         * Decodes the output of {@link #encode}.
         *
         * @throws IllegalArgumentException if the bytes do not have the form that {@link #encode} writes
         */
        public static Overruled decode(byte[] bytes) {
            int lineEnd = 0;
            while (lineEnd < bytes.length && bytes[lineEnd] != '\n') {
                lineEnd++;
            }
            String line = new String(bytes, 0, lineEnd, StandardCharsets.US_ASCII);
            if (lineEnd == bytes.length || !line.startsWith(NAME)) {
                throw new IllegalArgumentException("not the body of a record of kind overruled: " + line);
            }
            return new Overruled(
                    Long.parseLong(line.substring(NAME.length())),
                    StoredOutcome.decode(Arrays.copyOfRange(bytes, lineEnd + 1, bytes.length)));
        }
    }
}
