// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import static dev.flk.backend.serve.page.NowView.duration;
import static dev.flk.backend.serve.page.NowView.number;
import static dev.flk.backend.serve.page.NowView.percent;

import dev.flk.backend.ingest.RecentRefusals;
import dev.flk.backend.outcomes.record.ChangedShards.Changed;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.serve.page.NowView.Part;
import dev.flk.backend.serve.page.NowView.RecordState;
import dev.flk.backend.serve.page.NowView.Source;
import dev.flk.backend.serve.page.Rates.Minute;
import dev.flk.program.metrics.Samples;
import dev.flk.verification.Verdict.Kind;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The problems of a backend, and the time since when this process has seen each of them. Safe for any thread. */
public final class Problems {
    private static final double MANY_SECONDS = 60;
    private static final double LAGGING_SECONDS = 5 * MANY_SECONDS;
    private static final double ARCHIVE_SECONDS = 30 * MANY_SECONDS;

    /** The number of shards that are named. */
    public static final int MOST_NAMED = 10;

    /** The number of refusals in an hour below which they are no problem, as for the alerts. */
    private static final long LEAST_REFUSALS = 10;

    private static final Duration COUNTED_FOR = Duration.ofHours(1);

    private final Map<String, Instant> since = new HashMap<>();
    private final Map<Counter, Rise> rises = new EnumMap<>(Counter.class);

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

    /** A problem and the time at which this process saw it first, without an interruption since. */
    public record Seen(Problem problem, Instant since) {}

    /**
     * A current problem.
     *
     * @param id distinguishes this problem from all others, also when its numbers change
     * @param sentence what is wrong, with numbers
     * @param remedy what to do
     * @param links the lists of the counted items; empty if no list exists
     */
    public record Problem(String id, String sentence, String remedy, List<Link> links) {
        private static final Pattern RUNBOOK = Pattern.compile("runbook ([A-Za-z]+)");

        Problem(String id, String sentence, String remedy) {
            this(id, sentence, remedy, List.of());
        }

        /** Returns the section of the runbooks that the remedy names, as plain text; empty if it names none. */
        public String runbook() {
            Matcher name = RUNBOOK.matcher(remedy);
            return name.find() ? Pages.runbook(name.group(1)) : "";
        }
    }

    /** A counter that must never rise. It is a problem for an hour after it rose, as in its alert. */
    private enum Counter {
        LOST_OUTCOMES(
                "flk_lost_outcomes_total",
                "Outcomes that may have been answered and that the deduplication store lost",
                "LostOutcomes"),
        COPY_LOST(
                "flk_copy_lost_total",
                "Times that the topic of the copy had lost what it had acknowledged",
                "CopyLost"),
        RECORD_MISSED(
                "flk_record_missed_total",
                "Log records that were removed before they were in the record of outcomes",
                "RecordLagging"),
        FEED_MISSED("flk_feed_missed_total", "Log records that were removed before they were fed", "FeedLagging"),
        FEED_LOST(
                "flk_feed_lost_total", "Times that a topic of the feed had lost what it had acknowledged", "FeedLost"),
        INTERNAL_ERRORS("flk_internal_errors_total", "Submissions answered 500 because of a bug", "InternalErrors"),
        SET_ASIDE(
                "flk_dedup_set_aside_total",
                "Times that the embedded deduplication store became unusable and was set aside",
                "DedupStoreSetAside");

        private final String metric;
        private final String counted;
        private final String runbook;

        Counter(String metric, String counted, String runbook) {
            this.metric = metric;
            this.counted = counted;
            this.runbook = runbook;
        }
    }

    /** The value of a counter, and the time at which it was first seen. */
    private record Rise(double value, Instant at) {}

    /** Notes the problems that exist now, and returns them with the time at which each was first seen. */
    public synchronized List<Seen> see(Source source) {
        Instant now = source.at();
        List<Problem> problems = new ArrayList<>();
        addReviews(problems, source.samples(), source.record());
        addChanged(problems, source.changed(), source.record().lines());
        problems.addAll(counted(now, source.samples()));
        problems.addAll(of(source));
        since.keySet().retainAll(problems.stream().map(Problem::id).collect(Collectors.toSet()));
        return problems.stream()
                .map(each -> new Seen(each, since.computeIfAbsent(each.id(), id -> now)))
                .toList();
    }

