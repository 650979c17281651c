// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** Decides records of the log again, each by the rules that it was logged with. Safe for any thread. */
final class ReplayedRules {
    private final Map<String, DecisionRules> byContext = new ConcurrentHashMap<>();

    /**
     * What was, or would have been, decided of a submission or of evidence; the same at any time.
     *
     * @throws IOException if the record holds no certificate or no rules that this version understands
     */
    Decision decide(LogRecord record) throws IOException {
        return decide(record, null);
    }

    /**
     * The same by other rules.
     *
     * @param instead null: those that it was logged with
     */
    Decision decide(LogRecord record, @Nullable DecisionRules instead) throws IOException {
        try {
            DecisionRules rules =
                    instead == null ? byContext.computeIfAbsent(record.context(), DecisionRules::parse) : instead;
            Certificate certificate = CertificateReader.parse(record.body()).checkIgnoringClock();
            return rules.decide(certificate, record.arrivalMillis());
        } catch (MalformedCertificate | IllegalArgumentException e) {
            throw new IOException(
                    "record " + record.sequence() + " of segment "
                            + record.position().segment() + " can't be decided again: " + e.getMessage(),
                    e);
        }
    }
}
