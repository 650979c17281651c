// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Results.Figure;
import dev.flk.bench.Results.Figures;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject.Plan;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/** The suite of single steps, measured by JMH. Each step runs in one thread, in a JVM of its own. */
final class Steps {
    private Steps() {}

    static Results run(Workbench bench) throws IOException {
        Path directory = bench.directory("steps");
        Plan plan = bench.plan();
        TimeValue round = TimeValue.nanoseconds(plan.measured().toNanos());
        Options options = new OptionsBuilder()
                .include(pattern(CertificateSteps.class))
                .include(pattern(LogSteps.class))
                .mode(Mode.AverageTime)
                .timeUnit(TimeUnit.MICROSECONDS)
                .forks(1)
                .threads(1)
                .warmupIterations(3)
                .warmupTime(round)
                .measurementIterations(plan.rounds())
                .measurementTime(round)
                .addProfiler(GCProfiler.class)
                .jvmArgsAppend("-Xmx1g", "-Djmh.ignoreLock=true", "-D" + LogSteps.DIRECTORY + "=" + directory)
                .verbosity(VerboseMode.SILENT)
                .shouldFailOnError(true)
                .build();
        List<Figures> figures = new ArrayList<>();
        try {
            new Runner(options).run().forEach(run -> figures.add(figures(run)));
        } catch (RunnerException e) {
            throw new IOException("JMH: " + e.getMessage(), e);
        }
        figures.sort(Comparator.comparingDouble(one -> -one.median(Figure.PER_SECOND)));
        return new Results(bench.suite(), "operations", "", figures, List.of());
    }

    private static String pattern(Class<?> type) {
        return type.getName().replace(".", "\\.") + "\\.";
    }

    private static Figures figures(RunResult run) {
        List<Sample> samples = run.getBenchmarkResults().stream()
                .flatMap(fork -> fork.getIterationResults().stream())
                .map(Steps::sample)
                .toList();
        String method = run.getParams().getBenchmark();
        return new Figures(method.substring(method.lastIndexOf('.') + 1), samples);
    }

    private static Sample sample(IterationResult round) {
        double micros = round.getPrimaryResult().getScore();
        double heap = Objects.requireNonNull(round.getSecondaryResults().get("gc.alloc.rate.norm"))
                .getScore();
        return Sample.ofRate(1e6 / micros).with(Figure.CPU_MICROS, micros).with(Figure.ALLOCATED_BYTES, heap);
    }
}
