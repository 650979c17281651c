// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.step.CertificateSteps;
import dev.flk.bench.step.LogSteps;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
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

/** JMH on single steps, one thread each, in a JVM of its own. */
final class Steps implements Suite {
    private static final int WARM_UP_ROUNDS = 3;
    private static final String ALLOCATED = "gc.alloc.rate.norm";

    @Override
    public String name() {
        return "steps";
    }

    @Override
    public String description() {
        return "each step of a certificate's way by itself, in one thread, by JMH";
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException {
        Path directory = workshop.directory("steps");
        Plan plan = rounds.plan();
        TimeValue round = TimeValue.nanoseconds(plan.measured().toNanos());
        Options options = new OptionsBuilder()
                .include(pattern(CertificateSteps.class))
                .include(pattern(LogSteps.class))
                .mode(Mode.AverageTime)
                .timeUnit(TimeUnit.MICROSECONDS)
                .forks(1)
                .threads(1)
                .warmupIterations(WARM_UP_ROUNDS)
                .warmupTime(round)
                .measurementIterations(plan.rounds())
                .measurementTime(round)
                .addProfiler(GCProfiler.class)
                .jvmArgsAppend("-Xmx1g", "-Djmh.ignoreLock=true", "-D" + LogSteps.DIRECTORY + "=" + directory)
                .verbosity(VerboseMode.SILENT)
                .shouldFailOnError(true)
                .build();
        try {
            return results(new Runner(options).run());
        } catch (RunnerException e) {
            throw new IOException("JMH: " + e.getMessage(), e);
        }
    }

    private static String pattern(Class<?> type) {
        return type.getName().replace(".", "\\.") + "\\.";
    }

    private Results results(Collection<RunResult> runs) {
        List<Figures> figures = new ArrayList<>();
        for (RunResult run : runs) {
            List<Sample> samples = new ArrayList<>();
            run.getBenchmarkResults()
                    .forEach(fork -> fork.getIterationResults().forEach(round -> samples.add(sample(round))));
            String method = run.getParams().getBenchmark();
            figures.add(new Figures(method.substring(method.lastIndexOf('.') + 1), samples));
        }
        figures.sort(Comparator.comparingDouble(one -> -one.median(Sample::perSecond)));
        return new Results(name(), "operations", "", figures, List.of());
    }

    private static Sample sample(IterationResult round) {
        double micros = round.getPrimaryResult().getScore();
        return Sample.ofStep(
                micros,
                Objects.requireNonNull(round.getSecondaryResults().get(ALLOCATED))
                        .getScore());
    }
}
