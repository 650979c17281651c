// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import java.util.List;

/**
 * What a suite gave.
 *
 * @param suite its name
 * @param unit what the rates count
 * @param base the subject that the others are compared with; "" for none
 */
public record Results(String suite, String unit, String base, List<Figures> figures, List<Target> targets) {
    /** Keeps copies. */
    public Results {
        figures = List.copyOf(figures);
        targets = List.copyOf(targets);
    }

    /** Those of one subject. */
    public Figures of(String subject) {
        return figures.stream()
                .filter(one -> one.subject().equals(subject))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("nothing was measured of " + subject));
    }

    double rate(String subject) {
        return of(subject).median(Sample::perSecond);
    }

    double ratio(String subject, String other) {
        return rate(subject) / rate(other);
    }

    Results with(List<Target> asked) {
        return new Results(suite, unit, base, figures, asked);
    }
}
