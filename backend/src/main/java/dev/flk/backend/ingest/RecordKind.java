// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.wal.LogRecord;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The kinds of the inbox log's records: letters for {@code wal}, names for everything else. */
public final class RecordKind {
    /** A certificate that was taken: its raw body. Decided by the context it was logged in. */
    static final char SUBMISSION = 's';

    /** Other content under an id that was known: its raw body. Never decided. */
    static final char EVIDENCE = 'e';

    /** What stands for an id instead of our own outcome, since another was first: {@code StoredOutcome.encode}. */
    static final char OVERRULED = 'o';

    private RecordKind() {}

    /** The names of all kinds. */
    public static List<String> names() {
        return Stream.of(SUBMISSION, EVIDENCE, OVERRULED)
                .map(RecordKind::nameOf)
                .toList();
    }

    /** {@code submission}, {@code evidence}, {@code overruled}; a letter that this version does not know is its own name. */
    public static String nameOf(char kind) {
        return switch (kind) {
            case SUBMISSION -> "submission";
            case EVIDENCE -> "evidence";
            case OVERRULED -> "overruled";
            default -> String.valueOf(kind);
        };
    }

    /** Whose record it is. */
    public static final class LoggedId {
        private LoggedId() {}

        /** The id of the certificate that a record of the inbox log is about; empty if this version can't tell. */
        public static Optional<PcsId> of(LogRecord record) {
            try {
                return switch (record.kind()) {
                    case RecordKind.SUBMISSION, RecordKind.EVIDENCE ->
                        PcsId.parse(
                                CertificateReader.parse(record.body()).signed().pcsId());
                    case RecordKind.OVERRULED ->
                        Optional.of(Overruled.decode(record.body()).existing().id());
                    default -> Optional.empty();
                };
            } catch (MalformedCertificate | IllegalArgumentException e) {
                return Optional.empty(); // deciding such a record says what is wrong with it
            }
        }
    }

    /**
     * The body of a record of kind {@link RecordKind#OVERRULED}: a line {@code overruled <sequence>}, then the outcome that stands, as
     * {@link StoredOutcome#encode} has it.
     *
     * @param sequence of the submission that lost: it is never asserted again, even when what stands has expired
     * @param existing what stands instead
     */
    record Overruled(long sequence, StoredOutcome existing) {
        private static final String NAME = "overruled ";

        byte[] encode() {
            byte[] line = (NAME + sequence + "\n").getBytes(StandardCharsets.US_ASCII);
            byte[] recorded = existing.encode();
            byte[] bytes = Arrays.copyOf(line, line.length + recorded.length);
            System.arraycopy(recorded, 0, bytes, line.length, recorded.length);
            return bytes;
        }

        /**
         * The inverse of {@link #encode}.
         *
         * @throws IllegalArgumentException if these are no such bytes
         */
        static Overruled decode(byte[] bytes) {
            int lineEnd = 0;
            while (lineEnd < bytes.length && bytes[lineEnd] != '\n') {
                lineEnd++;
            }
            String line = new String(bytes, 0, lineEnd, StandardCharsets.US_ASCII);
            if (lineEnd == bytes.length || !line.startsWith(NAME)) {
                throw new IllegalArgumentException("not an overruled submission: " + line);
            }
            return new Overruled(
                    Long.parseLong(line.substring(NAME.length())),
                    StoredOutcome.decode(Arrays.copyOfRange(bytes, lineEnd + 1, bytes.length)));
        }
    }
}
