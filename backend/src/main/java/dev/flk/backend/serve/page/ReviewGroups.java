// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.decide.ReasonKind;
import dev.flk.backend.outcomes.record.Reviews.Waiting;
import dev.flk.backend.serve.page.ReviewQueue.Group;
import dev.flk.backend.serve.page.ReviewView.Form;
import dev.flk.program.plot.Plot;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
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
        private static Tile of(Group group, @Nullable Chosen chosen, Instant oldest, Instant now) {
            return new Tile(
                    group.shard(),
                    group.cause(),
                    group.outcomes().get(0).verdict().label(),
                    group.outcomes().size(),
                    ReviewView.path(group),
                    ReasonKind.meaning(group.cause()),
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
        private static Chosen of(Group group, Waiting shown) {
            List<Waiting> all = group.outcomes();
            int first = Math.max(0, all.indexOf(shown)) / MOST_OUTCOMES * MOST_OUTCOMES;
            int last = Math.min(all.size(), first + MOST_OUTCOMES);
            return new Chosen(
                    all.subList(first, last).stream()
                            .map(each -> new Entry(
                                    Outcome.shortened(each.pcsId()),
                                    each.receivedAt(),
                                    ReviewView.path(each),
                                    each.equals(shown)))
                            .toList(),
                    first == 0 ? null : ReviewView.path(all.get(first - MOST_OUTCOMES)),
                    last == all.size() ? null : ReviewView.path(all.get(last)),
                    Form.of(
                            "shard",
                            group.shard(),
                            "reason",
                            group.cause(),
                            "from",
                            group.from().toString(),
                            "until",
                            group.until().toString(),
                            "count",
                            Integer.toString(all.size())));
        }
    }

    /** A certificate of the chosen group. */
    public record Entry(String shortId, Instant receivedAt, String path, boolean isShown) {}

    /**
     * Returns the part of the groups that contains the chosen one.
     *
     * @param chosen the place of the chosen group; -1 if none was chosen
     * @param shown the certificate that is shown; null if none is shown
     */
    static ReviewGroups of(ReviewQueue queue, boolean isCut, int chosen, @Nullable Waiting shown, Instant now) {
        List<Group> groups = queue.groups();
        int first = Math.max(0, chosen) / MOST_GROUPS * MOST_GROUPS;
        int last = Math.min(groups.size(), first + MOST_GROUPS);
        Instant oldest = groups.isEmpty() ? now : groups.get(0).from();
        List<Tile> tiles = new ArrayList<>();
        for (int i = first; i < last; i++) {
            Group group = groups.get(i);
            tiles.add(Tile.of(group, i == chosen && shown != null ? Chosen.of(group, shown) : null, oldest, now));
        }
        return new ReviewGroups(
                groups.stream().mapToInt(group -> group.outcomes().size()).sum(),
                isCut,
                groups.size(),
                first,
                tiles,
                first == 0 ? null : ReviewView.path(groups.get(first - MOST_GROUPS)),
                last == groups.size() ? null : ReviewView.path(groups.get(last)));
    }

    /** Draws the arrivals of a group from the arrival of the certificate that waits longest until now. */
    private static String arrivals(Group group, Instant oldest, Instant now) {
        double[] counts = new double[BINS];
        double span = Math.max(1, Duration.between(oldest, now).toMillis());
        for (Waiting each : group.outcomes()) {
            double share = Duration.between(oldest, each.receivedAt()).toMillis() / span;
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
