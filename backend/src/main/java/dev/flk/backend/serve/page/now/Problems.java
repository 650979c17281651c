// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import static dev.flk.backend.serve.page.Pages.duration;
import static dev.flk.backend.serve.page.Pages.number;
import static dev.flk.backend.serve.page.now.NowView.percent;

import dev.flk.backend.ingest.RecentRefusals;
import dev.flk.backend.outcomes.record.ChangedShards.Changed;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.serve.page.OutcomesView;
import dev.flk.backend.serve.page.Pages;
import dev.flk.backend.serve.page.ReviewGroups.WaitingShards;
import dev.flk.backend.serve.page.ShardsView;
import dev.flk.backend.serve.page.now.NowView.RecordState;
import dev.flk.backend.serve.page.now.NowView.Source;
import dev.flk.backend.serve.page.now.Rates.Counted;
import dev.flk.program.metrics.Samples;
import dev.flk.verification.Verdict.Kind;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The problems of a backend, and the time since when this process has seen each of them. One table has them all: most
 * are alerts of {@code alerts/flk.rules.yaml} that hold without a wait. Safe for any thread.
 */
public final class Problems {
    private static final double MANY_SECONDS = 60;
    private static final double LAGGING_SECONDS = 5 * MANY_SECONDS;
    private static final double ARCHIVE_SECONDS = 30 * MANY_SECONDS;

    /** The number of shards that are named. */
    public static final int MOST_NAMED = 10;

    /** The number of refusals in an hour below which they are no problem, as for the alerts. */
    private static final long LEAST_REFUSALS = 10;

    private static final Duration COUNTED_FOR = Duration.ofHours(1);
    private static final String HEALTH = "Run flk backend health on its host; it names the cause.";

    /** What a component that is not ready means. */
    private record Component(Level level, String remedy) {
        static final Component OTHER = new Component(Level.CRITICAL, HEALTH);
    }

    private static final Map<String, Component> COMPONENTS = Map.of(
            "log",
            new Component(Level.CRITICAL, "No certificate is accepted. Follow the runbook WALErrors."),
            "dedup",
            new Component(
                    Level.CRITICAL,
                    "Until it is, certificates are kept in the log. Follow the runbook DedupStoreDown."),
            "copy",
            new Component(Level.CRITICAL, HEALTH + " Follow the runbook CopyDown."),
            "feed",
            new Component(Level.WARNING, HEALTH + " Follow the runbook FeedLagging."),
            "clock",
            new Component(Level.WARNING, "Compare it with another machine's. Follow the runbook ClockAhead."));

    private static final Pattern VALUE = Pattern.compile("\\{(\\w+)}");
    private static final Link SILENT = new Link("the silent agents", NowView.SILENT);

