// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import dev.flk.backend.inbox.LoggedOutcomes.ReplayedOutcome;
import dev.flk.diagnosis.Paragraph;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Json;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.wal.segment.LogRecord;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A comparison of the recorded outcomes with those under another policy, counted and rendered. One thread. Memory is a few
 * KiB and one entry for each of the first {@value #MOST_SHARDS} shards; certificates of all other shards are counted
 * together.
 */
final class PolicyTrial {
    static final int MOST_SHARDS = 10_000;
    /** The largest number of reasons that are counted separately; recorded outcomes of other versions may have any reason. */
    private static final int MOST_REASONS = 100;

    private static final String OTHER_REASONS = "others";
    private static final String MATRIX = "%-20s %19s %19s %19s\n";
    private static final String REASON = "%s %10d %10d %+11d\n";
    private static final String SHARD = "%s %9d %9d %+9d %+10d %+10d\n";
    private static final int SHARD_COLUMNS = 28;
    private static final int REASON_COLUMNS = 46;

    private final Policy policy;
    private final Instant start;
    private final int mostExamples;
    private final int shardsShown;
    private final Map<Change, Long> changes = new HashMap<>();
    private final Map<String, Tally> byReason = new HashMap<>();
    private final Map<String, Tally> byShard = new HashMap<>();
    private final Tally laterShards = new Tally();
    private final Map<Change, List<Example>> examples = new HashMap<>();
    private long decided;
    private long overruled;
    private long otherwise;
    private long otherReason;

    /** The recorded outcome of a certificate and its outcome under the policy. */
    private record Change(Verdict.Kind before, Verdict.Kind after) {}

    /** A certificate whose outcome would change. */
    private record Example(long sequence, ReplayedOutcome before, ReplayedOutcome after) {}

    /** Counts of outcomes before and after, for a shard or a reason. */
    private static final class Tally {
        private final Map<Verdict.Kind, Long> before = new EnumMap<>(Verdict.Kind.class);
        private final Map<Verdict.Kind, Long> after = new EnumMap<>(Verdict.Kind.class);
        private long changed;

        private void add(Verdict.Kind ending, Map<Verdict.Kind, Long> counts) {
            counts.merge(ending, 1L, Long::sum);
        }

        private void add(Tally other) {
            other.before.forEach((ending, count) -> before.merge(ending, count, Long::sum));
            other.after.forEach((ending, count) -> after.merge(ending, count, Long::sum));
            changed += other.changed;
        }

        long before() {
            return before.values().stream().mapToLong(Long::longValue).sum();
        }

        long after() {
            return after.values().stream().mapToLong(Long::longValue).sum();
        }

        /** Returns how many more outcomes of this kind there would be. */
        long more(Verdict.Kind ending) {
            return after.getOrDefault(ending, 0L) - before.getOrDefault(ending, 0L);
        }
    }

    /** A line of a table. */
    private record Line(String name, Tally tally) {}

    /**
     * Creates empty counts for a policy.
     *
     * @param start the start of the period, for display; the caller leaves out earlier submissions
     * @param mostExamples the largest number of examples for each kind of change
     */
    PolicyTrial(Policy policy, Instant start, int mostExamples, int shardsShown) {
        this.policy = policy;
        this.start = start;
        this.mostExamples = mostExamples;
        this.shardsShown = shardsShown;
    }

    /** Counts a submission. An outcome that another backend recorded for it applies under any policy. */
    void submission(LogRecord record, ReplayedOutcome before, @Nullable ReplayedOutcome underPolicy) {
        ReplayedOutcome after = before.isOverruled() ? before : Objects.requireNonNull(underPolicy);
        Change change = new Change(before.kind(), after.kind());
        decided++;
        overruled += before.isOverruled() ? 1 : 0;
        changes.merge(change, 1L, Long::sum);
        Tally shard = byShard.size() < MOST_SHARDS
                ? byShard.computeIfAbsent(before.shard(), name -> new Tally())
                : byShard.getOrDefault(before.shard(), laterShards);
        shard.add(before.kind(), shard.before);
        shard.add(after.kind(), shard.after);
        Tally reasonBefore = reason(before);
        Tally reasonAfter = reason(after);
        reasonBefore.add(before.kind(), reasonBefore.before);
        reasonAfter.add(after.kind(), reasonAfter.after);
        if (change.before() != change.after()) {
            otherwise++;
            shard.changed++;
            List<Example> of = examples.computeIfAbsent(change, any -> new ArrayList<>());
            if (of.size() < mostExamples) {
                of.add(new Example(record.sequence(), before, after));
            }
        } else if (reasonBefore != reasonAfter) {
            otherReason++;
        }
    }

    private Tally reason(ReplayedOutcome given) {
        String kind = given.reason().isEmpty() ? "accepted" : given.reason().split("[:,]", 2)[0];
        return byReason.computeIfAbsent(
                byReason.containsKey(kind) || byReason.size() < MOST_REASONS ? kind : OTHER_REASONS,
                any -> new Tally());
    }

    private long count(Change change) {
        return changes.getOrDefault(change, 0L);
    }

    private static List<Change> allChanges() {
        return Stream.of(Verdict.Kind.values())
                .flatMap(before -> Stream.of(Verdict.Kind.values()).map(after -> new Change(before, after)))
                .toList();
    }

    /** Returns the reasons by name, with accepted first. */
    private List<Line> reasons() {
        return lines(byReason, Comparator.comparing((Line line) -> !line.name().equals("accepted")));
    }

    /** Returns the shards with the most changes first; among those with equally many changes, the largest first. */
    private List<Line> shards() {
        return lines(
                byShard,
                Comparator.comparing((Line line) -> -line.tally().changed)
                        .thenComparing(line -> -line.tally().before()));
    }

    private static List<Line> lines(Map<String, Tally> tallies, Comparator<Line> order) {
        return tallies.entrySet().stream()
                .map(entry -> new Line(entry.getKey(), entry.getValue()))
                .sorted(order.thenComparing(Line::name))
                .toList();
    }

    /** Returns how many shards are not shown; a lower bound if {@link #hasMoreShards}. */
    private long shardsLeftOut() {
        return Math.max(0L, byShard.size() - shardsShown) + (hasMoreShards() ? 1 : 0);
    }

    /** Returns whether there were more shards than are counted separately. */
    private boolean hasMoreShards() {
        return laterShards.before() > 0;
    }

    /** Returns the sum over all shards that are not shown. */
    private Tally leftOut() {
        Tally all = new Tally();
        shards().stream().skip(shardsShown).forEach(line -> all.add(line.tally()));
        all.add(laterShards);
        return all;
    }

    /** Renders the report in 80 columns. */
    String asText(Path directory) {
        StringBuilder text = new StringBuilder();
        text.append(Paragraph.wrapped("policy   ", 9, policy.text().replace(";", " ") + " (" + policy.hash() + ")"));
        String since = start.equals(Instant.EPOCH) ? "" : " since " + ErrorMessages.time(start.toEpochMilli());
        String earlier =
                overruled == 0 ? "" : "; for " + overruled + " of them an earlier outcome applies under any policy";
        text.append(Paragraph.wrapped(
                "decided  ", 9, ErrorMessages.count(decided, "certificate") + since + " in " + directory + earlier));
        if (decided == 0) {
            return text.toString();
        }
        appendMatrix(text);
        appendReasons(text);
        appendShards(text);
        appendExamples(text);
        return text.toString();
    }

    private void appendMatrix(StringBuilder text) {
        text.append('\n').append(MATRIX.formatted("AS RECORDED", "WOULD BE ACCEPTED", "ESCALATED", "REJECTED"));
        for (Verdict.Kind before : Verdict.Kind.values()) {
            text.append(MATRIX.formatted(
                    name(before),
                    count(new Change(before, Verdict.Kind.ACCEPTED)),
                    count(new Change(before, Verdict.Kind.ESCALATED)),
                    count(new Change(before, Verdict.Kind.REJECTED))));
        }
        text.append('\n')
                .append(String.format(
                        Locale.ROOT,
                        "%d of %d outcomes would change (%.2f %%)",
                        otherwise,
                        decided,
                        100.0 * otherwise / decided))
                .append(otherReason == 0 ? "" : ", " + otherReason + " as before for another reason")
                .append('\n');
    }

    private void appendReasons(StringBuilder text) {
        text.append("\n%-46s %10s %10s %11s\n".formatted("REASON", "BEFORE", "AFTER", "CHANGE"));
        for (Line line : reasons()) {
            Tally tally = line.tally();
            text.append(REASON.formatted(
                    column(line.name(), REASON_COLUMNS),
                    tally.before(),
                    tally.after(),
                    tally.after() - tally.before()));
        }
    }

    private void appendShards(StringBuilder text) {
        text.append("\n%-28s %9s %9s %9s %10s %10s\n"
                .formatted("SHARD", "DECIDED", "OTHERWISE", "ACCEPTED", "ESCALATED", "REJECTED"));
        shards().stream()
                .limit(shardsShown)
                .forEach(line -> appendShard(text, column(line.name(), SHARD_COLUMNS), line.tally()));
        Tally rest = leftOut();
        if (rest.before() > 0) {
            String atLeast = hasMoreShards() ? "at least " : "";
            appendShard(text, column("and " + atLeast + shardsLeftOut() + " more", SHARD_COLUMNS), rest);
        }
    }

    private static void appendShard(StringBuilder text, String name, Tally tally) {
        text.append(SHARD.formatted(
                name,
                tally.before(),
                tally.changed,
                tally.more(Verdict.Kind.ACCEPTED),
                tally.more(Verdict.Kind.ESCALATED),
                tally.more(Verdict.Kind.REJECTED)));
    }

    private void appendExamples(StringBuilder text) {
        for (Change change : allChanges()) {
            for (Example example : examples.getOrDefault(change, List.of())) {
                text.append("\n%s, would be %s: record %d\n"
                        .formatted(name(change.before()), name(change.after()), example.sequence()));
                text.append("    ").append(example.before().id()).append('\n');
                text.append(
                        Paragraph.wrapped("    shard   ", 12, example.before().shard()));
                text.append(Paragraph.wrapped(
                        "    before  ", 12, orDash(example.before().reason())));
                text.append(Paragraph.wrapped(
                        "    after   ", 12, orDash(example.after().reason())));
            }
        }
    }

    private static String orDash(String reason) {
        return reason.isEmpty() ? "-" : reason;
    }

    /** Pads or truncates a name to the given columns and escapes control characters. Counts two columns for wide characters. */
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

    private static String name(Verdict.Kind ending) {
        return ending.name().toLowerCase(Locale.ROOT);
    }

    private record OutcomeLine(String type, Verdict.Kind before, Verdict.Kind after, long certificates) {}

    private record ReasonLine(String type, String reason, long before, long after) {}

    private record Moved(long decided, long different, long acceptedChange, long escalatedChange, long rejectedChange) {
        Moved(Tally of) {
            this(
                    of.before(),
                    of.changed,
                    of.more(Verdict.Kind.ACCEPTED),
                    of.more(Verdict.Kind.ESCALATED),
                    of.more(Verdict.Kind.REJECTED));
        }
    }

    private record ShardLine(
            String type, String shard, @JsonUnwrapped Moved moved) {}

    private record OtherShardsLine(
            String type,
            long shards,
            boolean andMore,
            @JsonUnwrapped Moved moved) {}

    private record ExampleLine(
            String type,
            long seq,
            String pcsId,
            String shard,
            Verdict.Kind before,
            Verdict.Kind after,
            String reasonBefore,
            String reasonAfter) {}

    private record SummaryLine(
            String type,
            String policy,
            String policyHash,
            String since,
            long decided,
            long answeredByAnEarlierOne,
            long different,
            long differentReason) {}

    /** Renders one JSON object per line. */
    String asJson() {
        List<Object> lines = new ArrayList<>();
        allChanges()
                .forEach(change ->
                        lines.add(new OutcomeLine("outcome", change.before(), change.after(), count(change))));
        reasons()
                .forEach(line -> lines.add(new ReasonLine(
                        "reason",
                        line.name(),
                        line.tally().before(),
                        line.tally().after())));
        shards().stream()
                .limit(shardsShown)
                .forEach(line -> lines.add(new ShardLine("shard", line.name(), new Moved(line.tally()))));
        lines.add(new OtherShardsLine("other_shards", shardsLeftOut(), hasMoreShards(), new Moved(leftOut())));
        for (Change change : allChanges()) {
            for (Example example : examples.getOrDefault(change, List.of())) {
                lines.add(new ExampleLine(
                        "example",
                        example.sequence(),
                        example.before().id().toString(),
                        example.before().shard(),
                        change.before(),
                        change.after(),
                        example.before().reason(),
                        example.after().reason()));
            }
        }
        lines.add(new SummaryLine(
                "summary",
                policy.text(),
                policy.hash(),
                ErrorMessages.time(start.toEpochMilli()),
                decided,
                overruled,
                otherwise,
                otherReason));
        return lines.stream().map(Json::line).collect(Collectors.joining());
    }
}
