// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.config.LogRules;
import dev.flk.backend.ingest.DecisionRules;
import dev.flk.backend.ingest.LoggedOutcomes;
import dev.flk.backend.ingest.LoggedOutcomes.Given;
import dev.flk.canonical.JsonLine;
import dev.flk.wal.Damage;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code wal replay}: decides what is in the log again. */
@Command(
        name = "replay",
        description = {
            "Decides the certificates in the log again, and counts the outcomes.",
            "",
            "Each is decided by the policy that it was logged with, so that the answers are",
            "those that were given, to the byte. It only reads.",
            "",
            "With --policy current it also decides by the policy of the configuration, and",
            "says which certificates would be accepted, escalated or rejected otherwise.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:done", "1:records are missing in between, or can't be decided", "2:wrong usage"},
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class WalReplayCommand implements Callable<Integer> {
    @Mixin
    private final WalSource source;

    @Option(names = "--from", paramLabel = "SEQ", description = "The first record to be decided.")
    private long from = 1;

    @Option(names = "--to", paramLabel = "SEQ", description = "The last record to be decided.")
    private long to = Long.MAX_VALUE;

    @Option(
            names = "--policy",
            paramLabel = "POLICY",
            description = "'current': also decide by the policy of the configuration.")
    private @Nullable String policy;

    @Option(names = "--outcomes", description = "Print each outcome, one JSON object a line.")
    private boolean outcomes;

    @Option(
            names = "--diff",
            description =
                    "With --policy: print each certificate that would come out otherwise, one JSON object a line.")
    private boolean diff;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalReplayCommand(WalSource source) {
        this.source = source;
    }

    @Override
    public Integer call() throws IOException {
        checkUsage();
        source.requireLog();
        ReplayCount count = new ReplayCount();
        DecisionRules current = policy == null ? null : currentRules();
        PrintWriter out = spec.commandLine().getOut();
        List<Damage> damages = new LogReplay(source.inspector(), current, LogReplay.Progress.none())
                .run(
                        from,
                        to,
                        record -> {
                            count.record(record);
                            return LoggedOutcomes.isSubmission(record);
                        },
                        (record, given, other) -> tell(record, given, other, count, out));
        printSummary(count, current != null);
        return MissingText.report(damages, to, spec.commandLine().getErr());
    }

    /** Beside lines for programs, what people read goes elsewhere. */
    private void printSummary(ReplayCount count, boolean compared) {
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter target =
                (outcomes || diff) && !source.json ? spec.commandLine().getErr() : out;
        target.print(source.json ? count.asJson(compared) : count.asText(compared, source.directory()));
        out.flush();
        target.flush();
    }

    private void tell(LogRecord record, Given given, @Nullable Given other, ReplayCount count, PrintWriter out) {
        count.given(given);
        Given shown = given;
        if (other != null) {
            // what stood for the id already stands under any policy
            shown = given.isOverruled() ? given : other;
            if (!given.isOverruled() && other.ending() != given.ending()) {
                count.differs();
                if (diff) {
                    out.print(asDifference(record.sequence(), given, other));
                }
            }
        }
        if (outcomes) {
            out.print(asOutcome(record.sequence(), shown));
        }
    }

    private static String asOutcome(long sequence, Given given) {
        return new JsonLine()
                .integer("seq", sequence)
                .text("pcs_id", given.id().toString())
                .integer("status", given.status())
                .json("body", given.body())
                .end();
    }

    private static String asDifference(long sequence, Given was, Given wouldBe) {
        return new JsonLine()
                .integer("seq", sequence)
                .text("pcs_id", was.id().toString())
                .text("was", was.ending().name().toLowerCase(Locale.ROOT))
                .text("would_be", wouldBe.ending().name().toLowerCase(Locale.ROOT))
                .json("body", wouldBe.body())
                .end();
    }

    private DecisionRules currentRules() {
        LogRules rules = source.rules();
        return new DecisionRules(rules.policy(), rules.dedupTtl());
    }

    private void checkUsage() {
        if (from < 1 || to < from) {
            throw wrong("--from and --to: sequences count from 1, and the first is not behind the last");
        }
        if (policy != null && !policy.equals("current")) {
            throw wrong("--policy: '" + policy + "' is none; the only one is 'current', that of the configuration");
        }
        if (diff && policy == null) {
            throw wrong("--diff: differs from what? Add --policy current");
        }
    }

    private ParameterException wrong(String what) {
        return new ParameterException(spec.commandLine(), what);
    }
}
