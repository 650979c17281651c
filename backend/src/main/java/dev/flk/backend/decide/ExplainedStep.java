// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import static dev.flk.canonical.CanonicalDouble.print;

import com.fasterxml.jackson.annotation.JsonValue;
import dev.flk.canonical.CanonicalDouble;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.program.cli.Printable;
import dev.flk.program.json.Json;
import dev.flk.verification.Policy;
import dev.flk.verification.Policy.BudgetTerms;
import dev.flk.verification.Step;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The numeric values of one step of the verification, as indented lines and as members of a JSON object. */
public final class ExplainedStep implements Step.Cases<ExplainedStep> {
    /**
     * The maximum number of slopes for which the text shows every slope. With 8 scales, there is this number of slopes,
     * one for each pair of scales. If there are more slopes, the text shows only the smallest slope, the middle one or
     * two, and the greatest slope; the JSON object still has all.
     */
    private static final int MAX_SLOPES = 28;

    private final StringBuilder text = new StringBuilder();
    private final Map<String, @Nullable Object> members = new LinkedHashMap<>();
    private final Step step;

    private ExplainedStep(Step step) {
        this.step = step;
    }

    /** Returns the numbers of a step. */
    public static ExplainedStep of(Step step) {
        ExplainedStep explained = new ExplainedStep(step);
        explained.members.put("rule", step.rule().name().toLowerCase(Locale.ROOT));
        step.objection().ifPresent(reason -> explained.members.put("objection", reason.text()));
        return step.match(explained);
    }

    /** Returns the number of the rule and the statement that the rule requires to be true. */
    public String title() {
        return switch (step.rule()) {
            case D_HAT_RECOMPUTATION -> "1. D_hat can be recomputed";
            case D_HAT_TOLERANCE -> "2. D_hat is close to the recomputed one";
            case COH_STAR_BOUNDS -> "3. coh_star is within its bounds";
            case R_BOUNDS -> "4. r is within its bounds";
            case REGIME -> "5. the regime is the expected one";
            case BUDGET -> "6. the budget is close to the recomputed one";
            case DEGRADED -> "7. the measurement was not degraded";
        };
    }

    /** Returns whether the certificate keeps the rule. */
    public boolean isHeld() {
        return step.objection().isEmpty();
    }

    /** Returns the numeric values, and the objection if there is one, as indented lines. */
    public String text() {
        return text
                + step.objection()
                        .map(reason -> "    " + Printable.of(reason.text()) + "\n")
                        .orElse("");
    }

    /** Returns the members of the JSON object. */
    @JsonValue
    public Map<String, @Nullable Object> members() {
        return members;
    }

    private record Point(int scale, @Nullable Long count) {}

    @Override
    public ExplainedStep recomputation(Step.Recomputation step) {
        List<Point> points = IntStream.range(0, step.scales().size())
                .mapToObj(i -> new Point(step.scales().get(i), step.counts().get(i)))
                .toList();
        String text = points.stream()
                .map(point -> point.scale() + ": " + (point.count() == null ? "-" : point.count()))
                .collect(Collectors.joining(", "));
        line("N_j by scale " + (points.isEmpty() ? "-" : text));
        members.put("points", points);
        if (step.objection().isEmpty()) {
            double[] slopes = step.slopes();
            line("slopes between all pairs of (log2 scale, log2 N_j), " + slopes.length + " in ascending order:");
            line(slopes.length > MAX_SLOPES ? shortened(slopes) : listed(slopes, 0, slopes.length));
            members.put(
                    "slopes",
                    Arrays.stream(slopes).mapToObj(ExplainedStep::number).toList());
        }
        return this;
    }

    private static String shortened(double[] slopes) {
        int middle = (slopes.length - 1) / 2;
        int middles = slopes.length % 2 == 0 ? 2 : 1;
        return print(slopes[0]) + " … " + listed(slopes, middle, middle + middles) + " … "
                + print(slopes[slopes.length - 1]);
    }

    private static String listed(double[] slopes, int from, int to) {
        return Arrays.stream(slopes, from, to).mapToObj(slope -> print(slope)).collect(Collectors.joining(" "));
    }

