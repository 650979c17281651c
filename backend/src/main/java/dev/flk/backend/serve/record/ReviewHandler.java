// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.record;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.decide.Review;
import dev.flk.backend.decide.Review.Verdict;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.ReviewedPart;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.review.LargeGroups.Progress;
import dev.flk.backend.outcomes.review.ReviewWriter.LeftOut;
import dev.flk.backend.outcomes.review.ReviewWriter.Recorded;
import dev.flk.backend.outcomes.review.ReviewWriter.ReviewUnavailableException;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.outcomes.review.Reviews.AllWaiting;
import dev.flk.backend.outcomes.review.Reviews.Effect;
import dev.flk.backend.outcomes.review.Reviews.Subject;
import dev.flk.backend.serve.guard.BadRequest;
import dev.flk.backend.serve.guard.IfVersion;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.cli.Printable;
import dev.flk.program.json.Json;
import io.netty.handler.codec.http.HttpMethod;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The handler of {@code /v1/reviews}. A GET lists the certificates that wait for a review, or the reviews, as NDJSON; a
 * PUT records a review of one certificate, of several, or of a group, or withdraws their reviews. The review of a large
 * group is answered with 202 when it begins, and can be asked for and stopped by its id.
 */
public final class ReviewHandler {
    /** The header that says that more certificates wait than the list contains. */
    static final String MORE = "X-Flk-More";

    private static final String PATH = "/v1/reviews";
    private static final String GROUPS = PATH + "/groups/";
    private static final int MAX_BODY_BYTES = 256 << 10;
    private static final int MAX_IDS = 1_000;
    private static final Set<String> QUERY = Set.of("state", "shard", "limit", "cursor");
    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Supplier<Optional<Reviews>> reviews;
    private final OperatorGuard guard;
    private final RecordHandler record;
    private final InstantSource clock;

    /**
     * The body of a PUT. It names the reviewed certificates either by ids, or as a group by shard, reason and time of
     * arrival.
     */
    public record Body(
            @Nullable List<String> ids,
            @Nullable String shard,
            @Nullable String reason,
            @Nullable String from,
            @Nullable String until,
            @Nullable String reviewedAt,
            @Nullable String verdict,
            @Nullable String note,
            @Nullable String author) {
        @JsonCreator
        public Body {}

        private boolean isWithdrawal() {
            return Verdict.WITHDRAWN.text().equals(verdict);
        }

        Subject subject(long ifVersion, @Nullable Integer shown) {
            List<String> given = ids;
            if (given != null
                    && shard == null
                    && reason == null
                    && from == null
                    && until == null
                    && reviewedAt == null) {
                if (given.isEmpty()
                        || given.size() > MAX_IDS
                        || !given.stream().allMatch(id -> id != null && RecordedOutcomes.isId(id))) {
                    throw new BadRequest("ids is not a list of 1 to " + MAX_IDS + " ids of certificates, each of "
                            + RecordedOutcomes.LEAST_ID_DIGITS + " to 64 lower-case hex digits");
                }
                if (isWithdrawal() && ifVersion == Reviews.NO_REVIEW) {
                    throw new BadRequest("only a review can be withdrawn; leave out If-None-Match");
                }
                return new Subject.Ids(given, ifVersion);
            }
            if (ifVersion != IfVersion.ANY) {
                throw new BadRequest("If-Match and If-None-Match are for ids, not for a group");
            }
            if (given == null && shard != null && reason != null && until != null) {
                if (isWithdrawal() != (reviewedAt != null)) {
                    throw new BadRequest("give reviewed_at to withdraw the reviews of a group, and only then");
                }
                try {
                    return new Subject.Group(
                            shard,
                            reason,
                            from == null ? Instant.MIN : Instant.parse(from),
                            Instant.parse(until),
                            reviewedAt,
                            shown);
                } catch (DateTimeException e) {
                    throw new BadRequest("from or until is not a time; write it like 2026-01-31T12:00:00Z");
                }
            }
            throw new BadRequest("give either ids, or shard, reason and until");
        }

        Review review(String user, Instant now) {
            String name = author == null || author.isBlank() ? user : author.strip();
            try {
                return new Review(
                        0,
                        BadRequest.parsed("verdict", String.valueOf(verdict), Verdict::parse),
                        note == null ? "" : note.strip(),
                        name,
                        now.toString());
            } catch (IllegalArgumentException e) {
                throw new BadRequest(String.valueOf(e.getMessage()));
            }
        }
    }

