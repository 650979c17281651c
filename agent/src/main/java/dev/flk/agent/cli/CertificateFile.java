// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.source.Intake;
import java.io.IOException;
import java.io.InputStream;
import picocli.CommandLine.Parameters;

/** The argument of the commands that look at one certificate. */
final class CertificateFile {
    @Parameters(paramLabel = "FILE", description = "A certificate in JSON; - is standard input.")
    private String name = "";

    byte[] read(Context context) throws IOException {
        try (InputStream in = Streams.open(name, context)) {
            byte[] bytes = in.readNBytes(Intake.MAX_CERTIFICATE_BYTES + 1);
            if (bytes.length > Intake.MAX_CERTIFICATE_BYTES) {
                throw new IOException(name + " is longer than " + Intake.MAX_CERTIFICATE_BYTES + " bytes");
            }
            return bytes;
        }
    }
}
