// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.report;

import dev.flk.bench.suite.Figures;
import dev.flk.bench.suite.Results;
import dev.flk.bench.suite.Sample;
import dev.flk.bench.suite.Target;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Results for people, at most 100 columns wide: medians of the rounds. */
public final class Table {
    private static final String ROW = "%-28s %10s %4s %5s %8s %7s %8s %7s %6s %7s";

    private Table() {}

    /** The lines of one suite. */
    public static List<String> of(Results results) {
        List<String> lines = new ArrayList<>();
        lines.add(results.suite());
        lines.add(row(
                results.unit(),
                "per second",
                "+-%",
                "ratio",
                "p50 ms",
                "p99 ms",
                "p99.9 ms",
                "CPU us",
                "MiB",
                "heap B"));
        double base = results.base().isEmpty()
                ? Double.NaN
                : results.of(results.base()).median(Sample::perSecond);
        for (Figures one : results.figures()) {
            lines.add(row(
                    one.subject(),
                    number("%,.0f", one.median(Sample::perSecond)),
                    number("%.0f", one.noise() * 100),
                    number("%.2f", one.median(Sample::perSecond) / base),
                    number("%.3f", one.median(Sample::p50Millis)),
                    number("%.2f", one.median(Sample::p99Millis)),
                    number("%.2f", one.median(Sample::p999Millis)),
                    number("%.1f", one.median(Sample::cpuMicros)),
                    number("%.0f", one.median(Sample::residentMebibytes)),
                    number("%,.0f", one.median(Sample::allocatedBytes))));
        }
        for (Target target : results.targets()) {
            lines.add("  %s %s: %s"
                    .formatted(
                            target.reached() ? "reached" : "MISSED ", target.what(), number("%.2f", target.value())));
        }
        return lines;
    }

    private static String row(Object... cells) {
        return ROW.formatted(cells).stripTrailing();
    }

    private static String number(String format, double value) {
        return Double.isNaN(value) ? "" : String.format(Locale.ROOT, format, value);
    }
}