    /** The checks, in the order of their problems within a level. Of several problems with one id, the first counts. */
    private final List<Check> checks = List.of(
            Problems::components,
            risen(
                    Level.CRITICAL,
                    "flk_lost_outcomes_total",
                    "Outcomes that may have been answered and that the deduplication store lost",
                    "LostOutcomes"),
            risen(
                    Level.CRITICAL,
                    "flk_copy_lost_total",
                    "Times that the topic of the copy had lost what it had acknowledged",
                    "CopyLost"),
            risen(
                    Level.CRITICAL,
                    "flk_internal_errors_total",
                    "Submissions answered 500 because of a bug",
                    "InternalErrors"),
            risen(
                    Level.CRITICAL,
                    "flk_dedup_set_aside_total",
                    "Times that the embedded deduplication store became unusable and was set aside",
                    "DedupStoreSetAside"),
            source -> source.logs().stream().flatMap(logs -> logs.problems().stream()),
            Problems::budgets,
            new Alert(
                    Level.WARNING,
                    "decisions",
                    isAbove("flk_inbox_oldest_pending_seconds", MANY_SECONDS),
                    "{flk_inbox_pending} certificates wait for their decision, the oldest for"
                            + " {flk_inbox_oldest_pending_seconds}.",
                    "The deduplication store is slow or down: follow the runbook DedupStoreDown."),
            Problems::unreadRecord,
            risen(
                    Level.WARNING,
                    "flk_record_missed_total",
                    "Log records that were removed before they were in the record of outcomes",
                    "RecordLagging"),
            risen(
                    Level.WARNING,
                    "flk_feed_missed_total",
                    "Log records that were removed before they were fed",
                    "FeedLagging"),
            risen(
                    Level.WARNING,
                    "flk_feed_lost_total",
                    "Times that a topic of the feed had lost what it had acknowledged",
                    "FeedLost"),
            new Alert(
                    Level.WARNING,
                    "copy",
                    isAbove("flk_copy_behind_seconds", MANY_SECONDS),
                    "{flk_copy_behind_records} records of the log are only on the disk of this backend, the oldest for"
                            + " {flk_copy_behind_seconds}: the copy is behind.",
                    "Follow the runbook CopyBehind."),
            new Alert(
                    Level.WARNING,
                    "record",
                    isAbove("flk_record_lag_seconds", LAGGING_SECONDS),
                    "The record of outcomes is {flk_record_lag_seconds} behind: it lacks {flk_record_lag_records}"
                            + " decided log records.",
                    "Follow the runbook RecordLagging."),
            new Alert(
                    Level.WARNING,
                    "feed",
                    isAbove("flk_feed_lag_seconds", LAGGING_SECONDS),
                    "The feed of outcomes is {flk_feed_lag_seconds} behind: it lacks {flk_feed_lag_records} decided log"
                            + " records.",
                    "Follow the runbook FeedLagging."),
            new Alert(
                    Level.WARNING,
                    "archive",
                    isAbove("flk_archive_oldest_seconds", ARCHIVE_SECONDS),
                    "A closed segment of the log has waited {flk_archive_oldest_seconds} to be archived.",
                    "Until then, it is only on the disk of this backend. Follow the runbook ArchiveBehind."),
            Problems::refusals,
            new Alert(
                    Level.WARNING,
                    "keys",
                    isAbove("flk_keys_file_bad", 0),
                    "KEYS_FILE can't be used; the keys that were read last remain in force.",
                    "Run flk backend keys check, correct the file, and follow the runbook KeysFileBad."),
            new Alert(
                    Level.WARNING,
                    "tls",
                    isAbove("flk_tls_files_bad", 0),
                    "The TLS files can't be used; the certificate that was read last remains in force.",
                    "Follow the runbook TlsFilesBad."),
            Problems::silent,
            Problems::sources,
            Problems::changed,
            Problems::reviews);

    /** The problems that others follow from, by their ids, the first cause first, and the ids of those others. */
    private static final Map<String, Set<String>> CAUSES = causes();

    private static Map<String, Set<String>> causes() {
        Set<String> late = Set.of(
                "decisions",
                "record",
                "record unread",
                "feed",
                "budget " + ServiceLevel.AVAILABILITY.runbook(),
                "budget " + ServiceLevel.LATENCY.runbook(),
                "budget " + ServiceLevel.WAITING.runbook());
        Set<String> all = new HashSet<>(late);
        all.addAll(Set.of("dedup", "copy"));
        Map<String, Set<String>> causes = new LinkedHashMap<>();
        causes.put("log", all);
        causes.put("dedup", late);
        causes.put("copy", late);
        return causes;
    }

    private final Map<String, Instant> since = new HashMap<>();

    /** A function that finds problems in the current values. */
    private interface Check {
        Stream<Problem> find(Source source);
    }

    /**
     * A check for a single problem.
     *
     * @param sentence what is wrong; a metric in braces stands for its value
     */
    private record Alert(Level level, String id, Predicate<Source> holds, String sentence, String remedy)
            implements Check {

        @Override
        public Stream<Problem> find(Source source) {
            return holds.test(source)
                    ? Stream.of(new Problem(level, id, filled(sentence, source.samples()), remedy, List.of()))
                    : Stream.empty();
        }
    }

    /** A counter that has risen within the last hour. */
    private static final class Risen implements Predicate<Source> {
        private final String metric;
        private double value;
        private Instant at = Instant.EPOCH;

        Risen(String metric) {
            this.metric = metric;
        }

