// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import com.fasterxml.jackson.databind.util.RawValue;
import dev.flk.backend.access.keys.KeysFile;
import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.BackendConfig.AnswerRules;
import dev.flk.backend.decide.ExplainedStep;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.serve.OutcomeRenderer;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.diagnosis.KeyRing;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.diagnosis.SignatureDiagnosis;
import dev.flk.http.Answer;
import dev.flk.http.Refusal;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.config.ShortText;
import dev.flk.program.json.Json;
import dev.flk.signing.CandidateKey;
import dev.flk.signing.SignatureCheck;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verifier;
import dev.flk.verification.Verifier.Explanation;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code explain}, which prints the answer that a certificate would get, and why. */
@Command(
        name = "explain",
        description = {
            "Prints the answer that a certificate would get, and explains it.",
            "",
            "If the signature is refused, the command tries other keys, algorithms and texts",
            "to find out what was signed instead. With a keys file (KEYS_FILE), it names the",
            "key that signed and says whether that key may sign for the shard now. If the",
            "signature is good, it shows each step of the verification with its numbers. The",
            "last line is the answer, its status and its exact body, as if no other",
            "certificate with the same id had been submitted.",
            "",
            "It needs only the policy and the keys of the configuration. If no key is",
            "configured, it says that the signature was not checked and continues. It opens",
            "neither the log nor the store. It reads the keys file as it is now; a backend",
            "that could not read the file keeps the keys it had.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:it would be accepted (200)",
            "1:it would be escalated, rejected or refused (any other status), or can't be read",
            "2:wrong usage or configuration"
        })
final class ExplainCommand implements Callable<Integer> {
    private final Configuration config;
    private final InstantSource clock;

    @Parameters(paramLabel = "FILE", description = "A certificate in JSON; - reads standard input.")
    private String file = "";

    @Option(
            names = "--try-key",
            paramLabel = "KEYFILE",
            description = {
                "A file with more keys to try if no configured key fits: settings as"
                        + " 'flk-agent keygen' prints them, or a bare secret. May be given several times.",
                "If no key is configured, signatures are checked with the first file."
            })
    private List<Path> keyFiles = new ArrayList<>();

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    ExplainCommand(Configuration config, InstantSource clock) {
        this.config = config;
        this.clock = clock;
    }

    /**
     * The answer to a body, as if no other body with the same id existed, and the results of the steps that were
     * reached. The result of a step that was not reached is null and left out of the JSON.
     */
    private record Explained(
            @JsonUnwrapped @Nullable ExplainedSignature signature,
            @Nullable String brokenRule,
            @Nullable List<ExplainedStep> steps,
            @Nullable String ending,
            int status,
            RawValue body) {
        static Explained of(@Nullable ExplainedSignature signature, @Nullable String brokenRule, Answer answer) {
            return new Explained(signature, brokenRule, null, null, answer.status(), Json.raw(answer.bodyText()));
        }
    }

