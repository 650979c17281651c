// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Report.Measurement;
import dev.flk.bench.Suites.Suite;
import dev.flk.bench.Workbench.Subject.Plan;
import dev.flk.program.plot.Plot;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code flk bench}, which runs suites, and prints and writes their results. */
@Command(
        name = "flk bench",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Measures the backend and the agent against references on the same machine in",
            "alternating rounds, and prints medians and ratios. The load is generated on",
            "this machine too, so compare figures from different machines by ratio only.",
            ""
        },
        footer = {
            "",
            "Exit codes: 0 success, 1 failure, 2 usage error.",
            "Certificates are made before they are sent, which takes about 1 GiB of memory."
        })
public final class BenchCommand implements Callable<Integer> {
    @Parameters(
            paramLabel = "SUITE",
            description = "The suites to run, see --list. By default all except the large ones.")
    private List<String> suites = new ArrayList<>();

    @Option(names = "--list", description = "List the suites and exit.")
    private boolean list;

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds per subject; 5 by default.")
    private int rounds = 5;

    @Option(names = "--seconds", paramLabel = "S", description = "Length of a round in seconds; 3 by default.")
    private double seconds = 3;

    @Option(
            names = "--warm-up",
            paramLabel = "S",
            description = "Seconds before each round that are not counted; 1 by default.")
    private double warmUpSeconds = 1;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Directory for temporary data, on the disk to measure. The current directory by default.")
    private Path data = Path.of("");

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Write the figures of every round to this file as JSON.")
    private @Nullable Path json;

    @Option(
            names = "--report",
            paramLabel = "FILE",
            description = {
                "Measure nothing: write the figures of a file of --json into README.md and",
                "docs/internals/performance.md below the current directory."
            })
    private @Nullable Path report;

    @Option(
            names = "--plot",
            paramLabel = "FILE",
            description = "Write the plot of a suite to this SVG file; first-seconds has one.")
    private @Nullable Path plot;

    @Option(
            names = "--backend-jvm",
            paramLabel = "OPTION",
            description = "Option for the JVM of each backend, such as -Xmx256m; repeatable.")
    private List<String> backendJvm = new ArrayList<>();

    @Spec
    private CommandSpec spec = CommandSpec.create();

    /** Runs the command and exits with its exit code. */
    public static void main(String[] args) {
        System.exit(new CommandLine(new BenchCommand())
                .setUsageHelpWidth(80)
                .setExecutionExceptionHandler((e, commandLine, result) -> {
                    commandLine.getErr().println("flk bench: " + (e.getMessage() == null ? e : e.getMessage()));
                    return 1;
                })
                .execute(args));
    }

    @Override
    public Integer call() throws Exception {
        PrintStream out = System.out;
        Map<String, Suite> known = Suites.all();
        if (list) {
            known.values().forEach(suite -> out.printf("%-12s %s%n", suite.name(), suite.description()));
            return 0;
        }
        if (report != null) {
            for (Path file : MeasuredPages.PAGES) {
                if (!Files.exists(file)) {
                    throw new ParameterException(
                            spec.commandLine(), "--report: " + file + " is missing; run this command in the checkout");
                }
            }
            MeasuredPages.update(Path.of(""), Measurement.read(report));
            return 0;
        }
        requireKnown(known.keySet());
        if (json != null) {
            Files.createDirectories(Objects.requireNonNull(json.toAbsolutePath().getParent()));
        }
        Plan plan = new Plan(rounds, duration(warmUpSeconds), duration(seconds));
        Map<String, String> machine = Report.machine(data.toAbsolutePath());
        machine.put("measured", "%d rounds of %s s after %s s".formatted(rounds, seconds, warmUpSeconds));
        Measurement all = new Measurement(machine, new ArrayList<>());
        for (String name : suites.isEmpty() ? Suites.defaultNames() : suites) {
            try (Workbench bench = new Workbench(name, data.toAbsolutePath(), backendJvm, plan)) {
                Results results =
                        Objects.requireNonNull(known.get(name)).measurement().run(bench);
                all.suites().add(results);
                if (json != null) {
                    all.write(json);
                }
                if (plot != null && bench.plot() != null) {
                    Files.writeString(plot, Plot.svg(List.of(Objects.requireNonNull(bench.plot()))));
                }
                Report.table(results, all.targets(results)).forEach(out::println);
                out.println();
            }
        }
        machine.forEach((name, value) -> out.printf("%-12s %s%n", name, value));
        return 0;
    }

    private void requireKnown(Set<String> names) {
        for (String suite : suites) {
            if (!names.contains(suite)) {
                throw new ParameterException(
                        spec.commandLine(),
                        "there is no suite " + suite + "; the suites are " + String.join(", ", names));
            }
        }
        if (!Files.isDirectory(data.toAbsolutePath())) {
            throw new ParameterException(spec.commandLine(), "--data: " + data + " is not a directory");
        }
        if (plot != null && !suites.contains("first-seconds")) {
            throw new ParameterException(
                    spec.commandLine(), "--plot: only the suite first-seconds has a plot; run this suite");
        }
        if (rounds < 1 || seconds <= 0 || warmUpSeconds < 0) {
            throw new ParameterException(
                    spec.commandLine(), "--rounds and --seconds must be above 0, and --warm-up must not be negative");
        }
    }

    private static Duration duration(double seconds) {
        return Duration.ofNanos(Math.round(seconds * 1e9));
    }
}