        @Override
        public boolean test(Source source) {
            double now = source.samples().sum(metric);
            if (now > value) {
                value = now;
                at = source.at();
            }
            return at.plus(COUNTED_FOR).isAfter(source.at());
        }
    }

    /** Returns the alert for a counter that must never rise. */
    private static Alert risen(Level level, String metric, String counted, String runbook) {
        return new Alert(
                level,
                metric,
                new Risen(metric),
                counted + " since this backend started: {" + metric + "}.",
                "Follow the runbook " + runbook + ".");
    }

    private static Stream<Problem> silent(Source source) {
        double silent = source.samples().sum("flk_agents", "state", "silent");
        return silent > 0
                ? Stream.of(new Problem(
                        Level.NOTICE,
                        "silent",
                        silent == 1 ? "An agent is silent." : number(silent) + " agents are silent.",
                        "It has stopped, or can't reach any backend. Follow the runbook AgentSilent.",
                        List.of(SILENT)))
                : Stream.empty();
    }

    private static Stream<Problem> sources(Source source) {
        double agents = source.samples().sum("flk_agents_source_problems");
        return agents > 0
                ? Stream.of(new Problem(
                        Level.NOTICE,
                        "sources",
                        agents == 1
                                ? "An agent does not read all of its sources."
                                : number(agents) + " agents do not read all of their sources.",
                        "What is not read is not certified. Follow the runbook AgentSourceUnread.",
                        List.of(new Link("the agents", "/ui/agents"))))
                : Stream.empty();
    }

    private static Predicate<Source> isAbove(String metric, double most) {
        return source -> source.samples().sum(metric) > most;
    }

    private static String filled(String sentence, Samples samples) {
        return VALUE.matcher(sentence).replaceAll(found -> {
            String metric = found.group(1);
            double value = samples.sum(metric);
            return metric.endsWith("_seconds") ? duration(value) : number(value);
        });
    }

    /**
     * A link to a list.
     *
     * @param line a small plot of the listed items as SVG; empty without a plot
     */
    public record Link(String text, String path, String line) {
        Link(String text, String path) {
            this(text, path, "");
        }
    }

    /** How urgent a problem is, the most urgent first. */
    public enum Level {
        /** Answers are refused, or data may be lost. */
        CRITICAL("critical", "bad"),
        /** Certificates are decided late or not recorded, or will be. */
        WARNING("warning", "warn"),
        /** A machine, an agent or a sensor needs somebody, or certificates wait for a review. */
        NOTICE("notice", "");

        private final String word;
        private final String style;

        Level(String word, String style) {
            this.word = word;
            this.style = style;
        }

        /** Returns the word with which the page shows it. */
        public String word() {
            return word;
        }

        /** Returns the class of the word in the page. */
        public String style() {
            return style;
        }
    }

    /** A problem and the time at which this process saw it first, without an interruption since. */
    public record Seen(Problem problem, Instant since) {}

    /**
     * A current problem.
     *
     * @param id distinguishes this problem from all others, also when its numbers change
     * @param sentence what is wrong, with numbers
     * @param remedy what to do
     * @param links the lists of the counted items; empty if no list exists
     * @param follows the sentences of other problems that follow from this one
     */
    public record Problem(
            Level level, String id, String sentence, String remedy, List<Link> links, List<String> follows) {
        Problem(Level level, String id, String sentence, String remedy, List<Link> links) {
            this(level, id, sentence, remedy, links, List.of());
        }

        private static final Pattern RUNBOOK = Pattern.compile("runbook ([A-Za-z]+)");

        private Problem with(List<String> others) {
            return new Problem(level, id, sentence, remedy, links, others);
        }

        /** Returns the section of the runbooks that the remedy names, as plain text; empty if it names none. */
        public String runbook() {
            Matcher name = RUNBOOK.matcher(remedy);
            return name.find() ? Pages.runbook(name.group(1)) : "";
        }
    }

    /** Notes the problems that exist now, and returns them with the time at which each was first seen. */
    public synchronized List<Seen> see(Source source) {
        Map<String, Problem> found = new LinkedHashMap<>();
        checks.forEach(check -> check.find(source).forEach(each -> found.putIfAbsent(each.id(), each)));
        since.keySet().retainAll(found.keySet());
        return grouped(found).stream()
                .sorted(Comparator.comparing(Problem::level))
                .map(each -> new Seen(each, since.computeIfAbsent(each.id(), id -> source.at())))
                .toList();
    }

