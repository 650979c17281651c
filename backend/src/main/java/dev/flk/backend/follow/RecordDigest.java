// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.canonical.Sha256;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.wal.segment.LogRecord;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** Short digests that identify a record of the log, so that a log that went back is noticed. */
final class RecordDigest {
    private static final int DIGEST_BYTES = 8;

    private RecordDigest() {}

    /**
     * Returns the digest of a record: the first 16 hex digits of SHA-256 over its sequence, arrival, key, and the content
     * digest of the certificate or, for a record that is not a submission, its body.
     */
    static String of(LogRecord record) {
        return of(record.sequence(), record.arrivalMillis(), record.keyId(), content(record));
    }

    /** Returns the digest of the record of a submission. */
    static String of(DecidedSubmission submission) {
        return of(
                submission.sequence(),
                submission.arrivalMillis(),
                submission.keyId(),
                submission.certificate().contentDigest().toBytes());
    }

    private static byte[] content(LogRecord record) {
        if (!LoggedOutcomes.isSubmission(record)) {
            return record.body();
        }
        try {
            return CertificateReader.parse(record.body())
                    .checkIgnoringClock()
                    .contentDigest()
                    .toBytes();
        } catch (MalformedCertificate e) {
            return record.body();
        }
    }

    private static String of(long sequence, long arrivalMillis, String keyId, byte[] content) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.writeBytes((sequence + " " + arrivalMillis + " " + keyId + "\n").getBytes(StandardCharsets.UTF_8));
        all.writeBytes(content);
        return HexFormat.of().formatHex(Sha256.of(all.toByteArray()), 0, DIGEST_BYTES);
    }
}
