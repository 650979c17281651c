// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.cli.Streams.CertificateFile;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.config.Signing;
import dev.flk.agent.send.SendingForm;
import dev.flk.signing.Signer;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "sign",
        header = "Sign a certificate.",
        description = {
            "Prints a certificate on one line, signed with the configured key; a signature",
            "that it has is replaced, sent_at is added if missing, all else stays as it is."
        })
final class SignCommand implements Callable<Integer> {
    private final Context context;

    @Mixin
    private CertificateFile file = new CertificateFile();

    SignCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        AgentConfig config = context.config(Need.SIGNING);
        Optional<Signer> signer = config.signing().flatMap(Signing::signer);
        if (signer.isEmpty()) {
            context.complain("PCS_SIGN_ALG is none; set hmac or ed25519 and a key to sign");
            return 2;
        }
        context.out()
                .write(SendingForm.signed(file.read(context), signer, Instant.now())
                        .line());
        context.out().println();
        return 0;
    }
}
