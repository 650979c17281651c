// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import dev.flk.certificate.Certificate;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verifier;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The rules that decide a certificate: the policy of the {@link Verifier} and the time for which an outcome is valid.
 * Besides the rules, the outcome depends only on the certificate and its arrival time. The log stores these rules in
 * each segment ({@link #context}); therefore, a replay decides in the same way.
 */
public final class DecisionRules {
    /** The numbers of the policy, in the order of the docs and of the constructor of {@link Policy}. */
    public static final List<Key<Double>> KEYS = List.of(
            tolerance("TOL_D", "0.15", "Tolerance of `D_hat`."),
            tolerance("TOL_COH", "0.05", "Tolerance of `coh_star`."),
            tolerance("TOL_BUDGET", "0.01", "Tolerance of `budget`."),
            real("BUDGET_BASE", "0.10", "Base of the budget."),
            real("BUDGET_ALPHA", "0.30", "Factor of 1 - `r`."),
            real("BUDGET_BETA", "0.50", "Factor of `D_hat` above `BUDGET_D0`."),
            real("BUDGET_GAMMA", "0.20", "Factor of `coh_star`."),
            real("BUDGET_D0", "2.2", "The `D_hat` above which the budget grows."));

    private static final String TTL = " dedup_ttl_ms=";
    private static final int SIGNED_DIGEST_CHARS = 16;

    private final Verifier verifier;
    private final long dedupTtlMillis;

    /**
     * Creates rules that decide by {@code policy}; an outcome is valid for {@code dedupTtl} from the arrival of its
     * certificate.
     */
    public DecisionRules(Policy policy, Duration dedupTtl) {
        this.verifier = new Verifier(policy);
        this.dedupTtlMillis = dedupTtl.toMillis();
    }

    /** Reads the policy from the settings. */
    public static Policy policy(Settings settings) {
        List<Double> numbers = KEYS.stream().map(settings::get).toList();
        return new Policy(
                numbers.get(0),
                numbers.get(1),
                numbers.get(2),
                numbers.get(3),
                numbers.get(4),
                numbers.get(5),
                numbers.get(6),
                numbers.get(7));
    }

    /**
     * Overrides settings of the policy, each given as {@code NAME=VALUE}. Adds a problem to {@code settings} for each
     * override that can't be applied.
     */
    public static void override(Settings settings, List<String> tried) {
        Set<String> seen = new HashSet<>();
        for (String one : tried) {
            int end = one.indexOf('=');
            String name = end < 0 ? one : one.substring(0, end);
            Optional<Key<Double>> key =
                    KEYS.stream().filter(each -> each.name().equals(name)).findFirst();
            if (key.isEmpty()) {
                settings.problem("--set %s: the policy has no such number; did you mean %s? It has %s"
                        .formatted(
                                one,
                                Settings.nearest(name, KEYS.stream().map(Key::name)),
                                KEYS.stream().map(Key::name).collect(Collectors.joining(", "))));
            } else if (end < 0) {
                settings.problem("--set %s: has no value; write it like %s=%s"
                        .formatted(one, name, key.get().defaultText()));
            } else if (!seen.add(name)) {
                settings.problem("--set %s: %s is given twice; give it once".formatted(one, name));
            } else {
                settings.override(key.get(), one.substring(end + 1), "--set");
            }
        }
    }

    private static Key<Double> tolerance(String name, String standard, String sentence) {
        return Key.of(name, Quantities::notNegative, sentence).or(standard);
    }

    private static Key<Double> real(String name, String standard, String sentence) {
        return Key.of(name, Quantities::real, sentence).or(standard);
    }

    /**
     * Parses the output of {@link #context}.
     *
     * @throws IllegalArgumentException if {@code context} does not have that format
     */
    static DecisionRules parse(String context) {
        int at = context.indexOf(TTL);
        if (at < 0) {
            throw new IllegalArgumentException("the context of the log contains no decision rules: " + context);
        }
        return new DecisionRules(
                Policy.parse(context.substring(0, at)),
                Duration.ofMillis(Long.parseLong(context.substring(at + TTL.length()))));
    }

    /** Returns how long an outcome is valid. */
    public Duration dedupTtl() {
        return Duration.ofMillis(dedupTtlMillis);
    }

    /**
     * Returns how long the outcomes of records with this context are valid.
     *
     * @throws IllegalArgumentException if {@code context} is not the output of {@link #context}
     */
    public static Duration dedupTtlOf(String context) {
        return parse(context).dedupTtl();
    }

    /** Renders the rules as one line, which the log stores with each segment. */
    public String context() {
        return verifier.policy().text() + TTL + dedupTtlMillis;
    }

    /** Decides a certificate. Pure: the same certificate, arrival time and rules always give the same bytes. */
    public Decision decide(Certificate certificate, long arrivalMillis) {
        Verdict verdict = verifier.verify(certificate);
        return new Decision(
                verdict,
                certificate.signed().shardId(),
                certificate.signed().cohStar(),
                new StoredOutcome(
                        certificate.id(),
                        verdict.status(),
                        verdict.body(),
                        certificate.contentDigest(),
                        certificate.signedDigest().substring(0, SIGNED_DIGEST_CHARS),
                        arrivalMillis + dedupTtlMillis));
    }

    /** The verdict on a certificate, with the outcome to record for it. */
    public record Decision(Verdict verdict, String shardId, double cohStar, StoredOutcome recorded) {}
}