    private List<Problem> counted(Instant now, Samples samples) {
        List<Problem> found = new ArrayList<>();
        for (Counter counter : Counter.values()) {
            double value = samples.sum(counter.metric);
            Rise rise = rises.get(counter);
            if (value > (rise == null ? 0 : rise.value())) {
                rise = new Rise(value, now);
                rises.put(counter, rise);
            }
            if (rise != null && rise.at().plus(COUNTED_FOR).isAfter(now)) {
                found.add(new Problem(
                        counter.metric,
                        counter.counted + " since this backend started: " + number(value) + ".",
                        "Follow the runbook " + counter.runbook + "."));
            }
        }
        return found;
    }

    /** Returns the current problems other than reviews and counters, the most urgent first. */
    private static List<Problem> of(Source source) {
        List<Part> parts = source.parts();
        Samples samples = source.samples();
        List<Problem> found = new ArrayList<>();
        for (Part part : parts) {
            if (!part.isReady()) {
                boolean isKnown = part.isDedup() && part.detail().contains(": ");
                found.add(new Problem(
                        "component " + part.name(),
                        "The " + part.title() + " is not ready: " + part.detail() + ".",
                        isKnown
                                ? "Until it is, certificates are kept in the log. Follow the runbook DedupStoreDown."
                                : "Run flk backend health on its host; it names the cause.",
                        List.of(new Link("all components", "/readyz"))));
            }
        }
        if (source.record().isUnknown(source.at())
                && parts.stream().allMatch(part -> part.isReady() || !part.isDedup())) {
            found.add(new Problem(
                    "record unread",
                    "What arrived and what waits is not known since "
                            + Pages.time(Objects.requireNonNull(source.record().readAt()))
                            + ": the record of outcomes can't be read"
                            + (source.record().failure().isEmpty()
                                    ? ""
                                    : ", " + source.record().failure()) + ".",
                    "Run flk backend health on its host; it names the cause."));
        }
        addRefusals(found, source.refusals());
        source.logs().map(LogsView::problems).ifPresent(found::addAll);
        boolean isCopyReported = parts.stream().anyMatch(part -> part.name().equals("copy") && !part.isReady());
        if (!isCopyReported) {
            addCopy(found, samples);
        }
        for (ServiceLevel level : ServiceLevel.ALL) {
            addBudget(found, level, source.rates().minutes(), source.verdicts());
        }
        addDelays(found, samples);
        addFiles(found, samples);
        addSilent(found, samples);
        return found;
    }

    /** Adds refusals if a key signs what it may not sign, or if there are more than a few. */
    private static void addRefusals(List<Problem> found, List<RecentRefusals.Group> refusals) {
        long count = refusals.stream().mapToLong(RecentRefusals.Group::count).sum();
        boolean isMisuse = refusals.stream().anyMatch(each -> each.reason().matches(".*: (revoked|foreign shard)"));
        if (count < LEAST_REFUSALS && !isMisuse) {
            return;
        }
        RecentRefusals.Group most = Collections.max(refusals, Comparator.comparing(RecentRefusals.Group::count));
        found.add(new Problem(
                "refusals",
                (count == 1 ? "A submission was" : count + " submissions were")
                        + " refused before verification: " + most.count() + " for “" + most.reason() + "”"
                        + (most.keyId().isEmpty() ? "" : ", key " + most.keyId()) + ", from "
                        + most.address() + ".",
                isMisuse
                        ? "Their agents keep them. Follow the runbook KeyMisused."
                        : most.reason().startsWith("signature")
                                ? "Their agents keep them. Follow the runbook SignatureFailures."
                                : "Correct what sends them; an agent has them in its dead letters.",
                List.of(new Link("reasons, keys and addresses", NowView.REFUSED))));
    }

    private static void addCopy(List<Problem> found, Samples samples) {
        double behind = samples.sum("flk_copy_behind_seconds");
        boolean isDown = samples.sum("flk_copy_up") == 0 && samples.has("flk_copy_up");
        if (isDown || behind > MANY_SECONDS) {
            found.add(new Problem(
                    "copy",
                    number(samples.sum("flk_copy_behind_records"))
                            + " records of the log are only on the disk of this backend, the oldest for "
                            + duration(behind) + ": " + (isDown ? "the log is not copied." : "the copy is behind."),
                    "Follow the runbook " + (isDown ? "CopyDown." : "CopyBehind.")));
        }
    }

