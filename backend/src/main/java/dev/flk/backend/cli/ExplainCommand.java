// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.cli.CommandLineProgram.ConfigOption;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.BackendConfig.AnswerRules;
import dev.flk.backend.config.SigningConfig;
import dev.flk.backend.http.OutcomeRenderer;
import dev.flk.backend.ingest.Outcome;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.backend.keys.KeysFile;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.diagnosis.KeyRing;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.diagnosis.Paragraph;
import dev.flk.diagnosis.SignatureDiagnosis;
import dev.flk.http.Answer;
import dev.flk.http.Refusal;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Json;
import dev.flk.program.config.ShortText;
import dev.flk.signing.CandidateKey;
import dev.flk.signing.SignatureCheck;
import dev.flk.verification.OutcomeBody;
import dev.flk.verification.Step;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verifier;
import dev.flk.verification.Verifier.Explanation;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
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
            "If the signature is refused, other keys, algorithms and texts are tried to find",
            "out what was signed instead. With a keys file (KEYS_FILE), the output names the",
            "key that signed and says whether it may sign for the shard now. If the signature",
            "is good, each step of the verification is shown with its numbers. The last line",
            "is the answer, its status and its exact body, as if no other certificate had",
            "come under the id.",
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
    private static final int INDENT = 4;

    private final Map<String, String> environment;
    private final ConfigOption config;
    private final InstantSource clock;

    @Parameters(paramLabel = "FILE", description = "A certificate in JSON; - is standard input.")
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

    ExplainCommand(Map<String, String> environment, ConfigOption config, InstantSource clock) {
        this.environment = environment;
        this.config = config;
        this.clock = clock;
    }

    /** Explains the signature of a certificate that was read from {@code body}; takes at most a few seconds. */
    @FunctionalInterface
    private interface Signatures {
        ExplainedSignature of(byte[] body, ParsedCertificate certificate, Instant now);
    }

    /** The answer to a body that is the first under its id, with the results of the steps that were reached; the others are null. */
    private record Explained(
            @Nullable ExplainedSignature signature,
            @Nullable String brokenRule,
            @Nullable Explanation verification,
            Answer answer) {}

    @Override
    public Integer call() throws IOException {
        AnswerRules rules = BackendConfig.answerRules(environment, config.file);
        Explained explained = explain(read(rules.maxBodyBytes()), rules, signatures(rules), clock.instant());
        PrintWriter out = spec.commandLine().getOut();
        out.print(json ? asJson(explained) : asText(explained));
        out.flush();
        return explained.answer().status() == 200 ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /** Decides a submission without the log, the store and the limits. */
    private static Explained explain(byte[] body, AnswerRules rules, Signatures signatures, Instant now) {
        if (body.length > rules.maxBodyBytes()) {
            return new Explained(null, null, null, Refusal.bodyTooLong(rules.maxBodyBytes()));
        }
        ExplainedSignature signature = null;
        try {
            ParsedCertificate parsed = CertificateReader.parse(body);
            signature = signatures.of(body, parsed, now);
            if (!signature.isTaken()) {
                return new Explained(signature, null, null, OutcomeRenderer.answer(Outcome.Refused.BAD_SIGNATURE));
            }
            Explanation explanation = new Verifier(rules.policy()).explain(parsed.check(now, rules.maxClockSkew()));
            Verdict verdict = explanation.verdict();
            return new Explained(
                    signature,
                    null,
                    explanation,
                    OutcomeRenderer.answer(
                            new Outcome.Decided(verdict.status(), OutcomeBody.render(verdict), Relation.FIRST)));
        } catch (MalformedCertificate e) {
            String rule = String.valueOf(e.getMessage());
            return new Explained(signature, rule, null, OutcomeRenderer.answer(Outcome.Refused.malformed(rule)));
        }
    }

    /** Renders lines of at most 80 columns; only the last line, the exact answer, may be longer. */
    private static String asText(Explained explained) {
        StringBuilder out = new StringBuilder();
        if (explained.signature() != null) {
            out.append(explained.signature().text()).append('\n');
        }
        if (explained.brokenRule() != null) {
            out.append("a rule of the format is broken\n")
                    .append(Paragraph.wrapped(" ".repeat(INDENT), INDENT, explained.brokenRule()))
                    .append('\n');
        }
        if (explained.verification() != null) {
            appendSteps(out, explained.verification());
        }
        return out.append(explained.answer().status())
                .append(' ')
                .append(explained.answer().bodyText())
                .append('\n')
                .toString();
    }

    private static void appendSteps(StringBuilder out, Explanation verification) {
        String ending = ending(verification);
        boolean decided = false;
        for (Step step : verification.steps()) {
            Optional<Reason> objection = step.objection();
            String result = objection.isEmpty() ? "holds" : decided ? "would object, too" : ending;
            decided |= objection.isPresent();
            out.append(String.format(Locale.ROOT, "%s: %s%n", name(step.rule()), result))
                    .append(ExplainedStep.of(step).text());
            objection.ifPresent(reason -> out.append(Paragraph.wrapped(" ".repeat(INDENT), INDENT, reason.text())));
        }
        out.append('\n')
                .append(ending)
                .append(" under the policy ")
                .append(verification.verdict().policyHash())
                .append('\n');
    }

    private static String name(Reason.Rule rule) {
        return switch (rule) {
            case D_HAT_RECOMPUTATION -> "1. D_hat can be recomputed";
            case D_HAT_TOLERANCE -> "2. D_hat is near the recomputed one";
            case COH_STAR_BOUNDS -> "3. coh_star is within its bounds";
            case R_BOUNDS -> "3. r is within its bounds";
            case REGIME -> "4. the regime is the expected one";
            case BUDGET -> "5. the budget is near the recomputed one";
            case DEGRADED -> "6. nothing was degraded";
        };
    }

    private static String ending(Explanation verification) {
        Verdict verdict = verification.verdict();
        return verdict instanceof Verdict.Accepted
                ? "accepted"
                : verdict instanceof Verdict.Escalated ? "escalated" : "rejected";
    }

    private static String asJson(Explained explained) {
        Map<String, Object> members = new LinkedHashMap<>();
        if (explained.signature() != null) {
            members.putAll(explained.signature().members());
        }
        if (explained.brokenRule() != null) {
            members.put("broken_rule", explained.brokenRule());
        }
        if (explained.verification() != null) {
            members.put(
                    "steps",
                    explained.verification().steps().stream()
                            .map(step -> ExplainedStep.of(step).members())
                            .toList());
            members.put("ending", ending(explained.verification()));
        }
        members.put("status", explained.answer().status());
        members.put("body", Json.raw(explained.answer().bodyText()));
        return Json.line(members);
    }

    /** Reads the file, at most one byte more than a backend accepts. */
    private byte[] read(int maxBytes) throws IOException {
        try (InputStream in = file.equals("-") ? System.in : Files.newInputStream(Path.of(file))) {
            return in.readNBytes(maxBytes == Integer.MAX_VALUE ? maxBytes : maxBytes + 1);
        }
    }

    private Signatures signatures(AnswerRules rules) {
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
                return (body, certificate, now) -> ExplainedSignature.of(file, further, body, certificate, now);
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
            return (body, certificate, now) -> ExplainedSignature.simple(diagnosis.of(body, certificate));
        } catch (IOException e) {
            throw wrongKeyFile(IoMessages.describe(e));
        } catch (IllegalArgumentException e) {
            throw wrongKeyFile(String.valueOf(e.getMessage()));
        }
    }

    private ParameterException wrongKeyFile(String why) {
        return new ParameterException(spec.commandLine(), "--try-key: " + why);
    }

    /** Returns the configured keys of the algorithm that is not in force, without malformed ones. */
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
