// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.cli.Streams.CertificateFile;
import dev.flk.certificate.CertificateReader;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "canonical",
        header = "Print what the signature is made over.",
        description = {
            "Prints the bytes that the signature of a certificate is made over, exactly:",
            "no line end follows."
        })
final class CanonicalCommand implements Callable<Integer> {
    private final Context context;

    @Mixin
    private CertificateFile file = new CertificateFile();

    CanonicalCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        byte[] canonical = CertificateReader.parse(file.read(context)).canonicalForm();
        context.out().write(canonical);
        context.out().flush();
        return 0;
    }
}
