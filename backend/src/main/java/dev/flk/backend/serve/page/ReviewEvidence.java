// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.decide.RecordedOutcome.Claims;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.serve.page.ReviewView.Source;
import dev.flk.program.plot.Axis;
import dev.flk.program.plot.Plot;
import dev.flk.program.plot.Plot.Area;
import dev.flk.program.plot.Plot.Line;
import dev.flk.program.plot.Plot.Point;
import dev.flk.verification.Policy;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a person looks at to review a certificate.
 *
 * @param certificate the certificate without its records in the log
 * @param measuredFrom the first measurement; null if the certificate does not have it
 * @param measuredTo the last measurement; null if the certificate does not have it
 * @param dHat the claimed and the recomputed D̂ and the tolerance, as a sentence
 * @param neighbours D̂ of the shard before and after this certificate, as SVG; empty if no D̂ is known
 */
public record ReviewEvidence(
        CertificateView certificate,
        @Nullable Instant measuredFrom,
        @Nullable Instant measuredTo,
        String dHat,
        String neighbours) {
    /** The maximum number of neighbours on each side. */
    public static final int NEIGHBOURS = 20;

    private static final int WIDTH = 620;
    private static final int HEIGHT = 250;
    private static final int RIGHT = 110;

    /** @param recorded the outcome of the certificate in the record */
    static ReviewEvidence of(Source source, Version recorded, Instant now) {
        Policy policy = source.policy();
        CertificateView certificate = CertificateView.of(recorded, source.reviews(), source.token(), null, policy, now);
        Outcome outcome = certificate.outcome();
        return new ReviewEvidence(
                certificate,
                measuredFrom(outcome.claims()),
                outcome.measuredAt(),
                dHat(outcome.dHat(), recorded.outcome().verdict().policyHash(), policy),
                plot(around(source.record(), outcome), outcome));
    }

    private static @Nullable Instant measuredFrom(@Nullable Claims claims) {
        return claims == null || claims.window() == null
                ? null
                : claims.window().start();
    }

    private static String dHat(Outcome.Claim dHat, String decidedUnder, Policy policy) {
        if (!Double.isFinite(dHat.recomputed())) {
            return "D̂ is claimed as " + dHat.claimedText() + " and could not be recomputed.";
        }
        double diff = Math.abs(dHat.claimed() - dHat.recomputed());
        boolean isNear = diff <= policy.tolD() + 1e-9; // the claims have 9 decimals
        return "D̂ is claimed as " + dHat.claimedText() + " and recomputed as " + dHat.recomputedText()
                + String.format(Locale.ROOT, ": the difference of %.4f is ", diff)
                + (isNear ? "within" : "above") + " the tolerance of " + policy.tolD()
                + (decidedUnder.equals(policy.hash())
                        ? "."
                        : ", which is in force now; the certificate was decided under the policy " + decidedUnder
                                + ".");
    }

    /** Returns the neighbours of an outcome in its shard by arrival, and the outcome itself. */
    private static List<Outcome> around(RecordedOutcomes record, Outcome outcome) {
        List<Outcome> all =
                new ArrayList<>(read(record, outcome, new Span(null, outcome.receivedAt()), Order.NEWEST, NEIGHBOURS));
        all.addAll(read(record, outcome, new Span(outcome.receivedAt(), null), Order.OLDEST, NEIGHBOURS + 1));
        if (all.stream().noneMatch(each -> each.key().equals(outcome.key()))) {
            all.add(outcome); // more than twenty arrived in the same millisecond
        }
        return all;
    }

    private static List<Outcome> read(RecordedOutcomes record, Outcome outcome, Span received, Order order, int most) {
        OutcomeQuery wanted = OutcomeQuery.ALL
                .withShard(outcome.key().shard())
                .withReceived(received)
                .withOrder(order);
        return Outcome.read(record, wanted, most).outcomes();
    }

    private static String plot(List<Outcome> around, Outcome outcome) {
        boolean isMeasured = around.stream().allMatch(each -> each.measuredAt() != null);
        Function<Outcome, Instant> time =
                each -> isMeasured ? Objects.requireNonNull(each.measuredAt()) : each.receivedAt();
        List<Outcome> sorted = around.stream()
                .sorted(Comparator.comparing(time)
                        .thenComparing(each -> each.key().epoch()))
                .toList();
        List<Point> recomputed = points(sorted, time, each -> each.dHat().recomputed());
        List<Point> claimed = points(sorted, time, each -> each.dHat().claimed());
        List<Point> known =
                recomputed.stream().filter(point -> Double.isFinite(point.y())).toList();
        if (Stream.concat(claimed.stream(), known.stream()).noneMatch(point -> Double.isFinite(point.y()))) {
            return "";
        }
        Point marked =
                points(List.of(outcome), time, each -> each.dHat().claimed()).get(0);
        Axis axis = Axis.ofTime(
                isMeasured ? "time of the last measurement" : "time of arrival",
                time.apply(sorted.get(0)),
                time.apply(sorted.get(sorted.size() - 1)).plusMillis(1));
        Axis values = ShardPlots.axisOf("D̂", Stream.of(claimed, recomputed));
        Plot plot = new Plot("D̂ of this shard (no unit)", axis, values, WIDTH, HEIGHT, RIGHT);
        ShardPlots.usual(sorted, values)
                .ifPresent(range -> plot.area(Area.FIRST, axis.least(), axis.most(), range[0], range[1]));
        plot.axes()
                .line(Line.FIRST, recomputed)
                .dots(Line.FIRST, 3, recomputed)
                .dots(
                        Line.SECOND,
                        4,
                        points(
                                sorted,
                                time,
                                each -> each.isAccepted()
                                        ? Double.NaN
                                        : each.dHat().claimed()))
                .dots(Line.THIRD, 7, List.of(marked));
        if (Double.isFinite(marked.y())) {
            plot.text(marked, "this certificate");
        }
        return plot.embedded("Recomputed values, and the claims that were not accepted; this" + " certificate claims "
                + outcome.dHat().claimedText() + ".");
    }

    private static List<Point> points(
            List<Outcome> outcomes, Function<Outcome, Instant> time, ToDoubleFunction<Outcome> value) {
        return outcomes.stream()
                .map(each -> new Point(Axis.seconds(time.apply(each)), value.applyAsDouble(each)))
                .toList();
    }
}
