// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.health;

import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.health.CheckRun.Result;
import dev.flk.program.health.Finding.Grade;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The part of the command {@code health} that all programs share: it runs the checks and prints the results. */
public abstract class HealthCommand implements Callable<Integer> {
    /**
     * The time limit of a request. It is shorter than the usual time limit of the checks, so that a check can still
     * report that the request timed out.
     */
    protected static final Duration REQUEST_TIMEOUT = Duration.ofSeconds(5);

    /**
     * The time after the start of the process at which the checks end, so that the command ends within ten seconds even
     * if a busy machine takes seconds to start the JVM.
     */
    private static final Duration LIMIT = Duration.ofSeconds(8);

    /** The minimum time for the checks. */
    private static final Duration LEAST = Duration.ofSeconds(1);

    private static final int GRADE_COLUMNS = 5;
    private static final int TIME_COLUMNS = 11;
    private static final int LEAST_SUBJECT_COLUMNS = 9;
    private static final int MOST_SUBJECT_COLUMNS = 30;

    private final String program;

    @Option(names = "--json", description = "One JSON object per line.")
    private boolean json;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    /**
     * A result as JSON.
     *
     * @param program the program that printed it
     */
    private record CheckLine(String program, Grade grade, String subject, long millis, String text) {}

    /** @param program the name of the program, such as {@code flk-agent} */
    protected HealthCommand(String program) {
        this.program = program;
    }

    /**
     * Reads the settings and returns the checks. Runs on a separate thread, as the checks do, because the files of the
     * settings may be on a disk that hangs.
     *
     * @param found accepts the findings about the settings
     * @throws dev.flk.program.config.InvalidConfig if the settings are invalid; each problem becomes a bad finding
     */
    protected abstract List<Check> checks(Consumer<Finding> found) throws Exception;

    @Override
    public final Integer call() throws InterruptedException {
        List<Result> results = CheckRun.all(this::checks, limit(age()));
        Output output = new Output(spec.commandLine().getOut()::print, json);
        int columns = subjectColumns(results);
        for (Result result : results) {
            output.print(
                    "check",
                    new CheckLine(program, result.grade(), result.subject(), result.millis(), result.text()),
                    line -> text(line, columns));
        }
        spec.commandLine().getOut().flush();
        return results.stream().anyMatch(result -> result.grade() == Grade.BAD) ? ExitCode.SOFTWARE : ExitCode.OK;
    }

    /**
     * Returns the time limit of the checks in a process of this age. A process that is older than the limit was not
     * started for the checks, so its age is ignored.
     */
    static Duration limit(Duration age) {
        if (age.isNegative() || age.compareTo(LIMIT) > 0) {
            return LIMIT;
        }
        Duration rest = LIMIT.minus(age);
        return rest.compareTo(LEAST) < 0 ? LEAST : rest;
    }

    private static Duration age() {
        return ProcessHandle.current()
                .info()
                .startInstant()
                .map(start -> Duration.between(start, Instant.now()))
                .orElse(Duration.ZERO);
    }

    private static int subjectColumns(List<Result> results) {
        return results.stream()
                .mapToInt(result -> result.subject().length())
                .map(length -> Math.min(length, MOST_SUBJECT_COLUMNS))
                .reduce(LEAST_SUBJECT_COLUMNS, Math::max);
    }

    private static String text(CheckLine line, int subjectColumns) {
        String grade = switch (line.grade()) {
            case GOOD -> "ok";
            case DOUBTFUL -> "?";
            case BAD -> "BAD";
        };
        return Paragraph.wrapped(
                GRADE_COLUMNS + subjectColumns + TIME_COLUMNS,
                ("%-" + GRADE_COLUMNS + "s%-" + subjectColumns + "s%6d ms\t%s")
                        .formatted(grade, line.subject(), line.millis(), line.text()));
    }
}