    /** Returns the problems without those that follow from another one, which that one names. */
    private static List<Problem> grouped(Map<String, Problem> found) {
        Map<String, Problem> all = new LinkedHashMap<>(found);
        CAUSES.forEach((id, others) -> {
            Problem cause = all.get(id);
            if (cause != null) {
                List<Problem> follow = all.values().stream()
                        .filter(each -> others.contains(each.id()))
                        .toList();
                all.values().removeAll(follow);
                all.put(id, cause.with(follow.stream().map(Problem::sentence).toList()));
            }
        });
        return List.copyOf(all.values());
    }

    private static Stream<Problem> components(Source source) {
        return source.parts().stream().filter(part -> !part.isReady()).map(part -> {
            Component known =
                    part.isStarting() ? Component.OTHER : COMPONENTS.getOrDefault(part.name(), Component.OTHER);
            return new Problem(
                    known.level,
                    part.name(), // so that the alert of a component that is behind is not listed, too
                    "The " + part.title() + " is not ready: " + part.detail() + ".",
                    known.remedy,
                    List.of(new Link("all components", "/readyz")));
        });
    }

    private static Stream<Problem> unreadRecord(Source source) {
        RecordState record = source.record();
        if (!record.isUnknown(source.at())) {
            return Stream.empty();
        }
        return Stream.of(new Problem(
                Level.WARNING,
                "record unread",
                "What arrived and what waits is not known since "
                        + Pages.time(Objects.requireNonNull(record.readAt()))
                        + ": the record of outcomes can't be read"
                        + (record.failure().isEmpty() ? "" : ", " + record.failure()) + ".",
                HEALTH,
                List.of()));
    }

    /** Finds refusals if a key signs what it may not sign, or if there are more than a few. */
    private static Stream<Problem> refusals(Source source) {
        List<RecentRefusals.Group> refusals = source.refusals();
        long count = refusals.stream().mapToLong(RecentRefusals.Group::count).sum();
        boolean isMisuse = refusals.stream().anyMatch(each -> each.reason().matches(".*: (revoked|foreign shard)"));
        if (count < LEAST_REFUSALS && !isMisuse) {
            return Stream.empty();
        }
        RecentRefusals.Group most = Collections.max(refusals, Comparator.comparing(RecentRefusals.Group::count));
        return Stream.of(new Problem(
                Level.WARNING,
                "refusals",
                (count == 1 ? "A submission was" : count + " submissions were")
                        + " refused before verification: " + most.count() + " for “" + most.reason() + "”"
                        + (most.keyId().isEmpty() ? "" : ", key " + most.keyId()) + ", from "
                        + most.address()
                        + (most.shard().isEmpty()
                                ? "."
                                : ", which claims the shard " + most.shard() + " (not verified)."),
                isMisuse
                        ? "Their agents keep them. Follow the runbook KeyMisused."
                        : most.reason().startsWith("signature")
                                ? "Their agents keep them. Follow the runbook SignatureFailures."
                                : "Correct what sends them; an agent has them in its dead letters.",
                List.of(new Link("reasons, keys and addresses", NowView.REFUSED))));
    }

    private static Stream<Problem> budgets(Source source) {
        return ServiceLevel.ALL.stream()
                .filter(level -> level.isUsedUp(source.minutes()) || level.isBurningFast(source.minutes()))
                .map(level -> budget(level, source.minutes()));
    }

