// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import static dev.flk.canonical.CanonicalDouble.print;

import dev.flk.canonical.CanonicalDouble;
import dev.flk.certificate.Regime;
import dev.flk.diagnosis.Paragraph;
import dev.flk.program.cli.Json;
import dev.flk.verification.Budget.BudgetTerms;
import dev.flk.verification.Policy;
import dev.flk.verification.Step;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The numbers of a step of the verification: lines of at most 80 columns for people, members of an object for programs. */
final class ExplainedStep {
    private static final int INDENT = 4;

    /** Those of 8 scales; of more, only the smallest, the middle ones and the greatest are shown. */
    private static final int MAX_SLOPES = 28;

    private ExplainedStep() {}

    /** For people. */
    static String text(Step step) {
        return step.match(new Text());
    }

    private static final class Text implements Step.Cases<String> {
        @Override
        public String recomputation(Step.Recomputation step) {
            String points = step.scales().stream()
                    .map(scale -> scale + ": " + (step.count(scale) == null ? "-" : step.count(scale)))
                    .collect(Collectors.joining(", "));
            String counts = line("N_j by scale " + (points.isEmpty() ? "-" : points));
            if (step.objection().isPresent()) {
                return counts;
            }
            double[] slopes = step.slopes();
            return counts
                    + line("slopes between all pairs of (log2 scale, log2 N_j), " + slopes.length
                            + " in ascending order:")
                    + line(slopes.length > MAX_SLOPES ? shortened(slopes) : listed(slopes, 0, slopes.length));
        }

        private static String shortened(double[] slopes) {
            int middle = (slopes.length - 1) / 2;
            int middles = slopes.length % 2 == 0 ? 2 : 1;
            return print(slopes[0]) + " … " + listed(slopes, middle, middle + middles) + " … "
                    + print(slopes[slopes.length - 1]);
        }

        private static String listed(double[] slopes, int from, int to) {
            return Arrays.stream(slopes, from, to)
                    .mapToObj(slope -> print(slope))
                    .collect(Collectors.joining(" "));
        }

        @Override
        public String dHatTolerance(Step.DHatTolerance step) {
            return line("recomputed D_hat, the median of the slopes: " + print(step.recomputed()))
                    + line("claimed " + print(step.claimed()) + ", apart by " + print(step.diff())
                            + atMost(step.diff(), "TOL_D", step.tolerance()));
        }

        @Override
        public String cohStarBounds(Step.CohStarBounds step) {
            return line(
                    "claimed " + print(step.cohStar()) + ", to be from 0 to 1 + TOL_COH " + print(step.tolerance()));
        }

        @Override
        public String rBounds(Step.RBounds step) {
            return line("claimed " + print(step.r()) + ", to be from 0 to 1");
        }

        @Override
        public String regimeMatch(Step.RegimeMatch step) {
            return line("claimed " + step.claimed().wireName() + ", expected "
                            + step.expected().wireName() + " of D_hat " + print(step.dHat()) + " and coh_star "
                            + print(step.cohStar()))
                    + line("sticky: coh_star >= " + print(Regime.STICKY_MIN_COH_STAR) + ", D_hat <= "
                            + print(Regime.STICKY_MAX_D_HAT) + "; non_sticky: D_hat >= "
                            + print(Regime.NON_STICKY_MIN_D_HAT) + "; else mixed");
        }

        @Override
        public String budgetMatch(Step.BudgetMatch step) {
            Policy policy = step.policy();
            BudgetTerms terms = step.terms();
            List<String> rows = List.of(
                    row(" ", terms.base(), "BUDGET_BASE"),
                    row(
                            "+",
                            terms.incompressibility(),
                            "BUDGET_ALPHA " + print(policy.alpha()) + " * (1 - r " + print(step.r()) + ")"),
                    row(
                            "+",
                            terms.dimension(),
                            "BUDGET_BETA " + print(policy.beta()) + " * max(0, D_hat " + print(step.dHat())
                                    + " - BUDGET_D0 " + print(policy.d0()) + ")"),
                    row(
                            "+",
                            terms.coherence(),
                            "BUDGET_GAMMA " + print(policy.gamma()) + " * coh_star " + print(step.cohStar())),
                    row("=", step.recomputed(), "cut to [0, 1], rounded to 9 decimals"));
            return String.join("", rows)
                    + line("claimed " + print(step.claimed()) + ", apart by " + print(step.diff())
                            + atMost(step.diff(), "TOL_BUDGET", policy.tolBudget()));
        }