    private static void addBudget(
            List<Problem> found, ServiceLevel level, List<Minute> minutes, VerdictMinutes verdicts) {
        boolean isBroken = level.isUsedUp(minutes);
        boolean isFast = level.isBurningFast(minutes);
        if (!isBroken && !isFast) {
            return;
        }
        List<Minute> lastHour = Rates.newest(minutes, ServiceLevel.MINUTES_OF_HOUR);
        List<Minute> meant = isBroken ? minutes : lastHour;
        // the lists are those of the record, so their numbers are, too
        boolean isRecorded = level.equals(ServiceLevel.ESCALATIONS) && verdicts.isCounted();
        // the minutes of the record begin at other seconds than those since the start, so one more may be concerned
        int size = isRecorded && meant.size() < ServiceLevel.MINUTES_OF_HOUR ? meant.size() + 1 : meant.size();
        double missed = isRecorded
                ? verdicts.sum(Kind.ESCALATED, size) + verdicts.sum(Kind.REJECTED, size)
                : level.missed(meant);
        double counted = isRecorded ? missed + verdicts.sum(Kind.ACCEPTED, size) : level.counted(meant);
        String sentence = (isBroken ? "An error budget is used up: " : "An error budget is used fast: ")
                + number(missed) + " of " + number(counted) + " " + level.misses() + " in the last " + span(size)
                + (isRecorded ? " until " + Pages.time(verdicts.until()) : "") + ", " + percent(missed / counted)
                + "; " + percent(level.permitted())
                + " is permitted."
                + (isFast ? " The budget of the last hour is used " + times(level.burn(lastHour)) + "." : "");
        found.add(new Problem(
                "budget " + level.runbook(),
                sentence,
                "Follow the runbook " + level.runbook() + ".",
                level.equals(ServiceLevel.ESCALATIONS)
                        ? listed(verdicts, size)
                        : List.of(new Link("trend", "#trends"))));
    }

    /** Returns the lists of the record, with the numbers of the record: it may have the outcomes of several backends. */
    private static List<Link> listed(VerdictMinutes verdicts, int minutes) {
        List<Link> links = new ArrayList<>();
        for (Kind verdict : verdicts.isCounted() ? List.of(Kind.ESCALATED, Kind.REJECTED) : List.<Kind>of()) {
            NowView.Cell sum = NowView.sum(verdict, verdicts, minutes, false);
            if (sum.path() != null && !sum.text().equals("0")) {
                links.add(new Link(sum.text() + " " + verdict.label(), sum.path()));
            }
        }
        return links;
    }

    private static String times(double burn) {
        return String.format(Locale.ROOT, "%,.0f times as fast as permitted", burn);
    }

    private static String span(int minutes) {
        return minutes == 1
                ? "minute"
                : minutes % ServiceLevel.MINUTES_OF_HOUR == 0 && minutes > ServiceLevel.MINUTES_OF_HOUR
                        ? minutes / ServiceLevel.MINUTES_OF_HOUR + " hours"
                        : minutes + " minutes";
    }

    private static void addDelays(List<Problem> found, Samples samples) {
        double oldest = samples.sum("flk_inbox_oldest_pending_seconds");
        if (oldest > MANY_SECONDS) {
            found.add(new Problem(
                    "decisions",
                    number(samples.sum("flk_inbox_pending")) + " certificates wait for their decision, the oldest for "
                            + duration(oldest) + ".",
                    "The deduplication store is slow or down: follow the runbook DedupStoreDown."));
        }
        double record = samples.sum("flk_record_lag_seconds");
        if (record > LAGGING_SECONDS) {
            found.add(new Problem(
                    "record",
                    "The record of outcomes is " + duration(record) + " behind: it lacks "
                            + number(samples.sum("flk_record_lag_records")) + " decided log records.",
                    "Follow the runbook RecordLagging."));
        }
        double feed = samples.sum("flk_feed_lag_seconds");
        boolean isFeedDown = samples.sum("flk_feed_up") == 0 && samples.has("flk_feed_up");
        if (isFeedDown || feed > LAGGING_SECONDS) {
            found.add(new Problem(
                    "feed",
                    "The feed of outcomes is " + (isFeedDown ? "down, and " : "") + duration(feed)
                            + " behind: it lacks " + number(samples.sum("flk_feed_lag_records"))
                            + " decided log records.",
                    "Follow the runbook " + (samples.sum("flk_feed_ended") > 0 ? "FeedEnded." : "FeedLagging.")));
        }
        double archive = samples.sum("flk_archive_oldest_seconds");
        if (archive > ARCHIVE_SECONDS) {
            found.add(new Problem(
                    "archive",
                    "A closed segment of the log has waited " + duration(archive) + " to be archived.",
                    "Until then, it is only on the disk of this backend. Follow the runbook ArchiveBehind."));
        }
    }

