// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.config.AnswerRules;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.SigningConfig;
import dev.flk.diagnosis.KeyRing;
import dev.flk.diagnosis.NamedKey;
import dev.flk.diagnosis.SignatureDiagnosis;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SuspectKey;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code explain}: what a certificate would be answered, and why. */
@Command(
        name = "explain",
        description = {
            "Says what a certificate would be answered, and why.",
            "",
            "A signature that is refused is tried with other keys, algorithms and texts to",
            "find out what was signed instead. With a keys file (KEYS_FILE) it is told which",
            "key has signed, and whether that one may sign for the shard, now. Else each step",
            "of the verification is shown with its numbers. The last line is the answer: its",
            "status, and its body to the byte, as if no other certificate had come under the",
            "id.",
            "",
            "Needs the policy and the keys of the configuration, nothing else of it; if no",
            "key is configured at all, it says that the signature was not checked, and goes",
            "on. Opens neither log nor store. The keys file is read as it is now: a backend",
            "that could not read it goes on with the keys it had.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:it would be accepted (200)",
            "1:it would be escalated, rejected or refused (any other status), or can't be read",
            "2:wrong usage or configuration"
        },
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class ExplainCommand implements Callable<Integer> {
    private final Map<String, String> environment;
    private final ConfigOption config;
    private final InstantSource clock;

    @Parameters(paramLabel = "FILE", description = "A certificate in JSON; - is standard input.")
    private String file = "";

    @Option(
            names = "--try-key",
            paramLabel = "KEYFILE",
            description = {
                "If no configured key fits, try the keys in this file too: settings as"
                        + " 'flk-agent keygen' prints them, or a bare secret. May be given several times.",
                "If no key is configured, the first one is what signatures are checked with."
            })
    private List<Path> keyFiles = new ArrayList<>();

    @Option(names = "--json", description = "For programs: one JSON object.")
    private boolean json;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    ExplainCommand(Map<String, String> environment, ConfigOption config, InstantSource clock) {
        this.environment = environment;
        this.config = config;
        this.clock = clock;
    }

    @Override
    public Integer call() throws IOException {
        AnswerRules rules = BackendConfig.answerRules(environment, config.file);
        ExplainedSignature.Source signatures = signatures(rules);
        ExplainedAnswer explained = ExplainedAnswer.of(read(rules.maxBodyBytes()), rules, signatures, clock.instant());
        PrintWriter out = spec.commandLine().getOut();
        out.print(json ? ExplainJson.of(explained) : ExplainText.of(explained));
        out.flush();
        return explained.isAccepted() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /** At most one byte more than is taken. */
    private byte[] read(int maxBytes) throws IOException {
        try (InputStream in = file.equals("-") ? System.in : Files.newInputStream(Path.of(file))) {
            return in.readNBytes(maxBytes == Integer.MAX_VALUE ? maxBytes : maxBytes + 1);
        }
    }

    private ExplainedSignature.Source signatures(AnswerRules rules) {
        try {
            List<KeyRing> rings = new ArrayList<>();
            for (Path keyFile : keyFiles) {
                rings.add(KeyFile.read(keyFile));
            }
            if (rules.signing().orElse(null) instanceof SigningConfig.Registered registered) {
                List<NamedKey> further =
                        rings.stream().flatMap(ring -> ring.keys().stream()).toList();
                return RegisteredSignature.by(registered.read(), further);
            }
            SignatureCheck check = rules.signing()
                    .filter(SigningConfig.Simple.class::isInstance)
                    .map(SigningConfig.Simple.class::cast)
                    .map(SigningConfig.Simple::check)
                    .orElseGet(() -> rings.isEmpty()
                            ? SignatureCheck.none()
                            : rings.get(0).check());
            List<NamedKey> others = notInForce(rules);
            rings.forEach(ring -> others.addAll(ring.keys()));
            SignatureDiagnosis diagnosis = new SignatureDiagnosis(check, others);
            return (body, certificate, now) -> new ExplainedSignature.Simple(diagnosis.of(body, certificate));
        } catch (IOException e) {
            throw wrongKeyFile(CommandLineProgram.describe(e));
        } catch (IllegalArgumentException e) {
            throw wrongKeyFile(String.valueOf(e.getMessage()));
        }
    }

    private ParameterException wrongKeyFile(String why) {
        return new ParameterException(spec.commandLine(), "--try-key: " + why);
    }

    /** Keys that are configured for the algorithm that is not; what is no key is nobody's business then. */
    private static List<NamedKey> notInForce(AnswerRules rules) {
        List<NamedKey> keys = new ArrayList<>();
        rules.publicKeys().forEach(key -> publicKey(key).ifPresent(keys::add));
        rules.secrets().stream()
                .filter(secret -> !secret.text().isEmpty())
                .forEach(secret ->
                        keys.add(new NamedKey("PCS_HMAC_KEY or PCS_HMAC_KEYS", SuspectKey.secret(secret.text()))));
        return keys;
    }

    private static Optional<NamedKey> publicKey(String base64) {
        try {
            return Optional.of(new NamedKey("PCS_ED25519_PUB_B64", SuspectKey.publicKey(base64)));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }
}
