// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.bench.Results.Figure;
import dev.flk.bench.Results.Figures;
import dev.flk.bench.Targets.Target;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The results as a table for people and as JSON for programs. */
final class Report {
    private static final String CORES = "cores";
    private static final JsonMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    private Report() {}

    /**
     * All results of a run, as in the file of {@code --json}.
     *
     * @param machine properties of the machine by name, in order
     */
    record Measurement(Map<String, String> machine, List<Results> suites) {
        static Measurement read(Path file) throws IOException {
            return JSON.readValue(file.toFile(), Measurement.class);
        }

        /** Writes every round of every subject. */
        void write(Path file) throws IOException {
            JSON.writeValue(file.toFile(), this);
        }

        Results suite(String name) {
            return suites.stream()
                    .filter(one -> one.suite().equals(name))
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException("the suite " + name + " was not measured"));
        }

        /** Returns the targets of a suite. */
        List<Target> targets(Results results) {
            return Targets.of(results, Integer.parseInt(Objects.requireNonNull(machine.get(CORES))));
        }
    }

    /** Returns properties of the machine by name, in order. */
    public static Map<String, String> machine(Path data) throws IOException {
        Map<String, String> machine = new LinkedHashMap<>();
        machine.put("when", Instant.now().truncatedTo(ChronoUnit.MINUTES).toString());
        machine.put(CORES, Integer.toString(Runtime.getRuntime().availableProcessors()));
        machine.put("processor", field(Path.of("/proc/cpuinfo"), "model name"));
        machine.put("memory", field(Path.of("/proc/meminfo"), "MemTotal"));
        machine.put("system", System.getProperty("os.name") + " " + System.getProperty("os.version"));
        machine.put("java", System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"));
        machine.put("file system", Files.getFileStore(data).type());
        return machine;
    }

    private static String field(Path file, String name) throws IOException {
        if (!Files.isReadable(file)) {
            return "unknown";
        }
        return Files.readAllLines(file).stream()
                .filter(line -> line.startsWith(name))
                .map(line -> line.substring(line.indexOf(':') + 1).strip())
                .findFirst()
                .orElse("unknown");
    }

    /** Returns the lines of one suite: the medians of the rounds, then the targets. */
    public static List<String> table(Results results, List<Target> targets) {
        List<Figure> columns = Arrays.stream(Figure.values())
                .filter(column -> column != Figure.PER_SECOND)
                .filter(column -> results.figures().stream().anyMatch(one -> !Double.isNaN(one.median(column))))
                .toList();
        double base = results.base().isEmpty() ? Double.NaN : results.rate(results.base());
        List<String> lines = new ArrayList<>();
        lines.add(results.suite());
        lines.add(row(results.unit(), "+-%", "ratio", columns, column -> column.heading));
        for (Figures one : results.figures()) {
            lines.add(row(
                    one.subject(),
                    number("%.0f", one.noise() * 100),
                    number("%.2f", one.median(Figure.PER_SECOND) / base),
                    columns,
                    column -> column.text(one.median(column))));
        }
        for (Target target : targets) {
            lines.add("  %s: %s".formatted(target.what(), target.text(" MISSED")));
        }
        return lines;
    }

    /** Returns a row of at most 100 columns. */
    private static String row(
            String name, String noise, String ratio, List<Figure> columns, Function<Figure, String> cell) {
        String rest = columns.stream()
                .map(column -> "%10s".formatted(cell.apply(column)))
                .collect(Collectors.joining());
        return "%-28s %10s %4s %5s%s"
                .formatted(name, cell.apply(Figure.PER_SECOND), noise, ratio, rest)
                .stripTrailing();
    }

    private static String number(String format, double value) {
        return Double.isNaN(value) ? "" : String.format(Locale.ROOT, format, value);
    }
}
