// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.canonical.JsonLine;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.diagnosis.Diagnosis;
import dev.flk.diagnosis.DiagnosisJson;
import dev.flk.diagnosis.DiagnosisText;
import java.time.Instant;

/** What is to be said of a certificate's signature. */
interface ExplainedSignature {
    /** Whether a backend takes it. */
    boolean isTaken();

    /** Lines of at most 80 columns, each with its end. */
    String text();

    /** Adds the member {@code signature}, and those that belong to it. */
    void members(JsonLine line);

    /** Who explains signatures. */
    @FunctionalInterface
    interface Source {
        /** Takes seconds at the most; {@code body} is what the certificate was read from. */
        ExplainedSignature of(byte[] body, ParsedCertificate certificate, Instant now);
    }

    /** Checked with keys that stand in the configuration itself. */
    record Simple(Diagnosis diagnosis) implements ExplainedSignature {
        @Override
        public boolean isTaken() {
            return diagnosis.isTaken();
        }

        @Override
        public String text() {
            return DiagnosisText.of(diagnosis);
        }

        @Override
        public void members(JsonLine line) {
            JsonLine unused = line.json("signature", DiagnosisJson.of(diagnosis));
        }
    }
}
