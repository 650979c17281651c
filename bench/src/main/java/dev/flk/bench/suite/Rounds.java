// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Rounds of all subjects in turn, so that whatever else the machine does hits all of them. */
final class Rounds {
    private final Plan plan;
    private final PrintStream progress;

    Rounds(Plan plan, PrintStream progress) {
        this.plan = plan;
        this.progress = progress;
    }

    /** The same with another plan. */
    Rounds with(Plan other) {
        return new Rounds(other, progress);
    }

    Plan plan() {
        return plan;
    }

    Results run(String suite, String unit, String base, List<Subject> subjects)
            throws IOException, InterruptedException {
        Map<String, List<Sample>> samples = new LinkedHashMap<>();
        // the first round warms the servers up, and is not counted
        for (int round = 0; round <= plan.rounds(); round++) {
            for (Subject subject : subjects) {
                Sample sample = subject.round(plan);
                progress.printf(
                        Locale.ROOT,
                        "%s, round %d of %d: %-28s %s%s%n",
                        suite,
                        round,
                        plan.rounds(),
                        subject.name(),
                        sample.inShort(unit),
                        round == 0 ? " (not counted)" : "");
                if (round > 0) {
                    samples.computeIfAbsent(subject.name(), name -> new ArrayList<>())
                            .add(sample);
                }
            }
        }
        List<Figures> figures = samples.entrySet().stream()
                .map(entry -> new Figures(entry.getKey(), entry.getValue()))
                .toList();
        return new Results(suite, unit, base, figures, List.of());
    }
}
