// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.decide.ExplainedStep;
import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.decide.RecordedOutcome.Boxes;
import dev.flk.backend.decide.RecordedOutcome.Claims;
import dev.flk.backend.decide.Review;
import dev.flk.backend.inbox.LoggedBodies;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.canonical.CanonicalDouble;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.program.plot.BoxCountPlot;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Recomputed;
import dev.flk.verification.Verifier;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The view of one recorded certificate.
 *
 * @param facts the members of the certificate, and what the backend recorded about it
 * @param compared the claims next to the recomputed values
 * @param points the occupied boxes at each scale; empty if the record does not have them
 * @param plot the points and a line with the recomputed D̂ as its slope, as SVG; empty if there are no points or D̂
 *     could not be recomputed
 * @param reviews the versions of its review, the newest first
 * @param token the secret of the form
 * @param logged the records of the certificate in the log; null if the log can't be read
 */
public record CertificateView(
        Instant at,
        Outcome outcome,
        List<Fact> facts,
        List<Compared> compared,
        List<Point> points,
        String plot,
        List<Review> reviews,
        String token,
        @Nullable Logged logged) {
    private static final Logger LOG = LoggerFactory.getLogger(CertificateView.class);
    private static final int WIDTH = 620;
    private static final int HEIGHT = 300;
    private static final int RIGHT = 110;

    /**
     * A named value.
     *
     * @param at the value if it is a time
     * @param path the page about the value; null if no such page exists
     */
    public record Fact(
            String name,
            String value,
            @Nullable Instant at,
            @Nullable String path) {
        private static Fact of(String name, Instant at) {
            return new Fact(name, "", at, null);
        }
    }

    /** A claim and the recomputed value; {@code –} for a claim that is not recomputed. */
    public record Compared(String name, String claimed, String recomputed) {}

    /** The number of occupied boxes at a scale. */
    public record Point(int scale, long boxes) {}

    /**
     * The records of a certificate in the log.
     *
     * @param steps the rules with their numbers, in the order in which they are tried; empty if the log has no readable
     *     submission
     * @param note why there are no steps, or which other policy the decision followed; may be empty
     * @param bodies the bodies of the submission and of other content under its id
     */
    public record Logged(List<ExplainedStep> steps, String note, List<LoggedBodies.Body> bodies) {
        private static @Nullable Logged of(
                Outcome outcome, String policyHash, @Nullable LoggedBodies log, Policy policy) {
            if (log == null) {
                return null;
            }
            List<LoggedBodies.Body> bodies;
            try {
                bodies = log.find(PcsId.parse(outcome.key().pcsId()).orElseThrow(), outcome.receivedAt());
            } catch (IOException e) {
                LOG.warn("the inbox log can't be read, so the page shows no steps of the decision: {}", e.getMessage());
                return null;
            }
            Optional<LoggedBodies.Body> decided = bodies.stream()
                    .filter(each -> each.kind().equals(RecordKind.nameOf(RecordKind.SUBMISSION)))
                    .findFirst();
            if (decided.isEmpty()) {
                return new Logged(
                        List.of(), "The log of this backend no longer has this certificate, or never had it.", bodies);
            }
            try {
                List<ExplainedStep> steps = new Verifier(policy)
                                .explain(CertificateReader.parse(decided.get().bytes())
                                        .check(outcome.receivedAt(), Duration.ZERO))
                                .steps()
                                .stream()
                                .map(ExplainedStep::of)
                                .toList();
                return new Logged(
                        steps,
                        policy.hash().equals(policyHash)
                                ? ""
                                : "It was decided under the policy " + policyHash + "; these are the rules of "
                                        + policy.hash() + ", which is in force now.",
                        bodies);
            } catch (MalformedCertificate e) {
                return new Logged(List.of(), "The body in the log can't be read: " + e.getMessage() + ".", bodies);
            }
        }
    }

    /** Creates the view of a certificate from its outcome in the record, and reads the reviews and the log. */
    public static CertificateView of(
            Version recorded, Reviews reviews, String token, @Nullable LoggedBodies log, Policy policy, Instant now) {
        Outcome outcome = new Outcome(recorded);
        Verdict verdict = recorded.outcome().verdict();
        Recomputed recomputed = verdict.recomputed();
        Claims claims = recorded.outcome().claims();
        List<Fact> facts = new ArrayList<>();
        facts.add(Fact.of("received", outcome.receivedAt()));
        if (claims != null && claims.window() != null) {
            facts.add(Fact.of("first measurement", claims.window().start()));
            facts.add(Fact.of("last measurement", claims.window().end()));
        }
        facts.add(new Fact("epoch", Long.toString(outcome.key().epoch()), null, null));
        facts.add(new Fact("regime", outcome.regime(), null, null));
        if (claims != null) {
            facts.add(new Fact("key", claims.keyId(), null, OutcomesView.path(Map.of("key", claims.keyId()))));
            facts.add(new Fact("Merkle root", claims.merkleRoot(), null, null));
        }
        facts.add(new Fact("policy", verdict.policyHash(), null, null));
        List<Compared> compared = List.of(
                new Compared("D̂", text(verdict.claimedDHat()), text(recomputed, Recomputed::dHat)),
                new Compared("budget", text(claims, Claims::budget), text(recomputed, Recomputed::budget)),
                new Compared("coh★", text(claims, Claims::cohStar), "–"),
                new Compared("r", text(claims, Claims::r), "–"));
        List<Point> points = claims == null || claims.boxes() == null ? List.of() : points(claims.boxes());
        return new CertificateView(
                now,
                outcome,
                facts,
                compared,
                points,
                plot(points, outcome.dHat().recomputed()),
                reviews.versions(outcome.key()),
                token,
                Logged.of(outcome, verdict.policyHash(), log, policy));
    }

    /** Returns the form to review the certificate. */
    public ReviewView.Form form() {
        return ReviewView.Form.of("id", outcome.key().pcsId(), "version", Long.toString(version()));
    }

    /** Returns the version of the newest review; 0 without a review. */
    public long version() {
        return reviews.isEmpty() ? Reviews.NO_REVIEW : reviews.get(0).version();
    }

    private static List<Point> points(Boxes boxes) {
        List<Point> points = new ArrayList<>();
        for (int scale : boxes.scales()) {
            Long count = boxes.counts().get(scale);
            if (count != null && count > 0) {
                points.add(new Point(scale, count));
            }
        }
        return points;
    }

    private static String plot(List<Point> points, double dHat) {
        if (points.isEmpty() || !Double.isFinite(dHat)) {
            return "";
        }
        return BoxCountPlot.of(
                        "Occupied boxes by scale",
                        points.stream().map(Point::scale).toList(),
                        points.stream().map(Point::boxes).toList(),
                        dHat,
                        WIDTH,
                        HEIGHT,
                        RIGHT)
                .embedded("The slope of the line is the recomputed D̂; the table below has the values.");
    }

    private static <T> String text(@Nullable T values, ToDoubleFunction<T> value) {
        return values == null ? "–" : text(value.applyAsDouble(values));
    }

    private static String text(double value) {
        return CanonicalDouble.print(value);
    }

    /** Returns the command that explains the decision, to be run on the host of the backend. */
    public String command() {
        return "flk backend wal cat --id " + outcome.key().pcsId()
                + " --kind submission --json --body | jq -r .body | flk backend explain -";
    }

    /** Returns the verdict with its reason, as a sentence. */
    public String verdict() {
        return "This certificate was " + outcome.verdict()
                + (outcome.reason().isEmpty() ? "." : ": " + outcome.reason() + ".");
    }
}