        private static String row(String sign, double term, String what) {
            return line(String.format(Locale.ROOT, "%s %-22s %s", sign, finite(term), what));
        }

        /** Huge claims overflow. */
        private static String finite(double term) {
            return Double.isFinite(term) ? print(term) : Double.toString(term);
        }

        @Override
        public String noDegradation(Step.NoDegradation step) {
            return line(
                    step.faultTolerance().degraded()
                            ? "ft.degraded is true, fallbacks: "
                                    + step.faultTolerance().fallbacks()
                            : "ft.degraded is not set");
        }

        private static String atMost(double diff, String name, double tolerance) {
            return (diff <= tolerance ? ", at most " : ", more than ") + name + " " + print(tolerance);
        }

        private static String line(String text) {
            return Paragraph.wrapped(" ".repeat(INDENT), INDENT + 2, text);
        }
    }

    /** For programs; {@code rule} and {@code objection} first. */
    static Map<String, @Nullable Object> members(Step step) {
        Map<String, @Nullable Object> members = new LinkedHashMap<>();
        members.put("rule", step.rule().name().toLowerCase(Locale.ROOT));
        step.objection().ifPresent(reason -> members.put("objection", reason.text()));
        step.match(new Members(members));
        return members;
    }

    /** What overflowed is no number in JSON. */
    private static @Nullable Object number(double value) {
        return Double.isFinite(value) ? Json.raw(CanonicalDouble.print(value)) : null;
    }

    private record Members(Map<String, @Nullable Object> members) implements Step.Cases<Map<String, @Nullable Object>> {
        private Members with(String name, double value) {
            members.put(name, number(value));
            return this;
        }

        @Override
        public Map<String, @Nullable Object> recomputation(Step.Recomputation step) {
            members.put(
                    "points",
                    step.scales().stream()
                            .map(scale -> new Point(scale, step.count(scale)))
                            .toList());
            if (step.objection().isEmpty()) {
                members.put(
                        "slopes",
                        Arrays.stream(step.slopes())
                                .mapToObj(ExplainedStep::number)
                                .toList());
            }
            return members;
        }

        private record Point(int scale, @Nullable Long count) {}

        @Override
        public Map<String, @Nullable Object> dHatTolerance(Step.DHatTolerance step) {
            return with("claimed", step.claimed())
                    .with("recomputed", step.recomputed())
                    .with("diff", step.diff())
                    .with("tolerance", step.tolerance())
                    .members;
        }

        @Override
        public Map<String, @Nullable Object> cohStarBounds(Step.CohStarBounds step) {
            return with("claimed", step.cohStar()).with("tolerance", step.tolerance()).members;
        }

        @Override
        public Map<String, @Nullable Object> rBounds(Step.RBounds step) {
            return with("claimed", step.r()).members;
        }

        @Override
        public Map<String, @Nullable Object> regimeMatch(Step.RegimeMatch step) {
            members.put("claimed", step.claimed().wireName());
            members.put("expected", step.expected().wireName());
            return with("D_hat", step.dHat()).with("coh_star", step.cohStar()).members;
        }

        @Override
        public Map<String, @Nullable Object> budgetMatch(Step.BudgetMatch step) {
            BudgetTerms terms = step.terms();
            return with("claimed", step.claimed())
                    .with("base", terms.base())
                    .with("alpha_term", terms.incompressibility())
                    .with("beta_term", terms.dimension())
                    .with("gamma_term", terms.coherence())
                    .with("recomputed", step.recomputed())
                    .with("diff", step.diff())
                    .with("tolerance", step.policy().tolBudget())
                    .members;
        }

        @Override
        public Map<String, @Nullable Object> noDegradation(Step.NoDegradation step) {
            members.put("degraded", step.faultTolerance().degraded());
            members.put("fallbacks", step.faultTolerance().fallbacks());
            return members;
        }
    }
}
