// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.Certificate.FaultTolerance;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.verification.Policy;
import dev.flk.verification.Step;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Reason.Rule;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Tests that the kinds and their meanings are those of the reasons that the rules give. */
final class ReasonKindTest {
    private static final List<Step> OBJECTIONS = List.of(
            new Step.Recomputation(List.of(2), List.of(5L)),
            new Step.DHatTolerance(1.4, 1.2, 0.15),
            new Step.CohStarBounds(1.2, 0.05),
            new Step.RBounds(1.2),
            new Step.RegimeMatch(Regime.MIXED, Regime.STICKY, 1.2, 0.8),
            new Step.BudgetMatch(0.9, 1.2, 0.8, 0.5, Policy.defaults()),
            new Step.NoDegradation(new FaultTolerance(null, true, List.of("short_window"), null, null)));

    @Test
    void meaning_ofEachRule_isASentence() {
        assertThat(OBJECTIONS).extracting(Step::rule).containsExactly(Rule.values());
        for (Step step : OBJECTIONS) {
            Reason reason = step.objection().orElseThrow();
            assertThat(reason.text()).startsWith(ReasonKind.kind(step.rule()) + ": ");
            assertThat(ReasonKind.meaning(ReasonKind.kind(step.rule())))
                    .startsWith("The ")
                    .endsWith(".");
        }
        assertThat(ReasonKind.meaning("another")).isEqualTo("This version of the backend does not know this reason.");
    }
}