    private static Problem budget(ServiceLevel level, Minutes minutes) {
        boolean isBroken = level.isUsedUp(minutes);
        boolean isFast = level.isBurningFast(minutes);
        Minutes lastHour = minutes.newest(Minutes.HOUR);
        Minutes meant = isBroken ? minutes : lastHour;
        List<Link> lists = listed(level, meant);
        Instant since = meant.since(level.counted().get(0)).orElseThrow();
        String sentence = (isBroken ? "An error budget is used up: " : "An error budget is used fast: ")
                + number(level.missed(meant)) + " of " + number(level.counted(meant)) + " " + level.misses()
                + " in the last " + span(meant.end() - Minutes.of(since))
                + (lists.isEmpty() ? "" : " until " + Pages.time(meant.until())) + ", "
                + percent(level.share(meant)) + "; " + percent(level.permitted()) + " is permitted."
                + (isFast
                        ? " The budget of the last hour is used " + number(level.burn(lastHour))
                                + " times as fast as permitted."
                        : "");
        return new Problem(
                level.urgency(),
                "budget " + level.runbook(),
                sentence,
                "Follow the runbook " + level.runbook() + ".",
                lists.isEmpty() ? List.of(new Link("trend", "#trends")) : lists);
    }

    /** Returns the lists of misses that are in the record. */
    private static List<Link> listed(ServiceLevel level, Minutes minutes) {
        List<Link> links = new ArrayList<>();
        for (Counted missed : level.missed()) {
            Kind verdict = Minutes.VERDICTS.get(missed);
            NowView.Cell sum = NowView.sum(missed, minutes);
            if (verdict != null && sum.path() != null && !sum.text().equals("0")) {
                links.add(new Link(sum.text() + " " + verdict.label(), sum.path()));
            }
        }
        return links;
    }

    private static String span(long minutes) {
        return minutes == 1
                ? "minute"
                : minutes % Minutes.HOUR == 0 && minutes > Minutes.HOUR
                        ? minutes / Minutes.HOUR + " hours"
                        : minutes + " minutes";
    }

    /** Finds the certificates that wait for a review, with a link for each of the shards that have most of them. */
    private static Stream<Problem> reviews(Source source) {
        WaitingShards waiting = source.record().waiting();
        Map<String, Integer> shards = waiting.counts();
        double count = shards.isEmpty() ? source.samples().sum("flk_review_waiting") : waiting.total();
        double overdue = source.samples().sum("flk_review_overdue");
        if (!(count > 0)) {
            return Stream.empty();
        }
        return Stream.of(new Problem(
                Level.NOTICE,
                "reviews",
                (count == 1 ? "A certificate waits" : number(count) + " certificates wait") + " for a review"
                        + (overdue > 0 ? ", " + number(overdue) + " of them for longer than REVIEW_AFTER" : "")
                        + (shards.isEmpty() ? "." : ":"),
                "Decide for each whether it shows a fault of its sensor.",
                named(
                        shards.entrySet(),
                        each -> new Link(
                                each.getKey() + stuck(waiting, each.getKey()) + " " + number(each.getValue()),
                                NowView.REVIEWS + "?shard=" + OutcomeQuery.encoded(each.getKey())),
                        new Link(shards.isEmpty() ? "what waits" : "all that wait", NowView.REVIEWS))));
    }

    /** Returns the words for a sensor whose certificates wait because its values are all equal; empty for others. */
    private static String stuck(WaitingShards waiting, String shard) {
        Instant since = waiting.stuck().get(shard);
        return since == null ? "" : ": stuck since " + Pages.time(since) + ",";
    }

    private static Stream<Problem> changed(Source source) {
        List<Changed> changed = source.changed();
        if (changed.isEmpty()) {
            return Stream.empty();
        }
        return Stream.of(new Problem(
                Level.NOTICE,
                "changed",
                (changed.size() == 1 ? "A shard changed its" : number(changed.size()) + " shards changed their")
                        + " shape in the last hour:",
                "A sensor may drift or stick, or its machine runs differently. Follow the runbook ShardsChanged.",
                named(
                        changed,
                        each -> new Link(
                                each.shard() + " " + ShardsView.changed(each.change()),
                                OutcomesView.ofShard(each.shard()),
                                source.record().lines().getOrDefault(each.shard(), "")),
                        new Link("all that changed", ShardsView.CHANGED))));
    }

    /** Returns links to the first elements, and the link to all if there are more, or none. */
    private static <T> List<Link> named(Collection<T> all, Function<T, Link> link, Link toAll) {
        Stream<Link> rest = all.isEmpty() || all.size() > MOST_NAMED ? Stream.of(toAll) : Stream.empty();
        return Stream.concat(all.stream().limit(MOST_NAMED).map(link), rest).toList();
    }
}