    private static void addFiles(List<Problem> found, Samples samples) {
        if (samples.sum("flk_keys_file_bad") == 1) {
            found.add(new Problem(
                    "keys",
                    "KEYS_FILE can't be used; the keys that were read last remain in force.",
                    "Run flk backend keys check, correct the file, and follow the runbook KeysFileBad."));
        }
        if (samples.sum("flk_tls_files_bad") == 1) {
            found.add(new Problem(
                    "tls",
                    "The TLS files can't be used; the certificate that was read last remains in force.",
                    "Follow the runbook TlsFilesBad."));
        }
    }

    /** Adds the certificates that wait for a review, with a link for each of the shards that have most of them. */
    private static void addReviews(List<Problem> found, Samples samples, RecordState record) {
        Map<String, Integer> shards = record.waiting().counts();
        double waiting = shards.isEmpty()
                ? samples.sum("flk_review_waiting")
                : record.waiting().total();
        double overdue = samples.sum("flk_review_overdue");
        if (waiting > 0) {
            found.add(new Problem(
                    "reviews",
                    (waiting == 1 ? "A certificate waits" : number(waiting) + " certificates wait") + " for a review"
                            + (overdue > 0 ? ", " + number(overdue) + " of them for longer than REVIEW_AFTER" : "")
                            + (shards.isEmpty() ? "." : ":"),
                    "Decide for each whether it shows a fault of its sensor.",
                    named(
                            shards.entrySet(),
                            each -> new Link(
                                    each.getKey() + " " + number(each.getValue()),
                                    NowView.REVIEWS + "?shard=" + OutcomeQuery.encoded(each.getKey())),
                            new Link(shards.isEmpty() ? "what waits" : "all that wait", NowView.REVIEWS))));
        }
    }

    private static void addChanged(List<Problem> found, List<Changed> changed, Map<String, String> lines) {
        if (changed.isEmpty()) {
            return;
        }
        found.add(new Problem(
                "changed",
                (changed.size() == 1 ? "A shard" : number(changed.size()) + " shards") + " changed "
                        + (changed.size() == 1 ? "its" : "their") + " shape in the last hour:",
                "A sensor may drift or stick, or its machine runs differently. Follow the runbook ShardsChanged.",
                named(
                        changed,
                        each -> new Link(
                                each.shard() + " " + ShardsView.changed(each.change()),
                                OutcomesView.ofShard(each.shard()),
                                lines.getOrDefault(each.shard(), "")),
                        new Link("all that changed", ShardsView.CHANGED))));
    }

    /** Returns links to the first elements, and the link to all if there are more, or none. */
    private static <T> List<Link> named(Collection<T> all, Function<T, Link> link, Link toAll) {
        Stream<Link> rest = all.isEmpty() || all.size() > MOST_NAMED ? Stream.of(toAll) : Stream.empty();
        return Stream.concat(all.stream().limit(MOST_NAMED).map(link), rest).toList();
    }

    private static void addSilent(List<Problem> found, Samples samples) {
        double silent = samples.sum("flk_sessions_silent");
        if (silent > 0) {
            found.add(new Problem(
                    "silent",
                    silent == 1 ? "A session is silent." : number(silent) + " sessions are silent.",
                    "Their agents have stopped, or can't reach any backend. Follow the runbook AgentSilent.",
                    List.of(new Link("the silent sessions", NowView.SILENT))));
        }
    }
}
