// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.agent.outbox.OutboxCompaction.Report;
import dev.flk.program.cli.InWords;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "compact",
        header = "Give the space of certificates back that were sent.",
        description = {
            "Removes what was settled longer ago than the horizon, in whole segments, and",
            "compresses segments that were closed a day ago. What waits is never removed.",
            "For cron; works also while an agent runs, through it, and on a full disk."
        })
final class CompactCommand implements Callable<Integer> {
    private static final int MOST_DAYS = 36_500;

    private final Context context;

    @Option(
            names = "--horizon-days",
            paramLabel = "N",
            defaultValue = "14",
            description = "How long what was settled is kept; preset: ${DEFAULT-VALUE}.")
    private int horizonDays;

    @Option(names = "--dry-run", description = "Only say what would be done.")
    private boolean dryRun;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    CompactCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        if (horizonDays < 0 || horizonDays > MOST_DAYS) {
            throw new ParameterException(
                    spec.commandLine(), "--horizon-days must be from 0 to " + MOST_DAYS + ", not " + horizonDays);
        }
        AgentConfig config = context.config();
        Duration horizon = Duration.ofDays(horizonDays);
        Mode mode = dryRun ? Mode.DRY_RUN : Mode.RUN;
        Report report = OutboxAccess.either(
                config, outbox -> outbox.compact(horizon, mode), agent -> agent.compact(horizon, mode));
        inWords(report).forEach(context::say);
        return 0;
    }

    private List<String> inWords(Report report) {
        String freed = InWords.bytes(Math.max(0, report.freedBytes()));
        String waiting = InWords.count(report.pending(), "certificate") + (report.pending() == 1 ? " waits" : " wait");
        return dryRun
                ? List.of(
                        InWords.count(report.removedSegments(), "segment") + " would be removed, "
                                + report.compressedSegments() + " would be compressed, about " + freed
                                + " would be freed",
                        report.movedEntries() == 0
                                ? waiting
                                : waiting + "; " + report.movedEntries() + " would be written anew")
                : List.of(
                        InWords.count(report.removedSegments(), "segment") + " removed, " + report.compressedSegments()
                                + " compressed, " + freed + " freed",
                        report.movedEntries() == 0
                                ? waiting
                                : waiting + "; " + report.movedEntries() + " written anew");
    }
}
