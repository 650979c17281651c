// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.CanonicalString;
import dev.flk.verification.BudgetTerms;
import dev.flk.verification.Step;
import java.util.Arrays;
import java.util.stream.Collectors;

/** The numbers of a step of the verification, for programs: the members of a JSON object, each behind a comma. */
final class StepJson implements Step.Cases<String> {
    @Override
    public String recomputation(Step.Recomputation step) {
        String points = step.scales().stream()
                .map(scale -> "{\"scale\":" + scale + ",\"count\":" + step.count(scale) + "}")
                .collect(Collectors.joining(",", ",\"points\":[", "]"));
        if (step.objection().isPresent()) {
            return points;
        }
        return points
                + Arrays.stream(step.slopes())
                        .mapToObj(StepJson::number)
                        .collect(Collectors.joining(",", ",\"slopes\":[", "]"));
    }

    @Override
    public String dHatTolerance(Step.DHatTolerance step) {
        return member("claimed", step.claimed())
                + member("recomputed", step.recomputed())
                + member("diff", step.diff())
                + member("tolerance", step.tolerance());
    }

    @Override
    public String cohStarBounds(Step.CohStarBounds step) {
        return member("claimed", step.cohStar()) + member("tolerance", step.tolerance());
    }

    @Override
    public String rBounds(Step.RBounds step) {
        return member("claimed", step.r());
    }

    @Override
    public String regimeMatch(Step.RegimeMatch step) {
        return ",\"claimed\":" + CanonicalString.quote(step.claimed().wireName())
                + ",\"expected\":" + CanonicalString.quote(step.expected().wireName())
                + member("D_hat", step.dHat())
                + member("coh_star", step.cohStar());
    }

    @Override
    public String budgetMatch(Step.BudgetMatch step) {
        BudgetTerms terms = step.terms();
        return member("claimed", step.claimed())
                + member("base", terms.base())
                + member("alpha_term", terms.incompressibility())
                + member("beta_term", terms.dimension())
                + member("gamma_term", terms.coherence())
                + member("recomputed", step.recomputed())
                + member("diff", step.diff())
                + member("tolerance", step.policy().tolBudget());
    }

    @Override
    public String noDegradation(Step.NoDegradation step) {
        return ",\"degraded\":" + step.faultTolerance().degraded()
                + step.faultTolerance().fallbacks().stream()
                        .map(CanonicalString::quote)
                        .collect(Collectors.joining(",", ",\"fallbacks\":[", "]"));
    }

    private static String member(String name, double value) {
        return ",\"" + name + "\":" + number(value);
    }

    /** What overflowed is no number in JSON. */
    private static String number(double value) {
        return Double.isFinite(value) ? CanonicalDouble.print(value) : "null";
    }
}
