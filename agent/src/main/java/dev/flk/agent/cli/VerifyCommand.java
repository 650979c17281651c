// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.config.Signing;
import dev.flk.canonical.CanonicalForm;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.signing.KeyId;
import dev.flk.signing.SignatureCheck;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "verify",
        header = "Check a certificate and its signature.",
        description = {
            "Checks the signature of a certificate with the configured key, and the rules",
            "that every certificate must keep. Exit code 1 if the backend would refuse it."
        })
final class VerifyCommand implements Callable<Integer> {
    private final Context context;

    @Mixin
    private CertificateFile file = new CertificateFile();

    @Option(
            names = "--public-key",
            paramLabel = "BASE64",
            description = "Check with this Ed25519 key instead of the configured one.")
    private @Nullable String publicKey;

    @Spec
    private @Nullable CommandSpec spec;

    VerifyCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        SignatureCheck check = check();
        ParsedCertificate certificate = CertificateReader.parse(file.read(context));
        Optional<KeyId> key = check.verify(CanonicalForm.of(certificate.signed()), certificate.sig());
        if (key.isEmpty()) {
            context.err()
                    .println("flk-agent: "
                            + (certificate.sig() == null
                                    ? "there is no signature"
                                    : "the signature is not by this key, or a signed field was changed"));
            return 1;
        }
        certificate.checkIgnoringClock();
        context.out()
                .println(
                        key.get().equals(KeyId.NONE)
                                ? "signature not checked (PCS_SIGN_ALG is none)"
                                : "signature good, key " + key.get());
        return 0;
    }

    private SignatureCheck check() throws Exception {
        if (publicKey == null) {
            return context.config(Need.SIGNING).signing().map(Signing::check).orElseThrow();
        }
        try {
            return SignatureCheck.ed25519(List.of(publicKey));
        } catch (IllegalArgumentException e) {
            throw new ParameterException(
                    Objects.requireNonNull(spec).commandLine(), "--public-key: " + e.getMessage(), e);
        }
    }
}
