// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.wal.LogRecord;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** What the inbox log's records are; {@code wal} knows them as letters. Who else looks at them is given names. */
public final class RecordKind {
    /** A certificate that was taken: its raw body. Decided by the context it was logged in. */
    static final char SUBMISSION = 's';

    /** Other content under an id that was known: its raw body. Never decided. */
    static final char EVIDENCE = 'e';

    /** What stands for an id instead of our own outcome, since another was first: {@code Recorded.encode}. */
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
                        Optional.of(Overruled.decode(record.body()).standing().id());
                    default -> Optional.empty();
                };
            } catch (MalformedCertificate | IllegalArgumentException e) {
                return Optional.empty(); // whoever decides such a record says what is wrong with it
            }
        }
    }
}
