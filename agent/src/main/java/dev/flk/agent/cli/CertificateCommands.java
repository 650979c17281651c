// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.send.SendingForm;
import dev.flk.certificate.CertificateReader;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.Signer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.Base64;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The commands {@code canonical} and {@code sign}, which work on a single certificate, and {@code keygen}. */
final class CertificateCommands {
    private final Context context;

    CertificateCommands(Context context) {
        this.context = context;
    }

    @Command(
            name = "canonical",
            header = "Print the bytes that a certificate's signature covers.",
            description = {"Prints exactly the bytes that the signature of a certificate covers,", "without a line end."
            })
    final class Canonical implements Callable<Integer> {
        @Mixin
        private CertificateFile file = new CertificateFile();

        @Override
        public Integer call() throws Exception {
            byte[] canonical = CertificateReader.parse(file.read(context)).canonicalForm();
            context.out().print(new String(canonical, StandardCharsets.US_ASCII));
            return 0;
        }
    }

    @Command(
            name = "sign",
            header = "Sign a certificate.",
            description = {
                "Prints a certificate on one line, signed with the configured key. Replaces an",
                "existing signature and adds sent_at if it is missing; changes nothing else."
            })
    final class Sign implements Callable<Integer> {
        @Mixin
        private CertificateFile file = new CertificateFile();

        @Override
        public Integer call() throws Exception {
            Optional<Signer> signer = context.config(Need.SIGNING).sending().signer();
            if (signer.isEmpty()) {
                context.complain("PCS_SIGN_ALG=none does not sign; set hmac or ed25519, and a key");
                return 2;
            }
            byte[] line = SendingForm.signed(file.read(context), signer, Instant.now())
                    .line();
            context.out().println(new String(line, StandardCharsets.UTF_8));
            return 0;
        }
    }

    @Command(
            name = "keygen",
            header = "Generate a new key.",
            description = {
                "Generates a key and prints it as settings, one per line: those of the agent,",
                "and for ed25519 also the public key for the backend. Keep the output secret."
            })
    final class Keygen implements Callable<Integer> {
        private static final int KEY_BYTES = 32;

        @Option(names = "--alg", paramLabel = "ALG", description = "hmac (the default) or ed25519.")
        private Algorithm algorithm = Algorithm.hmac;

        /** The algorithms of {@code keygen}; the constants are written as users write them. */
        enum Algorithm {
            hmac,
            ed25519
        }

        @Override
        public Integer call() {
            byte[] key = new byte[KEY_BYTES];
            new SecureRandom().nextBytes(key);
            String base64 = Base64.getEncoder().encodeToString(key);
            context.out().println("PCS_SIGN_ALG=" + algorithm);
            switch (algorithm) {
                case hmac -> context.out().println("PCS_HMAC_KEY=" + base64);
                case ed25519 -> {
                    context.out().println("PCS_ED25519_PRIV_B64=" + base64);
                    context.out().println("# for the backend, with PCS_SIGN_ALG=ed25519:");
                    context.out().println("#PCS_ED25519_PUB_B64=" + new Ed25519Signer(key).publicKeyBase64());
                }
            }
            return 0;
        }
    }

    /** The argument of the commands that read one certificate. */
    static final class CertificateFile {
        @Parameters(paramLabel = "FILE", description = "A certificate in JSON; - reads standard input.")
        private String name = "";

        byte[] read(Context context) throws IOException {
            try (InputStream in = context.open(name)) {
                byte[] bytes = in.readNBytes(CertificateLimit.BYTES + 1);
                if (bytes.length > CertificateLimit.BYTES) {
                    throw new IOException(name + " is longer than " + CertificateLimit.BYTES + " bytes");
                }
                return bytes;
            }
        }
    }
}
