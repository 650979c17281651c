// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.cli.PolicyTrial.Example;
import dev.flk.backend.cli.PolicyTrial.Line;
import dev.flk.backend.cli.PolicyTrial.Tally;
import dev.flk.backend.ingest.LoggedOutcomes.Ending;
import dev.flk.backend.ingest.LoggedOutcomes.Given;
import dev.flk.diagnosis.Paragraph;
import dev.flk.program.cli.InWords;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Locale;

/** What another policy would have made of the log, for people: 80 columns. */
final class PolicyTrialText {
    private static final String MATRIX = "%-20s %19s %19s %19s\n";
    private static final String REASON = "%s %10d %10d %+11d\n";
    private static final String SHARD = "%s %9d %9d %+9d %+10d %+10d\n";
    private static final int SHARD_COLUMNS = 28;
    private static final int REASON_COLUMNS = 46;

    private PolicyTrialText() {}

    static String of(PolicyTrial trial, Path directory) {
        StringBuilder text = new StringBuilder();
        text.append(Paragraph.wrapped(
                "policy   ",
                9,
                trial.policy().text().replace(";", " ") + " (" + trial.policy().hash() + ")"));
        String since = trial.start().equals(Instant.EPOCH)
                ? ""
                : " since " + InWords.time(trial.start().toEpochMilli());
        String earlier = trial.overruled() == 0
                ? ""
                : "; for " + trial.overruled() + " of them another outcome stood already, and stands";
        text.append(Paragraph.wrapped(
                "decided  ", 9, InWords.count(trial.decided(), "certificate") + since + " in " + directory + earlier));
        if (trial.decided() == 0) {
            return text.toString();
        }
        matrix(text, trial);
        reasons(text, trial);
        shards(text, trial);
        examples(text, trial);
        return text.toString();
    }

    private static void matrix(StringBuilder text, PolicyTrial trial) {
        text.append('\n').append(MATRIX.formatted("AS RECORDED", "WOULD BE ACCEPTED", "ESCALATED", "REJECTED"));
        for (Ending before : Ending.values()) {
            text.append(MATRIX.formatted(
                    name(before),
                    trial.count(before, Ending.ACCEPTED),
                    trial.count(before, Ending.ESCALATED),
                    trial.count(before, Ending.REJECTED)));
        }
        text.append('\n')
                .append(String.format(
                        Locale.ROOT,
                        "%d of %d outcomes would change (%.2f %%)",
                        trial.otherwise(),
                        trial.decided(),
                        100.0 * trial.otherwise() / trial.decided()))
                .append(trial.otherReason() == 0 ? "" : ", " + trial.otherReason() + " as before for another reason")
                .append('\n');
    }

    private static void reasons(StringBuilder text, PolicyTrial trial) {
        text.append("\n%-46s %10s %10s %11s\n".formatted("REASON", "BEFORE", "AFTER", "CHANGE"));
        for (Line line : trial.reasons()) {
            Tally tally = line.tally();
            text.append(REASON.formatted(
                    column(line.name(), REASON_COLUMNS),
                    tally.before(),
                    tally.after(),
                    tally.after() - tally.before()));
        }
    }

    private static void shards(StringBuilder text, PolicyTrial trial) {
        text.append("\n%-28s %9s %9s %9s %10s %10s\n"
                .formatted("SHARD", "DECIDED", "OTHERWISE", "ACCEPTED", "ESCALATED", "REJECTED"));
        trial.shards().forEach(line -> shard(text, column(line.name(), SHARD_COLUMNS), line.tally()));
        Tally rest = trial.leftOut();
        if (rest.before() > 0) {
            String atLeast = trial.hasMoreShards() ? "at least " : "";
            shard(text, column("and " + atLeast + trial.shardsLeftOut() + " more", SHARD_COLUMNS), rest);
        }
    }

    private static void shard(StringBuilder text, String name, Tally tally) {
        text.append(SHARD.formatted(
                name,
                tally.before(),
                tally.changed(),
                tally.more(Ending.ACCEPTED),
                tally.more(Ending.ESCALATED),
                tally.more(Ending.REJECTED)));
    }

    private static void examples(StringBuilder text, PolicyTrial trial) {
        for (Ending before : Ending.values()) {
            for (Ending after : Ending.values()) {
                for (Example example : trial.examples(before, after)) {
                    text.append(
                            "\n%s, would be %s: record %d\n".formatted(name(before), name(after), example.sequence()));
                    text.append("    ").append(example.before().id()).append('\n');
                    text.append(Paragraph.wrapped(
                            "    shard   ", 12, example.before().shard()));
                    text.append(Paragraph.wrapped("    before  ", 12, reason(example.before())));
                    text.append(Paragraph.wrapped("    after   ", 12, reason(example.after())));
                }
            }
        }
    }

    private static String reason(Given given) {
        return given.reason().isEmpty() ? "-" : given.reason();
    }

    /** In exactly so many columns, and nothing of it speaks to a terminal. Far eastern characters take two. */
    private static String column(String name, int columns) {
        String visible = Paragraph.visible(name);
        StringBuilder shown = new StringBuilder();
        int used = 0;
        for (int at = 0; at < visible.length(); ) {
            int c = visible.codePointAt(at);
            at += Character.charCount(c);
            used += width(c);
            if (used > columns - (at < visible.length() ? 1 : 0)) {
                used -= width(c);
                shown.append('\u2026');
                used++;
                break;
            }
            shown.appendCodePoint(c);
        }
        return shown.append(" ".repeat(Math.max(0, columns - used))).toString();
    }

    private static int width(int codePoint) {
        return codePoint < 0x1100 ? 1 : 2;
    }

    private static String name(Ending ending) {
        return ending.name().toLowerCase(Locale.ROOT);
    }
}