    /**
     * The answer to a PUT. Its last two members are missing if nothing was left out.
     *
     * @param reviewed the number of reviewed certificates; missing from the answer to a withdrawal
     * @param withdrawn the number of withdrawn reviews; missing from the answer to a review
     * @param at the time of the review, which is the {@code reviewed_at} with which a group withdraws it
     * @param leftOut the number of certificates whose newest review is another one
     * @param leftOutIds their ids, at most {@link #MAX_IDS}
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    private record Done(
            @Nullable Integer reviewed,
            @Nullable Integer withdrawn,
            String at,
            @Nullable Integer leftOut,
            @Nullable List<String> leftOutIds) {
        static Done of(Recorded recorded, boolean isWithdrawal, Instant at) {
            List<LeftOut> leftOut = recorded.leftOut();
            Integer reviewed = isWithdrawal ? null : recorded.reviewed();
            Integer withdrawn = isWithdrawal ? recorded.reviewed() : null;
            return leftOut.isEmpty()
                    ? new Done(reviewed, withdrawn, at.toString(), null, null)
                    : new Done(
                            reviewed,
                            withdrawn,
                            at.toString(),
                            leftOut.size(),
                            leftOut.stream()
                                    .limit(MAX_IDS)
                                    .map(each -> each.row().pcsId())
                                    .toList());
        }
    }

    /** The progress of the review of a large group, as an answer has it. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    private record Group(
            String group,
            String state,
            String shardId,
            String reason,
            String verdict,
            String author,
            String at,
            @Nullable Integer total,
            int reviewed,
            int leftOut,
            @Nullable String problem) {
        static Answer answer(int status, Progress of, Header... headers) {
            Review review = of.review();
            return Answer.json(
                    status,
                    Json.bytes(new Group(
                            of.id(),
                            of.state().text(),
                            of.group().shard(),
                            of.group().cause(),
                            review.verdict().text(),
                            review.author(),
                            review.at(),
                            of.total(),
                            of.reviewed(),
                            of.leftOut(),
                            of.problem())),
                    headers);
        }
    }

    /**
     * The answer to a PUT whose condition holds for none of the certificates.
     *
     * @param review the review of the certificate; missing if the certificate has none, or if there are several
     *     certificates
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    private record Refused(String error, @Nullable Review review) {
        static Answer answer(List<LeftOut> leftOut) {
            Review review = leftOut.size() == 1 ? leftOut.get(0).review() : null;
            byte[] body = Json.bytes(new Refused("nothing was recorded: " + sentence(leftOut), review));
            return leftOut.size() == 1
                    ? Answer.json(412, body, IfVersion.etag(review == null ? Reviews.NO_REVIEW : review.version()))
                    : Answer.json(412, body);
        }
    }

    /** Returns who reviewed certificates before, and when. */
    public static String sentence(List<LeftOut> leftOut) {
        Review review = leftOut.get(0).review();
        String first = review == null ? "nobody has reviewed it" : sentence(review);
        return first + (leftOut.size() == 1 ? "" : ", and " + (leftOut.size() - 1) + " more have other versions");
    }

    private static String sentence(Review review) {
        String what = review.isWithdrawal()
                ? " withdrew its review"
                : " reviewed it as " + review.verdict().text();
        return review.author() + what + " at " + review.at() + " (version " + review.version() + ")";
    }

    /**
     * Returns why a review was not recorded, or is not known to be.
     *
     * @param isOne whether it is about one certificate
     */
    public static String sentence(ReviewUnavailableException e, boolean isOne) {
        return e.mayTakeEffect()
                ? "the review may still take effect: " + e.getMessage()
                        + "; look at the certificate before you repeat it"
                : "nothing" + (isOne ? "" : ", or only a part of the group,") + " was recorded: " + e.getMessage();
    }

    /** A line of the list of reviews. */
    private record Line(
            String shardId, String pcsId, long version, String verdict, String note, String author, String at) {
        static String of(Reviewed reviewed) {
            Review review = reviewed.review();
            return Json.line(new Line(
                            reviewed.key().shard(),
                            reviewed.key().pcsId(),
                            review.version(),
                            review.verdict().text(),
                            review.note(),
                            review.author(),
                            review.at()))
                    .strip();
        }
    }

    public ReviewHandler(
            Supplier<Optional<Reviews>> reviews, OperatorGuard guard, RecordHandler record, InstantSource clock) {
        this.reviews = reviews;
        this.guard = guard;
        this.record = record;
        this.clock = clock;
    }

    public Routes addTo(Routes routes) {
        return routes.get(PATH, guard.reading(this::get))
                .get(GROUPS + "*", guard.reading((request, exchange) -> group(request, exchange, Reviews::group)))
                .route(
                        HttpMethod.DELETE,
                        GROUPS + "*",
                        guard.changing(
                                MAX_BODY_BYTES,
                                (request, exchange) -> group(request, exchange, Reviews::stop),
                                UnaryOperator.identity()))
                .route(HttpMethod.PUT, PATH, guard.changing(MAX_BODY_BYTES, this::put, UnaryOperator.identity()));
    }

    private void group(Request request, Exchange exchange, BiFunction<Reviews, String, Optional<Progress>> asked) {
        ask(
                exchange,
                record::run,
                found -> asked.apply(found, request.lastSegment())
                        .map(progress -> Group.answer(200, progress))
                        .orElseGet(() -> Answer.error(
                                404,
                                "this review of a group is not known; after a restart, what was reviewed is reviewed, and the"
                                        + " rest waits")));
    }

