// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.suite.Plot;
import dev.flk.bench.suite.Report;
import dev.flk.bench.suite.Results;
import dev.flk.bench.suite.Results.Target;
import dev.flk.bench.suite.Suites;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code flk bench}. */
@Command(
        name = "flk bench",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Measures backend and agent against what this machine does in the same run,",
            "in rounds that alternate, and prints medians and ratios. The load comes from",
            "this very machine, so that figures of other machines compare by ratio only.",
            ""
        },
        footer = {
            "",
            "Exit codes: 0 measured, 1 failed, 2 usage, 3 a target was missed (--strict).",
            "Memory: about 1 GiB for certificates that are made before they are sent."
        })
public final class BenchCommand implements Callable<Integer> {
    @Parameters(paramLabel = "SUITE", description = "What to measure; see --list. By default all but the large ones.")
    private List<String> suites = new ArrayList<>();

    @Option(names = "--list", description = "Say what there is to measure, and end.")
    private boolean list;

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds of each subject; 5 by default.")
    private int rounds = 5;

    @Option(names = "--seconds", paramLabel = "S", description = "Length of a round; 3 by default.")
    private double seconds = 3;

    @Option(names = "--warm-up", paramLabel = "S", description = "Before each round, not counted; 1 by default.")
    private double warmUpSeconds = 1;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Where the data goes meanwhile: the disk that is measured. The current directory by default.")
    private Path data = Path.of("");

    @Option(names = "--json", paramLabel = "FILE", description = "Every round, for programs.")
    private @Nullable Path json;

    @Option(names = "--plot", paramLabel = "FILE", description = "Throughput and latency over connections, as SVG.")
    private @Nullable Path plot;

    @Option(
            names = "--backend-jvm",
            paramLabel = "OPTION",
            description = "For the JVM of each backend, as -Xmx256m; repeatable.")
    private List<String> backendJvm = new ArrayList<>();

    @Option(names = "--strict", description = "Exit 3 if a target is missed.")
    private boolean strict;

    @Spec
    private @Nullable CommandSpec spec;

    /** Runs the command; exits with its code. */
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
        Map<String, String> names = Suites.names();
        if (list) {
            names.forEach((name, description) -> out.printf("%-12s %s%n", name, description));
            return 0;
        }
        requireKnown(names);
        Map<String, String> machine = Report.machine(data.toAbsolutePath());
        List<Results> all = new ArrayList<>();
        for (String suite : suites.isEmpty() ? Suites.usual() : suites) {
            Results results = Suites.run(
                    suite,
                    data.toAbsolutePath(),
                    backendJvm,
                    rounds,
                    duration(warmUpSeconds),
                    duration(seconds),
                    System.err);
            all.add(results);
            Report.table(results).forEach(out::println);
            out.println();
        }
        machine.forEach((name, value) -> out.printf("%-12s %s%n", name, value));
        out.printf("%-12s %d rounds of %s s after %s s%n", "measured", rounds, seconds, warmUpSeconds);
        Optional<Path> file = Optional.ofNullable(json);
        if (file.isPresent()) {
            Report.writeJson(file.get(), machine, all);
        }
        Optional<Path> picture = Optional.ofNullable(plot);
        if (picture.isPresent()) {
            Results singles = all.stream()
                    .filter(one -> one.suite().equals(Suites.OVER_CONNECTIONS))
                    .findFirst()
                    .orElseThrow(
                            () -> new IllegalArgumentException("--plot needs the suite " + Suites.OVER_CONNECTIONS));
            Plot.overConnections(singles).write(picture.get());
        }
        boolean reached = all.stream().flatMap(one -> one.targets().stream()).allMatch(Target::reached);
        return strict && !reached ? 3 : 0;
    }

    private void requireKnown(Map<String, String> names) {
        for (String suite : suites) {
            if (!names.containsKey(suite) && spec != null) {
                throw new ParameterException(
                        spec.commandLine(),
                        "there is no suite " + suite + "; there are " + String.join(", ", names.keySet()));
            }
        }
        if (!Files.isDirectory(data.toAbsolutePath()) && spec != null) {
            throw new ParameterException(spec.commandLine(), "--data: there is no directory " + data);
        }
        if ((rounds < 1 || seconds <= 0 || warmUpSeconds < 0) && spec != null) {
            throw new ParameterException(spec.commandLine(), "--rounds and --seconds must be above 0");
        }
    }

    private static Duration duration(double seconds) {
        return Duration.ofNanos(Math.round(seconds * 1e9));
    }
}
