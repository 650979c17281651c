// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.cli.CertificateCommands.CertificateFile;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.send.Signing;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.diagnosis.Diagnosis;
import dev.flk.diagnosis.KeyRing;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.diagnosis.SignatureDiagnosis;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.config.ShortText;
import dev.flk.signing.SignatureCheck;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "verify",
        header = "Check a certificate and its signature, and explain what is wrong.",
        description = {
            "Checks the signature of a certificate with the configured key, and the rules",
            "for all certificates. If the signature is invalid, it tries to find out what",
            "was signed instead: with another algorithm or key, over numbers that were not",
            "rounded, or over another text.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:the backend would accept it, if it has the same key",
            "1:the backend would reject it, or it can't be read",
            "2:wrong usage or configuration"
        })
final class VerifyCommand implements Callable<Integer> {
    private final Context context;

    @Mixin
    private CertificateFile file = new CertificateFile();

    @Option(
            names = "--key",
            paramLabel = "KEYFILE",
            description = {
                "Check with the key in this file instead of the configured one: settings as"
                        + " keygen prints them, or a bare secret.",
                "Further files are only used to explain an invalid signature."
            })
    private List<String> keyFiles = new ArrayList<>();

    @Option(
            names = "--public-key",
            paramLabel = "BASE64",
            description = "Check with this Ed25519 key instead of the configured one.")
    private @Nullable String publicKey;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    VerifyCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        SignatureDiagnosis keys = keys();
        byte[] body = file.read(context);
        Diagnosis signature = null;
        String brokenRule = null;
        try {
            ParsedCertificate certificate = CertificateReader.parse(body);
            signature = keys.of(body, certificate);
            certificate.checkIgnoringClock();
        } catch (MalformedCertificate e) {
            brokenRule = e.getMessage();
        }
        Verified result = new Verified(signature, brokenRule);
        context.output(json).print(result, Verified::text);
        if (!json && brokenRule != null) {
            context.complain(brokenRule);
        }
        return signature != null && signature.isAccepted() && brokenRule == null ? 0 : 1;
    }

    /**
     * The result for a certificate.
     *
     * @param signature the diagnosis of the signature; null if the certificate can't be read
     * @param brokenRule the broken rule, or why the certificate can't be read; null if it is readable and breaks no
     *     rule
     */
    private record Verified(
            @Nullable Diagnosis signature, @Nullable String brokenRule) {
        String text() {
            return signature == null ? "" : Paragraph.wrapped(signature.text());
        }
    }

    private SignatureDiagnosis keys() throws Exception {
        List<KeyRing> rings = new ArrayList<>();
        for (String name : keyFiles) {
            rings.add(usable("--key", () -> readKeys(name)));
        }
        List<NamedKey> all =
                rings.stream().flatMap(ring -> ring.keys().stream()).toList();
        return new SignatureDiagnosis(check(rings), all);
    }

    private KeyRing readKeys(String name) throws IOException {
        try (InputStream in = context.open(name)) {
            String text = ShortText.read(name, in);
            return KeyRing.of(name, text, ShortText.settings(text));
        }
    }

    /**
     * Returns the signature check for the key of {@code --public-key} if the option is given, otherwise for the keys of
     * one algorithm in the first {@code --key} file, otherwise for the configured key.
     */
    private SignatureCheck check(List<KeyRing> rings) throws Exception {
        if (publicKey != null) {
            List<String> only = List.of(publicKey);
            return usable("--public-key", () -> SignatureCheck.ed25519(only));
        }
        if (!rings.isEmpty()) {
            return usable("--key", () -> rings.get(0).check());
        }
        return context.config(Need.SIGNING).signing().map(Signing::check).orElseThrow();
    }

    private <T> T usable(String option, Callable<T> key) throws Exception {
        try {
            return key.call();
        } catch (IllegalArgumentException | IOException e) {
            throw new UsageError(option + ": " + e.getMessage(), e);
        }
    }
}
