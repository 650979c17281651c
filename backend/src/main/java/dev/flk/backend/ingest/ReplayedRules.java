// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Decides records of the log again, each by the rules that it was logged with. Safe for any thread. */
final class ReplayedRules {
    private final Map<String, DecisionRules> byContext = new ConcurrentHashMap<>();

    /**
     * What was, or would have been, decided of a submission or of evidence; the same at any time.
     *
     * @throws IOException if the record holds no certificate or no rules that this version understands
     */
    Decision decide(LogRecord record) throws IOException {
        return rulesOf(record).decide(certificateIn(record), record.arrivalMillis());
    }

    /** What a submission or evidence holds. */
    Certificate certificateIn(LogRecord record) throws IOException {
        try {
            return CertificateReader.parse(record.body()).checkIgnoringClock();
        } catch (MalformedCertificate | IllegalArgumentException e) {
            throw undecidable(record, e);
        }
    }

    /** The rules that a record was logged with. */
    DecisionRules rulesOf(LogRecord record) throws IOException {
        try {
            return byContext.computeIfAbsent(record.context(), DecisionRules::parse);
        } catch (IllegalArgumentException e) {
            throw undecidable(record, e);
        }
    }

    private static IOException undecidable(LogRecord record, Exception cause) {
        return new IOException(
                "record " + record.sequence() + " of segment "
                        + record.position().segment() + " can't be decided again: " + cause.getMessage(),
                cause);
    }
}
