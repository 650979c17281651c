// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.sample.Pcs;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verifier.Explanation;
import org.junit.jupiter.api.Test;

class StepTest {
    private static final Verifier VERIFIER = new Verifier(Policy.defaults());

    @Test
    void slopes_ofFourScales_areSixAscendingWithTheMedianOfTheVerdict() throws MalformedCertificate {
        Explanation explanation = explain(Pcs.number(1).with("N_j", "{\"2\":5,\"4\":10,\"8\":21,\"16\":39}"));
        Step.Recomputation recomputation =
                (Step.Recomputation) explanation.steps().get(0);

        double[] slopes = recomputation.slopes();

        assertThat(slopes).hasSize(6).isSorted();
        assertThat((slopes[2] + slopes[3]) / 2).isCloseTo(recomputation.dHat(), within(5e-10));
    }

    @Test
    void budgetTerms_sumToTheRecomputedBudget() throws MalformedCertificate {
        Explanation explanation = explain(Pcs.number(1)
                .with("N_j", "{\"2\":8,\"4\":64,\"8\":512,\"16\":4096}")
                .with("D_hat", "3"));
        Step.BudgetMatch budget = explanation.steps().stream()
                .filter(Step.BudgetMatch.class::isInstance)
                .map(Step.BudgetMatch.class::cast)
                .findFirst()
                .orElseThrow();

        assertThat(budget.terms().base()).isEqualTo(0.1);
        assertThat(budget.terms().incompressibility()).isCloseTo(0.06, within(1e-12));
        assertThat(budget.terms().dimension()).isCloseTo(0.4, within(1e-12));
        assertThat(budget.terms().coherence()).isEqualTo(0.1);
        assertThat(budget.recomputed()).isEqualTo(0.66);
        assertThat(budget.diff()).isEqualTo(0.4);
    }

    @Test
    void explain_severalRulesBroken_showsEachObjectionAndTheVerdictHasTheFirst() throws MalformedCertificate {
        Explanation explanation =
                explain(Pcs.number(1).with("D_hat", "2").with("r", "1.5").with("regime", "\"sticky\""));

        assertThat(explanation.steps())
                .filteredOn(step -> step.objection().isPresent())
                .extracting(Step::rule)
                .containsExactly(
                        Reason.Rule.D_HAT_TOLERANCE, Reason.Rule.R_BOUNDS, Reason.Rule.REGIME, Reason.Rule.BUDGET);
        assertThat(explanation.verdict().reason().rule()).isEqualTo(Reason.Rule.D_HAT_TOLERANCE);
    }

    private static Explanation explain(Pcs pcs) throws MalformedCertificate {
        return VERIFIER.explain(CertificateReader.parse(pcs.bytes()).checkIgnoringClock());
    }
}
