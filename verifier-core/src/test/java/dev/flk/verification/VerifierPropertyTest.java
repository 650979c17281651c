// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.canonical.CanonicalDouble;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.CertificateText;
import dev.flk.verification.Verdict.Reason;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A comparison of the outcomes of generated certificates with {@link SlowVerifier}. The seed is fixed. */
class VerifierPropertyTest {
    private final Random random = new Random(20260119);

    @Test
    void verify_generatedCertificates_agree() throws Exception {
        verifyGenerated(1_000);
    }

    @Test
    @Tag("thorough")
    void verify_manyGeneratedCertificates_agree() throws Exception {
        verifyGenerated(10_000);
    }

    private void verifyGenerated(int cases) throws Exception {
        Verifier verifier = new Verifier(Policy.defaults());
        Set<Reason.Rule> rules = EnumSet.noneOf(Reason.Rule.class);
        int accepted = 0;
        for (int i = 0; i < cases; i++) {
            CertificateText text = generated();

            Verdict verdict = verifier.verify(text.check());

            String answer = verdict.status() + " " + new String(verdict.body(), StandardCharsets.US_ASCII);
            assertThat(answer).as(text.json()).isEqualTo(SlowVerifier.answer(text.json()));
            if (verdict.kind() == Verdict.Kind.ACCEPTED) {
                accepted++;
            } else {
                rules.add(verdict.reason().rule());
            }
        }
        assertThat(rules).as("rules that objected").containsExactlyInAnyOrder(Reason.Rule.values());
        assertThat(accepted).isGreaterThan(cases / 10);
    }

    private CertificateText generated() {
        List<Integer> scales = scales();
        double dimension = random.nextDouble() * 3.5;
        List<Long> counts = new ArrayList<>();
        for (int scale : scales) {
            double noise = 1 + random.nextGaussian() * 0.02;
            counts.add(Math.max(1, Math.round(3 * Math.pow(scale, dimension) * noise)));
        }
        if (oneIn(30)) {
            counts.set(random.nextInt(counts.size()), -(long) random.nextInt(3));
        }
        int dropped = oneIn(30) ? random.nextInt(scales.size()) : -1;
        double cohStar = oneIn(10) ? random.nextDouble() * 3 - 1 : random.nextDouble();
        double r = oneIn(10) ? random.nextDouble() * 3 - 1 : random.nextDouble();
        // The claims of an honest agent, which sometimes deviate a little or a lot.
        double dHat = honestDHat(scales, counts, dimension) + off(0.15);
        Regime regime = oneIn(8)
                ? Regime.of(random.nextDouble() * 4, random.nextDouble())
                : Regime.of(dHat, CanonicalDouble.round9(cohStar));
        double budget = Policy.defaults().budget(dHat, cohStar, r) + off(0.01);
        return CertificateText.valid()
                .with("scales", scales.toString())
                .with("N_j", countsJson(scales, counts, dropped))
                .with("D_hat", Double.toString(dHat))
                .with("coh_star", Double.toString(cohStar))
                .with("r", Double.toString(r))
                .with("budget", Double.toString(budget))
                .with("regime", "\"" + regime.wireName() + "\"")
                .with(
                        "ft",
                        "{\"degraded\":" + oneIn(8) + ",\"fallbacks\":" + (oneIn(2) ? "[]" : "[\"a\",\"b c\"]") + "}");
    }

    private List<Integer> scales() {
        List<Integer> pool = new ArrayList<>(List.of(1, 2, 3, 4, 5, 7, 8, 16, 31, 32, 64, 100, 128, 1000, 65_536));
        Collections.shuffle(pool, random);
        return pool.subList(0, oneIn(40) ? 1 : 2 + random.nextInt(8));
    }

    private static double honestDHat(List<Integer> scales, List<Long> counts, double otherwise) {
        if (scales.size() < 2 || counts.stream().anyMatch(count -> count < 1)) {
            return otherwise;
        }
        return TheilSen.slope(
                scales.stream().mapToInt(Integer::intValue).toArray(),
                counts.stream().mapToLong(Long::longValue).toArray());
    }

    /** Returns a deviation: usually none, otherwise near the tolerance, equal to it, or far above it. */
    private double off(double tolerance) {
        double sign = random.nextBoolean() ? 1 : -1;
        return switch (random.nextInt(8)) {
            case 0 -> sign * tolerance;
            case 1 -> sign * tolerance * random.nextDouble() * 2;
            case 2 -> oneIn(4) ? sign * random.nextDouble() * 10 : 0;
            default -> 0;
        };
    }

    private boolean oneIn(int n) {
        return random.nextInt(n) == 0;
    }

    private static String countsJson(List<Integer> scales, List<Long> counts, int dropped) {
        return IntStream.range(0, scales.size())
                .filter(i -> i != dropped)
                .mapToObj(i -> "\"" + scales.get(i) + "\":" + counts.get(i))
                .collect(Collectors.joining(",", "{", "}"));
    }
}
