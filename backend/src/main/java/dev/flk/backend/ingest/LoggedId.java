// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.wal.LogRecord;
import java.util.Optional;

/** Whose record it is. */
public final class LoggedId {
    private LoggedId() {}

    /** The id of the certificate that a record of the inbox log is about; empty if this version can't tell. */
    public static Optional<PcsId> of(LogRecord record) {
        try {
            return switch (record.kind()) {
                case RecordKind.SUBMISSION, RecordKind.EVIDENCE ->
                    PcsId.parse(CertificateReader.parse(record.body()).signed().pcsId());
                case RecordKind.OVERRULED ->
                    Optional.of(Overruled.decode(record.body()).standing().id());
                default -> Optional.empty();
            };
        } catch (MalformedCertificate | IllegalArgumentException e) {
            return Optional.empty(); // whoever decides such a record says what is wrong with it
        }
    }
}
