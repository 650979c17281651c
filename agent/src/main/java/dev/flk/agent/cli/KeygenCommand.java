// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.signing.Ed25519Signer;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "keygen",
        header = "Make a new key.",
        description = {
            "Makes a new key and prints it as settings, one a line: those of the agent, and",
            "for ed25519 also the public key for the backend. Keep the output secret."
        })
final class KeygenCommand implements Callable<Integer> {
    private static final int KEY_BYTES = 32;

    private final Context context;

    @Option(names = "--alg", paramLabel = "ALG", description = "hmac (the preset) or ed25519.")
    private Algorithm algorithm = Algorithm.hmac;

    /** Named as people write them. */
    enum Algorithm {
        hmac,
        ed25519
    }

    KeygenCommand(Context context) {
        this.context = context;
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
                context.out().println("# for the backend, beside PCS_SIGN_ALG=ed25519:");
                context.out().println("#PCS_ED25519_PUB_B64=" + new Ed25519Signer(key).publicKeyBase64());
            }
        }
        return 0;
    }
}
