// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Report.Measurement;
import dev.flk.bench.Results.Figure;
import dev.flk.bench.Targets.Target;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The pages whose figures are generated from a measurement. A generated part is between the lines
 * {@code <!-- bench: NAME -->} and {@code <!-- bench end -->}. NAME is a suite, for its table, or {@code machine},
 * {@code targets} or {@code readme}.
 */
final class MeasuredPages {
    static final List<Path> PAGES = List.of(Path.of("README.md"), Path.of("docs", "internals", "performance.md"));

    private static final Pattern PART = Pattern.compile("(?s)(<!-- bench: (\\S+) -->\n)(.*?)(<!-- bench end -->)");

    private MeasuredPages() {}

    /** Replaces the generated parts of all pages below a directory; of none if the measurement lacks a suite. */
    static void update(Path root, Measurement measurement) throws IOException {
        Map<Path, String> texts = new LinkedHashMap<>();
        for (Path page : PAGES) {
            Path file = root.resolve(page);
            texts.put(file, filled(Files.readString(file), measurement));
        }
        for (Map.Entry<Path, String> each : texts.entrySet()) {
            Files.writeString(each.getKey(), each.getValue());
        }
    }

    /** Returns the text of a page with the figures of this measurement. */
    static String filled(String page, Measurement measurement) {
        return PART.matcher(page)
                .replaceAll(part -> Matcher.quoteReplacement(
                        part.group(1) + "\n" + String.join("\n", lines(part, measurement)) + "\n\n" + part.group(4)));
    }

    private static List<String> lines(MatchResult part, Measurement measurement) {
        return switch (part.group(2)) {
            case "machine" ->
                measurement.machine().entrySet().stream()
                        .map(each -> "- " + each.getKey() + ": " + each.getValue())
                        .toList();
            case "targets" -> targets(measurement);
            case "readme" -> readme(measurement);
            default -> suite(measurement.suite(part.group(2)));
        };
    }

    private static List<String> targets(Measurement measurement) {
        Stream<String> rows = measurement.suites().stream()
                .flatMap(suite -> measurement.targets(suite).stream().map(target -> row(suite, target)));
        return Stream.concat(Stream.of("| target | measured |", "|---|--:|"), rows)
                .toList();
    }

    private static String row(Results suite, Target target) {
        return "| %s: %s | %s |"
                .formatted(
                        suite.suite(), target.what().replace(">=", "≥").replace("<=", "≤"), target.text(" **missed**"));
    }

    private static List<String> suite(Results results) {
        List<Figure> columns = Stream.of(Figure.values())
                .filter(column -> column != Figure.PER_SECOND && column != Figure.P999_MILLIS)
                .filter(column -> results.figures().stream().anyMatch(one -> !Double.isNaN(one.median(column))))
                .toList();
        double base = results.base().isEmpty() ? Double.NaN : results.rate(results.base());
        String headings = columns.stream().map(column -> " | " + column.heading).collect(Collectors.joining());
        Stream<String> rows = results.figures().stream()
                .map(one -> "| %s | %s | %s | %s%s |"
                        .formatted(
                                one.subject(),
                                Figure.PER_SECOND.text(one.median(Figure.PER_SECOND)),
                                number("%.0f", one.noise() * 100),
                                number("%.2f", one.median(Figure.PER_SECOND) / base),
                                columns.stream()
                                        .map(column -> " | " + column.text(one.median(column)))
                                        .collect(Collectors.joining())));
        return Stream.concat(
                        Stream.of(
                                "| " + results.unit() + " | a second | ± % | ratio" + headings.replace("us", "µs")
                                        + " |",
                                "|---|--:|--:|--:" + "|--:".repeat(columns.size()) + "|"),
                        rows)
                .toList();
    }

    private static String number(String format, double value) {
        return Double.isNaN(value) ? "" : String.format(Locale.ROOT, format, value);
    }

    /** Returns the three rows that people ask about. */
    private static List<String> readme(Measurement measurement) {
        Results peers = measurement.suite("peers");
        String single = Stream.of("backend", "Redis", "etcd", "Postgres")
                .map(server -> Figure.PER_SECOND.text(peers.rate(server + ", 64")))
                .collect(Collectors.joining(" · "));
        return List.of(
                "| | |",
                "|---|--:|",
                "| agents, in batches of 100 | %s certificates a second |"
                        .formatted(Figure.PER_SECOND.text(
                                measurement.suite("batches").rate("batches of 100"))),
                "| single certificates, 64 connections: this backend · Redis · etcd · Postgres | %s a second |"
                        .formatted(single),
                "| memory: a backend with a heap of 256 MiB after ten minutes of full load · a sending agent |"
                        + " %s MiB · %s MiB |"
                                .formatted(
                                        mebibytes(measurement, "sustained", "last quarter"),
                                        mebibytes(measurement, "agent", "drain")));
    }

    private static String mebibytes(Measurement measurement, String suite, String subject) {
        return Figure.RESIDENT_MEBIBYTES.text(
                measurement.suite(suite).of(subject).median(Figure.RESIDENT_MEBIBYTES));
    }
}
