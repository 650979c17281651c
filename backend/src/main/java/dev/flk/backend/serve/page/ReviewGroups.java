// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.decide.ReasonKind;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.OutcomeRows.Waiting;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.serve.page.ReviewQueue.Group;
import dev.flk.backend.serve.page.ReviewView.Form;
import dev.flk.program.plot.Plot;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The list of groups in the view Review.
 *
 * @param count the number of certificates that wait, including those of groups that are not shown
 * @param isCut whether more certificates wait, which were not counted
 * @param all the number of groups
 * @param first the place of the first group that is shown
 * @param earlier the path of the groups before these; null if these are the first
 * @param later the path of the groups after these; null if these are the last
 */
public record ReviewGroups(
        int count,
        boolean isCut,
        int all,
        int first,
        List<Tile> tiles,
        @Nullable String earlier,
        @Nullable String later) {
    /** The maximum number of groups in a view. */
    public static final int MOST_GROUPS = 10;

    /** The maximum number of certificates of the chosen group in a view. */
    public static final int MOST_OUTCOMES = 20;

    private static final int BINS = 24;
    private static final int WIDTH = 120;
    private static final int HEIGHT = 24;

    /**
     * The shards whose certificates wait for a review.
     *
     * @param counts the numbers of certificates of the largest groups, by shard, the largest first
     * @param stuck the arrival of the first certificate that waits because all its values are equal, by shard
     * @param total the number of all certificates that wait
     */
    public record WaitingShards(Map<String, Integer> counts, Map<String, Instant> stuck, int total) {
        /** The value if no certificate waits. */
        public static final WaitingShards NONE = new WaitingShards(Map.of(), Map.of(), 0);

        private static final int MOST_READ = 200;

        /** The fallback that the agent names for a window whose values are all equal. */
        private static final String STUCK = "single_point";

        /** Reads the groups, and a certificate of each of the largest ones, for the name of its shard. */
        public static WaitingShards read(Reviews reviews) {
            ReviewQueue queue = new ReviewQueue(reviews);
            List<Group> largest = queue.groups().stream()
                    .sorted(Comparator.comparing(
                            (Group group) -> -group.places().size()))
                    .limit(MOST_READ)
                    .toList();
            Map<Long, Version> newest = queue.at(largest.stream().map(Group::newest));
            Map<String, Integer> counts = new HashMap<>();
            Map<String, Instant> stuck = new HashMap<>();
            for (Group group : largest) {
                Version version = newest.get(group.newest().number());
                if (version != null) {
                    counts.merge(version.key().shard(), group.places().size(), Integer::sum);
                    if (version.outcome().reason().contains(STUCK)) {
                        stuck.put(version.key().shard(), group.from());
                    }
                }
            }
            Map<String, Integer> sorted = new LinkedHashMap<>();
            counts.entrySet().stream()
                    .sorted(Map.Entry.<String, Integer>comparingByValue()
                            .reversed()
                            .thenComparing(Map.Entry.comparingByKey()))
                    .forEach(each -> sorted.put(each.getKey(), each.getValue()));
            return new WaitingShards(sorted, stuck, queue.size());
        }
    }

    /**
     * A group.
     *
     * @param meaning what the reason means, as a sentence
     * @param sparkline the arrivals of the certificates, as SVG
     * @param chosen the certificates; null if another group is chosen
     */
    public record Tile(
            String shard,
            String cause,
            String verdict,
            int count,
            String path,
            String meaning,
            String sparkline,
            @Nullable Chosen chosen) {
        private static Tile of(Group group, Version first, @Nullable Chosen chosen, Instant oldest, Instant now) {
            String cause = first.outcome().cause();
            return new Tile(
                    first.key().shard(),
                    cause,
                    first.outcome().verdict().kind().label(),
                    group.places().size(),
                    ReviewView.groupPath(first),
                    ReasonKind.meaning(cause),
                    arrivals(group, oldest, now),
                    chosen);
        }

        /** Returns the number of certificates, followed by the noun in the singular or plural. */
        public String countText() {
            return count == 1 ? "1 certificate" : count + " certificates";
        }
    }

    /**
     * The certificates of the chosen group.
     *
     * @param newer the path of the certificates before these; null if these are the first
     * @param older the path of the certificates after these; null if these are the last
     * @param form the form to review the group
     */
    public record Chosen(
            List<Entry> entries,
            @Nullable String newer,
            @Nullable String older,
            Form form) {
        private static Chosen of(ReviewQueue queue, Group group, Version shown, Waiting place) {
            List<Waiting> all = group.places();
            int first = Math.max(0, all.indexOf(place)) / MOST_OUTCOMES * MOST_OUTCOMES;
            int last = Math.min(all.size(), first + MOST_OUTCOMES);
            Map<Long, Version> versions = queue.at(all.subList(first, last).stream());
            Map<String, String> fields = Form.fields(
                    "shard",
                    shown.key().shard(),
                    "reason",
                    shown.outcome().cause(),
                    "from",
                    group.from().toString(),
                    "until",
                    group.until().toString());
            if (!queue.isCut()) { // otherwise, the group may have more certificates than are known here
                fields.put("count", Integer.toString(all.size()));
            }
            return new Chosen(
                    all.subList(first, last).stream()
                            .flatMap(each -> Stream.ofNullable(versions.get(each.number()))
                                    .map(version -> new Entry(
                                            Outcome.shortened(version.key().pcsId()),
                                            version.outcome().receivedAt(),
                                            ReviewView.path(version),
                                            each.equals(place))))
                            .toList(),
                    first == 0 ? null : queue.path(Optional.of(all.get(first - MOST_OUTCOMES))),
                    last == all.size() ? null : queue.path(Optional.of(all.get(last))),
                    new Form(fields, "", "", ""));
        }
    }

    /** A certificate of the chosen group. */
    public record Entry(String shortId, Instant receivedAt, String path, boolean isShown) {}

    /**
     * Returns the part of the groups that contains the one of a certificate. Reads only the certificates that are
     * shown, and the first one of each group.
     *
     * @param shown the certificate that is shown; null if none is shown
     * @param place its place; null if none is shown
     */
    static ReviewGroups of(ReviewQueue queue, @Nullable Version shown, @Nullable Waiting place, Instant now) {
        List<Group> groups = queue.groups();
        int chosen = place == null ? -1 : queue.indexOf(place.group());
        int first = Math.max(0, chosen) / MOST_GROUPS * MOST_GROUPS;
        int last = Math.min(groups.size(), first + MOST_GROUPS);
        Instant oldest = groups.isEmpty() ? now : groups.get(0).from();
        Map<Long, Version> firsts =
                queue.at(groups.subList(first, last).stream().map(Group::newest));
        List<Tile> tiles = new ArrayList<>();
        for (int i = first; i < last; i++) {
            Group group = groups.get(i);
            Version version = firsts.get(group.newest().number());
            if (version != null) {
                Chosen entries =
                        i == chosen && shown != null && place != null ? Chosen.of(queue, group, shown, place) : null;
                tiles.add(Tile.of(group, version, entries, oldest, now));
            }
        }
        return new ReviewGroups(
                queue.size(),
                queue.isCut(),
                groups.size(),
                first,
                tiles,
                first == 0 ? null : queue.path(groups.get(first - MOST_GROUPS)),
                last == groups.size() ? null : queue.path(groups.get(last)));
    }

    /** Draws the arrivals of a group from the arrival of the certificate that waits longest until now. */
    private static String arrivals(Group group, Instant oldest, Instant now) {
        double[] counts = new double[BINS];
        double span = Math.max(1, Duration.between(oldest, now).toMillis());
        for (Waiting each : group.places()) {
            double share = (each.receivedMillis() - oldest.toEpochMilli()) / span;
            counts[(int) Math.max(0, Math.min(BINS - 1, share * BINS))]++;
        }
        return Plot.sparkline(
                Arrays.stream(counts).boxed().toList(),
                0,
                DoubleStream.of(counts).max().orElse(0),
                WIDTH,
                HEIGHT,
                "Arrivals from " + Pages.time(oldest) + " to now");
    }

    /** Returns a sentence with the number of certificates that wait. */
    public String summary() {
        return count == 1
                ? "1 certificate waits for a review."
                : (isCut ? "At least " : "") + count + " certificates wait for a review.";
    }

    /** Returns which of the groups are shown. */
    public String range() {
        return "Groups " + (first + 1) + " to " + (first + tiles.size()) + " of " + all;
    }
}
