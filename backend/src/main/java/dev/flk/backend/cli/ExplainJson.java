// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.JsonLine;
import dev.flk.verification.Explanation;
import dev.flk.verification.Step;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * An explained answer for programs: one JSON object with {@code signature} (with a keys file also {@code key}, {@code objections} and {@code
 * shard_keys}), {@code broken_rule}, {@code steps} and
 * {@code ending}, each if the way led so far, and {@code status} and {@code body}.
 */
final class ExplainJson {
    private ExplainJson() {}

    static String of(ExplainedAnswer explained) {
        JsonLine line = new JsonLine();
        if (explained.signature() != null) {
            explained.signature().members(line);
        }
        if (explained.brokenRule() != null) {
            line.text("broken_rule", explained.brokenRule());
        }
        if (explained.verification() != null) {
            line.json("steps", steps(explained.verification()));
        }
        explained.ending().ifPresent(ending -> line.text("ending", ending));
        return line.integer("status", explained.answer().status())
                .json("body", explained.answer().text())
                .end();
    }

    private static String steps(Explanation verification) {
        return verification.steps().stream().map(ExplainJson::step).collect(Collectors.joining(",", "[", "]"));
    }

    private static String step(Step step) {
        String objection = step.objection()
                .map(reason -> ",\"objection\":" + CanonicalString.quote(reason.text()))
                .orElse("");
        return "{\"rule\":" + CanonicalString.quote(step.rule().name().toLowerCase(Locale.ROOT)) + objection
                + step.match(new StepJson()) + "}";
    }
}