    private void get(Request request, Exchange exchange) {
        ask(exchange, record::run, found -> {
            Map<String, String> query = BadRequest.query(request, QUERY);
            int limit = RecordHandler.limit(query);
            boolean isReviewed = "reviewed".equals(RecordHandler.oneOf(query, "state", Set.of("waiting", "reviewed")));
            String ofOthers = isReviewed ? "shard" : "cursor";
            if (query.containsKey(ofOthers)) {
                throw new BadRequest(ofOthers + " can't be combined with state=" + (isReviewed ? "reviewed" : "waiting")
                        + "; leave it out");
            }
            return isReviewed
                    ? reviewed(found, RecordHandler.cursor(query), limit)
                    : waiting(found, query.get("shard"), limit);
        });
    }

    private static Answer waiting(Reviews found, @Nullable String shard, int limit) {
        AllWaiting<Version> all = found.waiting(shard, limit);
        return RecordHandler.lines(
                all.outcomes().stream().map(RecordedOutcomes::line).toList(),
                all.isCut() ? List.of(new Header(MORE, "true")) : List.of());
    }

    private static Answer reviewed(Reviews found, @Nullable String cursor, int limit) {
        ReviewedPart part = found.reviewed(cursor, limit);
        String next = part.cursor();
        return RecordHandler.lines(
                part.reviews().stream().map(Line::of).toList(),
                next == null ? List.of() : List.of(RecordHandler.cursorHeader(next)));
    }

    private void put(Request request, Exchange exchange) {
        byte[] bytes = request.body().exact();
        ask(exchange, record::runChange, found -> {
            Body body = body(bytes);
            boolean mayLack = record.mayLack();
            Instant now = clock.instant();
            long ifVersion = IfVersion.of(request, 0);
            Recorded recorded;
            try {
                Effect effect = review(found, body, ifVersion, null, guard.user(), now);
                if (effect instanceof Progress begun) {
                    return Group.answer(202, begun, new Header("Location", GROUPS + begun.id()));
                }
                recorded = (Recorded) effect;
            } catch (ReviewUnavailableException e) {
                boolean isOne = body.ids() != null && body.ids().size() == 1;
                return Answer.error(503, sentence(e, isOne), Header.retryAfter(1));
            }
            boolean isNothing = recorded.reviewed() == 0
                    && (recorded.leftOut().isEmpty() || (body.isWithdrawal() && ifVersion == IfVersion.ANY));
            if (body.ids() != null && recorded.reviewed() == 0 && !isNothing) {
                return Refused.answer(recorded.leftOut());
            }
            return isNothing
                    ? RecordHandler.missing(
                            mayLack,
                            body.isWithdrawal()
                                    ? "no such certificate has a review"
                                    : "no such certificate waits for a review")
                    : Answer.json(
                            200,
                            Json.bytes(Done.of(recorded, body.isWithdrawal(), now)),
                            Stream.of(recorded.version())
                                    .filter(version -> version > 0)
                                    .map(IfVersion::etag)
                                    .toArray(Header[]::new));
        });
    }

    private static Body body(byte[] bytes) {
        try {
            Body body = JSON.readValue(bytes, Body.class);
            if (body == null) {
                throw new BadRequest("the body is not a review: it is null");
            }
            return body;
        } catch (UnrecognizedPropertyException e) {
            throw new BadRequest("the body has an unknown member, " + Printable.of(e.getPropertyName())
                    + "; the members are ids, shard, reason, from, until, reviewed_at, verdict, note and author");
        } catch (JsonMappingException e) {
            throw new BadRequest("the body is not a review: a member has a wrong type");
        } catch (JsonProcessingException e) {
            throw new BadRequest("the body is not JSON");
        } catch (IOException e) {
            throw new UncheckedIOException("reading from memory does not fail", e);
        }
    }

    /**
     * Records a review; see {@link Reviews#review}.
     *
     * @param ifVersion the condition for a review by id
     * @param shown see {@link Subject.Group}
     */
    public static Effect review(
            Reviews reviews, Body body, long ifVersion, @Nullable Integer shown, String user, Instant now) {
        Subject subject = body.subject(ifVersion, shown);
        Review review = body.review(user, now);
        try {
            return reviews.review(subject, review);
        } catch (IllegalArgumentException e) {
            throw new BadRequest(String.valueOf(e.getMessage()));
        }
    }

    private void ask(Exchange exchange, BiConsumer<Exchange, Runnable> runner, Function<Reviews, Answer> question) {
        record.open(exchange, reviews)
                .ifPresent(found -> runner.accept(
                        exchange,
                        () -> RecordHandler.answering(exchange, () -> exchange.answer(question.apply(found)))));
    }
}