    @Override
    public ExplainedStep dHatTolerance(Step.DHatTolerance step) {
        line("recomputed D_hat, the median of the slopes: " + print(step.recomputed()));
        line("claimed " + print(step.claimed()) + ", difference " + print(step.diff())
                + atMost(step.diff(), "TOL_D", step.tolerance()));
        return with("claimed", step.claimed())
                .with("recomputed", step.recomputed())
                .with("diff", step.diff())
                .with("tolerance", step.tolerance());
    }

    @Override
    public ExplainedStep cohStarBounds(Step.CohStarBounds step) {
        line("claimed " + print(step.cohStar()) + ", must be from 0 to 1 + TOL_COH " + print(step.tolerance()));
        return with("claimed", step.cohStar()).with("tolerance", step.tolerance());
    }

    @Override
    public ExplainedStep rBounds(Step.RBounds step) {
        line("claimed " + print(step.r()) + ", must be from 0 to 1");
        return with("claimed", step.r());
    }

    @Override
    public ExplainedStep regimeMatch(Step.RegimeMatch step) {
        String claimed = step.claimed().wireName();
        String expected = step.expected().wireName();
        line("claimed " + claimed + ", expected " + expected + " for D_hat " + print(step.dHat()) + " and coh_star "
                + print(step.cohStar()));
        line("sticky: coh_star >= " + print(Regime.STICKY_MIN_COH_STAR) + ", D_hat <= " + print(Regime.STICKY_MAX_D_HAT)
                + "; non_sticky: D_hat >= " + print(Regime.NON_STICKY_MIN_D_HAT) + "; else mixed");
        members.put("claimed", claimed);
        members.put("expected", expected);
        return with("D_hat", step.dHat()).with("coh_star", step.cohStar());
    }

    @Override
    public ExplainedStep budgetMatch(Step.BudgetMatch step) {
        Policy policy = step.policy();
        BudgetTerms terms = step.terms();
        row(" ", terms.base(), "BUDGET_BASE");
        row(
                "+",
                terms.incompressibility(),
                "BUDGET_ALPHA " + print(policy.alpha()) + " * (1 - r " + print(step.r()) + ")");
        row(
                "+",
                terms.dimension(),
                "BUDGET_BETA " + print(policy.beta()) + " * max(0, D_hat " + print(step.dHat()) + " - BUDGET_D0 "
                        + print(policy.d0()) + ")");
        row("+", terms.coherence(), "BUDGET_GAMMA " + print(policy.gamma()) + " * coh_star " + print(step.cohStar()));
        row("=", step.recomputed(), "clamped to [0, 1], rounded to 9 decimals");
        line("claimed " + print(step.claimed()) + ", difference " + print(step.diff())
                + atMost(step.diff(), "TOL_BUDGET", policy.tolBudget()));
        return with("claimed", step.claimed())
                .with("base", terms.base())
                .with("alpha_term", terms.incompressibility())
                .with("beta_term", terms.dimension())
                .with("gamma_term", terms.coherence())
                .with("recomputed", step.recomputed())
                .with("diff", step.diff())
                .with("tolerance", policy.tolBudget());
    }

    @Override
    public ExplainedStep noDegradation(Step.NoDegradation step) {
        boolean degraded = step.faultTolerance().degraded();
        line(
                degraded
                        ? "ft.degraded is true, fallbacks: "
                                + Printable.of(step.faultTolerance().fallbacks().toString())
                        : "ft.degraded is not set");
        members.put("degraded", degraded);
        members.put("fallbacks", step.faultTolerance().fallbacks());
        return this;
    }

    private static String atMost(double diff, String name, double tolerance) {
        return (diff <= tolerance ? ", at most " : ", more than ") + name + " " + print(tolerance);
    }

    /**
     * Adds a line for a term of the budget. A huge claimed value can make the term infinite; infinity has no canonical
     * form, so Java's form is shown.
     */
    private void row(String sign, double term, String what) {
        String number = Double.isFinite(term) ? print(term) : Double.toString(term);
        line(String.format(Locale.ROOT, "%s %-22s %s", sign, number, what));
    }

    private void line(String words) {
        text.append("    ").append(words).append('\n');
    }

    private ExplainedStep with(String name, double value) {
        members.put(name, number(value));
        return this;
    }

    /** Returns a JSON number; null for a value that is not finite, which JSON can't express. */
    private static @Nullable Object number(double value) {
        return Double.isFinite(value) ? Json.raw(CanonicalDouble.print(value)) : null;
    }
}
