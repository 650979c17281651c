// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.diagnosis.Paragraph;
import dev.flk.verification.Explanation;
import dev.flk.verification.Reason;
import dev.flk.verification.Step;
import java.util.Locale;
import java.util.Optional;

/** An explained answer for people. All lines have at most 80 columns, but the last, which is the answer to the byte. */
final class ExplainText {
    private static final int INDENT = 4;

    private ExplainText() {}

    static String of(ExplainedAnswer explained) {
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
            appendSteps(out, explained.verification(), explained.ending().orElseThrow());
        }
        return out.append(explained.answer().status())
                .append(' ')
                .append(explained.answer().text())
                .append('\n')
                .toString();
    }

    private static void appendSteps(StringBuilder out, Explanation verification, String ending) {
        boolean decided = false;
        for (Step step : verification.steps()) {
            Optional<Reason> objection = step.objection();
            String result = "holds";
            if (objection.isPresent()) {
                result = decided ? "would object, too" : ending;
                decided = true;
            }
            out.append(String.format(Locale.ROOT, "%s: %s%n", name(step.rule()), result));
            out.append(step.match(new StepText()));
            objection.ifPresent(reason -> out.append(Paragraph.wrapped(" ".repeat(INDENT), INDENT, reason.text())));
        }
        out.append('\n')
                .append(ending)
                .append(" under the policy ")
                .append(verification.verdict().policyHash())
                .append("\n");
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
}