    @Override
    public Integer call() throws IOException {
        AnswerRules rules = config.read(BackendConfig::answerRules);
        Instant now = clock.instant();
        Explained explained = explain(read(rules.maxBodyBytes()), rules, signatures(rules, now), now);
        new Output(spec.commandLine().getOut()::print, json).print(explained, answer -> asText(answer, rules.policy()));
        return explained.status() == 200 ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /**
     * Decides a submission without the log, the store and the limits.
     *
     * @param signatures a function that explains the signature of a certificate, given the body and the parsed
     *     certificate; a call of the function takes at most a few seconds
     */
    private static Explained explain(
            byte[] body,
            AnswerRules rules,
            BiFunction<byte[], ParsedCertificate, ExplainedSignature> signatures,
            Instant now) {
        if (body.length > rules.maxBodyBytes()) {
            return Explained.of(null, null, Refusal.bodyTooLong(rules.maxBodyBytes()));
        }
        ExplainedSignature signature = null;
        try {
            ParsedCertificate parsed = CertificateReader.parse(body);
            signature = signatures.apply(body, parsed);
            if (!signature.isTaken()) {
                return Explained.of(signature, null, OutcomeRenderer.answer(Outcome.Refused.BAD_SIGNATURE));
            }
            Explanation explanation = new Verifier(rules.policy()).explain(parsed.check(now, rules.maxClockSkew()));
            Verdict verdict = explanation.verdict();
            Answer answer =
                    OutcomeRenderer.answer(new Outcome.Decided(verdict.status(), verdict.body(), Relation.FIRST));
            return new Explained(
                    signature,
                    null,
                    explanation.steps().stream().map(ExplainedStep::of).toList(),
                    verdict.kind().label(),
                    answer.status(),
                    Json.raw(answer.bodyText()));
        } catch (MalformedCertificate e) {
            String rule = String.valueOf(e.getMessage());
            return Explained.of(signature, rule, OutcomeRenderer.answer(Outcome.Refused.malformed(rule)));
        }
    }

    /** Returns lines of at most 80 columns; only the last line, the exact answer, may be longer. */
    private static String asText(Explained explained, Policy policy) {
        StringBuilder out = new StringBuilder();
        if (explained.signature() != null) {
            out.append(explained.signature().text()).append('\n');
        }
        if (explained.brokenRule() != null) {
            out.append("a rule of the format is broken\n    ")
                    .append(Printable.of(explained.brokenRule()))
                    .append("\n\n");
        }
        if (explained.steps() != null) {
            String result = explained.ending();
            for (ExplainedStep step : explained.steps()) {
                out.append(step.title())
                        .append(": ")
                        .append(step.isHeld() ? "holds" : result)
                        .append('\n');
                out.append(step.text());
                result = step.isHeld() ? result : "would have the same result";
            }
            out.append('\n')
                    .append(explained.ending())
                    .append(" under the policy ")
                    .append(policy.hash())
                    .append('\n');
        }
        return Paragraph.wrapped(out.toString()) + explained.status() + " "
                + explained.body().rawValue() + "\n";
    }

    /** Reads the file, up to one byte more than a backend accepts; the extra byte shows that the body is too long. */
    private byte[] read(int maxBytes) throws IOException {
        try (InputStream in = file.equals("-") ? System.in : Files.newInputStream(Path.of(file))) {
            return in.readNBytes(maxBytes == Integer.MAX_VALUE ? maxBytes : maxBytes + 1);
        }
    }

    private BiFunction<byte[], ParsedCertificate, ExplainedSignature> signatures(AnswerRules rules, Instant now) {
        try {
            List<KeyRing> rings = new ArrayList<>();
            for (Path keyFile : keyFiles) {
                try (InputStream in = Files.newInputStream(keyFile)) {
                    String text = ShortText.read(keyFile.toString(), in);
                    rings.add(KeyRing.of(keyFile.toString(), text, ShortText.settings(text)));
                }
            }
            if (rules.signing().orElse(null) instanceof SigningConfig.Registered registered) {
                List<NamedKey> further =
                        rings.stream().flatMap(ring -> ring.keys().stream()).toList();
                KeysFile file = registered.read();
                return (body, certificate) -> ExplainedSignature.of(file, further, body, certificate, now);
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
            return (body, certificate) -> ExplainedSignature.simple(diagnosis.of(body, certificate));
        } catch (IOException e) {
            throw wrongKeyFile(IoMessages.describe(e));
        } catch (IllegalArgumentException e) {
            throw wrongKeyFile(String.valueOf(e.getMessage()));
        }
    }

    private ParameterException wrongKeyFile(String why) {
        return new ParameterException(spec.commandLine(), "--try-key: " + why);
    }

    /**
     * Returns all configured keys of both algorithms, whether or not they are in force; leaves out malformed public
     * keys.
     */
    private static List<NamedKey> notInForce(AnswerRules rules) {
        List<NamedKey> keys = new ArrayList<>();
        rules.publicKeys().forEach(key -> publicKey(key).ifPresent(keys::add));
        rules.secrets().stream()
                .filter(secret -> !secret.text().isEmpty())
                .forEach(secret ->
                        keys.add(new NamedKey("PCS_HMAC_KEY or PCS_HMAC_KEYS", CandidateKey.secret(secret.text()))));
        return keys;
    }

    private static Optional<NamedKey> publicKey(String base64) {
        try {
            return Optional.of(new NamedKey("PCS_ED25519_PUB_B64", CandidateKey.publicKey(base64)));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }
}
