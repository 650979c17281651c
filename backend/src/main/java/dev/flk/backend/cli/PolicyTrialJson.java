// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.cli.PolicyTrial.Example;
import dev.flk.backend.cli.PolicyTrial.Line;
import dev.flk.backend.cli.PolicyTrial.Tally;
import dev.flk.backend.ingest.LoggedOutcomes.Ending;
import dev.flk.canonical.JsonLine;
import dev.flk.program.cli.InWords;
import java.util.Locale;

/** What another policy would have made of the log, for programs: one JSON object a line. */
final class PolicyTrialJson {
    private PolicyTrialJson() {}

    static String of(PolicyTrial trial) {
        StringBuilder lines = new StringBuilder();
        for (Ending before : Ending.values()) {
            for (Ending after : Ending.values()) {
                lines.append(new JsonLine()
                        .text("type", "outcome")
                        .text("before", name(before))
                        .text("after", name(after))
                        .integer("certificates", trial.count(before, after))
                        .end());
            }
        }
        for (Line line : trial.reasons()) {
            lines.append(new JsonLine()
                    .text("type", "reason")
                    .text("reason", line.name())
                    .integer("before", line.tally().before())
                    .integer("after", line.tally().after())
                    .end());
        }
        for (Line line : trial.shards()) {
            lines.append(tally(new JsonLine().text("type", "shard").text("shard", line.name()), line.tally()));
        }
        lines.append(tally(
                new JsonLine()
                        .text("type", "other_shards")
                        .integer("shards", trial.shardsLeftOut())
                        .truth("and_more", trial.hasMoreShards()),
                trial.leftOut()));
        examples(lines, trial);
        return lines.append(new JsonLine()
                        .text("type", "summary")
                        .text("policy", trial.policy().text())
                        .text("policy_hash", trial.policy().hash())
                        .text("since", InWords.time(trial.start().toEpochMilli()))
                        .integer("decided", trial.decided())
                        .integer("answered_by_an_earlier_one", trial.overruled())
                        .integer("different", trial.otherwise())
                        .integer("different_reason", trial.otherReason())
                        .end())
                .toString();
    }

    private static String tally(JsonLine line, Tally tally) {
        return line.integer("decided", tally.before())
                .integer("different", tally.changed())
                .integer("accepted_change", tally.more(Ending.ACCEPTED))
                .integer("escalated_change", tally.more(Ending.ESCALATED))
                .integer("rejected_change", tally.more(Ending.REJECTED))
                .end();
    }

    private static void examples(StringBuilder lines, PolicyTrial trial) {
        for (Ending before : Ending.values()) {
            for (Ending after : Ending.values()) {
                for (Example example : trial.examples(before, after)) {
                    lines.append(new JsonLine()
                            .text("type", "example")
                            .integer("seq", example.sequence())
                            .text("pcs_id", example.before().id().toString())
                            .text("shard", example.before().shard())
                            .text("before", name(before))
                            .text("after", name(after))
                            .text("reason_before", example.before().reason())
                            .text("reason_after", example.after().reason())
                            .end());
                }
            }
        }
    }

    private static String name(Ending ending) {
        return ending.name().toLowerCase(Locale.ROOT);
    }
}
