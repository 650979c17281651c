// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.health;

import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Printable;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.health.Finding.Grade;
import dev.flk.program.time.DaemonThreads;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * A check that runs on its own daemon thread. A check that hangs never delays the others or the end of the process.
 */
final class CheckRun {
    private final Check check;
    private final FutureTask<Boolean> task = new FutureTask<>(this::look, true);

    // the fields below are guarded by this
    private final List<Result> results = new ArrayList<>();
    private long sinceNanos = System.nanoTime();

    /**
     * A finding with the time that the check took to reach it.
     *
     * @param millis the time since the previous finding of the check, or since the check began
     */
    record Result(Grade grade, String subject, long millis, String text) {}

    private CheckRun(Check check) {
        this.check = check;
    }

    /** The first step of a command: reads the settings and chooses the checks. */
    @FunctionalInterface
    interface Preparation {
        /** Returns the checks, after passing findings about the settings to {@code found}. */
        List<Check> prepare(Consumer<Finding> found) throws Exception;
    }

    /**
     * Reads the settings, then runs all checks at the same time. Returns the results in the order of the checks.
     *
     * @param limit the time after which this method returns, with a bad finding about each check that still runs
     */
    static List<Result> all(Preparation settings, Duration limit) throws InterruptedException {
        long deadlineNanos = System.nanoTime() + limit.toNanos();
        List<Check> checks = new ArrayList<>();
        List<Result> results = new ArrayList<>();
        CheckRun first = begin(new Check("settings", found -> checks.addAll(settings.prepare(found))));
        results.addAll(first.await(deadlineNanos, limit));
        if (!first.task.isCancelled()) {
            List<CheckRun> running = checks.stream().map(CheckRun::begin).toList();
            for (CheckRun each : running) {
                results.addAll(each.await(deadlineNanos, limit));
            }
        }
        return results;
    }

    private static CheckRun begin(Check check) {
        CheckRun run = new CheckRun(check);
        DaemonThreads.named("health-" + check.subject()).newThread(run.task).start();
        return run;
    }

    private void look() {
        try {
            check.look().look(this::add);
        } catch (InvalidConfig e) {
            e.problems().forEach(problem -> add(Finding.bad(check.subject(), problem)));
        } catch (IOException e) {
            add(Finding.bad(check.subject(), IoMessages.describe(e)));
        } catch (Exception e) {
            add(Finding.bad(check.subject(), "internal error: " + e));
        }
    }

    private synchronized void add(Finding finding) {
        long nowNanos = System.nanoTime();
        results.add(new Result(
                finding.grade(),
                finding.subject(),
                TimeUnit.NANOSECONDS.toMillis(nowNanos - sinceNanos),
                Printable.of(finding.text())));
        sinceNanos = nowNanos;
    }

    private List<Result> await(long deadlineNanos, Duration limit) throws InterruptedException {
        try {
            task.get(Math.max(0, deadlineNanos - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            add(Finding.bad(check.subject(), "internal error: " + e.getCause()));
        } catch (TimeoutException e) {
            add(late(limit));
        }
        List<Result> soFar = results();
        task.cancel(true); // this call has no effect if the check has ended
        return soFar;
    }

    /** Returns the finding that the check has not ended; slow, if it had only a part of the limit for itself. */
    private synchronized Finding late(Duration limit) {
        Duration took = Duration.ofNanos(System.nanoTime() - sinceNanos);
        return took.multipliedBy(2).compareTo(limit) < 0
                ? Finding.doubtful(
                        check.subject(),
                        "slow: no answer within " + took.toMillis() + " ms, because the start took long; try again when"
                                + " the machine is less busy")
                : Finding.bad(
                        check.subject(),
                        "no answer within " + ErrorMessages.duration(limit)
                                + "; look for a disk, network or process that hangs, or a busy machine");
    }

    private synchronized List<Result> results() {
        return List.copyOf(results);
    }
}
