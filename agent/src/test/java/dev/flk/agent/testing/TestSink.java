// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.testing;

import dev.flk.agent.outbox.certificate.CertificateSink;
import java.io.IOException;
import java.util.List;

/** A sink of certificates that calls a test's code. */
public record TestSink(Appending appending) implements CertificateSink {
    /** The test's code that receives the certificates. */
    public interface Appending {
        void append(List<byte[]> certificates) throws IOException;
    }

    @Override
    public void append(List<byte[]> certificates) throws IOException {
        appending.append(certificates);
    }

    @Override
    public long maxBytes() {
        return 1 << 20;
    }

    @Override
    public String name() {
        return "outbox";
    }
}
