// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.review.LargeGroups.Progress;
import dev.flk.backend.outcomes.review.ReviewWriter.Recorded;
import dev.flk.backend.outcomes.review.ReviewWriter.ReviewUnavailableException;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.outcomes.review.Reviews.Effect;
import dev.flk.backend.outcomes.review.Reviews.OtherNumberException;
import dev.flk.backend.serve.guard.BadRequest;
import dev.flk.backend.serve.guard.IfVersion;
import dev.flk.backend.serve.page.Pages;
import dev.flk.backend.serve.page.Pages.NotFound;
import dev.flk.backend.serve.page.ReviewDone.Sent;
import dev.flk.backend.serve.page.ReviewView;
import dev.flk.backend.serve.page.ReviewView.Choice;
import dev.flk.backend.serve.page.ReviewView.Form;
import dev.flk.backend.serve.page.ReviewView.Source;
import dev.flk.backend.serve.page.ReviewedView;
import dev.flk.backend.serve.page.ReviewedView.Filter;
import dev.flk.backend.serve.record.ReviewHandler;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.program.config.Quantities;
import dev.flk.verification.Policy;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The answers of {@code /ui/review}. Calls block. Safe for any thread. */
final class ReviewPages {
    private static final Set<String> QUERY = Set.of(
            "shard",
            "reason",
            "id",
            "done",
            "withdrawn",
            "left_out",
            "reviewed_at",
            "reviewed",
            "from",
            "until",
            "show",
            "verdict",
            "author",
            "page");
    private static final Set<String> FORM = Set.of(
            "token",
            "id",
            "shard",
            "reason",
            "from",
            "until",
            "verdict",
            "note",
            "author",
            "version",
            "reviewed_at",
            "count",
            "stop");
    private static final List<String> HIDDEN =
            List.of("id", "version", "shard", "reason", "from", "until", "reviewed_at", "count");

    private final Supplier<Features> features;
    private final Supplier<String> user;
    private final Policy policy;
    private final InstantSource clock;
    private final Pages pages;
    private final String token;

    /** @param token the secret that each form must have */
    ReviewPages(BackendServer.Parts parts, Supplier<String> user, Pages pages, String token) {
        this.features = parts.features();
        this.user = user;
        this.policy = parts.policy();
        this.clock = parts.clock();
        this.pages = pages;
        this.token = token;
    }

    /** Returns what the view reads; empty if this backend has no record. */
    private Optional<Source> source() {
        Features open = features.get();
        return open.record()
                .flatMap(record -> open.reviews().map(reviews -> new Source(record, reviews, token, policy)));
    }

    /** Answers with the queue or with the reviews that were made; empty if this backend has no record. */
    Optional<Answer> get(Map<String, String> query) {
        return source().map(source -> get(source, query));
    }

    private Answer get(Source source, Map<String, String> query) {
        String id = query.get("id");
        Version chosen = id == null ? null : recorded(source.record(), id);
        if (id != null && chosen == null) {
            return PageHandler.html(404, pages.html(new NotFound(id, true, List.of())));
        }
        return "reviewed".equals(query.get("show"))
                ? reviewed(source.reviews(), query)
                : html(
                        200,
                        ReviewView.read(
                                source,
                                new Choice(query.get("shard"), query.get("reason"), chosen),
                                sent(query),
                                clock.instant()));
    }

    private Answer reviewed(Reviews found, Map<String, String> query) {
        Integer page = number(query, "page");
        return PageHandler.html(
                200,
                pages.html(ReviewedView.read(
                        found,
                        new Filter(
                                query.getOrDefault("verdict", ""),
                                query.getOrDefault("author", "").strip(),
                                query.getOrDefault("shard", "").strip()),
                        page == null ? 0 : page,
                        clock.instant())));
    }

    /** Returns the effect of a form from the address to which it led; null if the address is not from a form. */
    private static @Nullable Sent sent(Map<String, String> query) {
        Integer done = number(query, "done");
        Integer withdrawn = number(query, "withdrawn");
        Integer leftOut = number(query, "left_out");
        Instant at = OutcomeQuery.time(query, "reviewed_at");
        if (withdrawn != null) {
            return new Sent(
                    withdrawn, leftOut == null ? 0 : leftOut, null, Form.noteName(query), query.get("id"), null, null);
        }
        return done == null || at == null
                ? null
                : new Sent(
                        done,
                        leftOut == null ? 0 : leftOut,
                        at,
                        query.getOrDefault("reviewed", ""),
                        query.get("reviewed"),
                        query.get("from"),
                        query.get("until"));
    }

    static @Nullable Integer number(Map<String, String> query, String name) {
        String text = query.get(name);
        return text == null ? null : BadRequest.parsed(name, text, Quantities.count(0, Integer.MAX_VALUE));
    }

    /**
     * Returns the certificate whose id begins with these digits; null if the record has none.
     *
     * @throws BadRequest if the digits are no id, or begin several
     */
    private static @Nullable Version recorded(RecordedOutcomes record, String id) {
        if (!RecordedOutcomes.isId(id)) {
            throw new BadRequest("id is not " + RecordedOutcomes.LEAST_ID_DIGITS + " to 64 lower-case hex digits");
        }
        List<String> ids = record.idsThatBeginWith(id, 2);
        if (ids.size() > 1) {
            throw new BadRequest("several certificates have ids that begin with " + id + "; give more digits");
        }
        return record.withId(id, 1).stream().findFirst().orElse(null);
    }

    static Set<String> query() {
        return QUERY;
    }

    /**
     * Records the review in a form, and redirects to the next certificate. If nothing was recorded, the answer says so
     * and has the form again, with the note.
     *
     * @return empty if this backend has no record
     */
    Optional<Answer> post(String body) {
        return source().map(source -> post(source, BadRequest.fields(body, FORM)));
    }

    private Answer post(Source source, Map<String, String> form) {
        Attempt attempt = new Attempt(form, source);
        if (!MessageDigest.isEqual(bytes(token), bytes(form.getOrDefault("token", "")))) {
            return attempt.failed(
                    403,
                    "this form is not valid any more, because the backend was restarted since the page was loaded");
        }
        String stopped = form.get("stop");
        if (stopped != null) {
            var unused = source.reviews().stop(stopped);
            return seeOther(ReviewView.PATH);
        }
        try {
            return attempt.answer();
        } catch (BadRequest e) {
            return attempt.failed(400, e.text());
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** A form that was sent. */
    private final class Attempt {
        private final Map<String, String> form;
        private final Source source;
        private final @Nullable String id;
        private final boolean isWithdrawal;
        private final Instant now = clock.instant();

        Attempt(Map<String, String> form, Source source) {
            this.form = form;
            this.source = source;
            this.id = form.get("id");
            this.isWithdrawal = Review.Verdict.WITHDRAWN.text().equals(form.get("verdict"));
        }

        Answer answer() {
            String id = form.get("id");
            ReviewHandler.Body given = new ReviewHandler.Body(
                    id == null ? null : List.of(id),
                    form.get("shard"),
                    form.get("reason"),
                    form.get("from"),
                    form.get("until"),
                    form.get("reviewed_at"),
                    form.get("verdict"),
                    form.get("note"),
                    form.get("author"));
            long shown = id == null
                    ? IfVersion.ANY
                    : BadRequest.parsed(
                            "version", form.getOrDefault("version", "0"), Quantities.count(0, Long.MAX_VALUE - 1));
            if (!isWithdrawal && form.getOrDefault("author", "").isBlank()) {
                throw new BadRequest("your name is missing; write it into the field “Your name”, which remembers it");
            }
            if (id != null && form.containsKey("shard")) {
                throw new BadRequest("give either id or shard");
            }
            Recorded recorded;
            try {
                Effect effect = ReviewHandler.review(
                        source.reviews(), given, shown, isWithdrawal ? null : number(form, "count"), user.get(), now);
                if (effect instanceof Progress) {
                    return seeOther(ReviewView.PATH);
                }
                recorded = (Recorded) effect;
            } catch (OtherNumberException e) {
                return failed(412, String.valueOf(e.getMessage()));
            } catch (ReviewUnavailableException e) {
                String sentence = ReviewHandler.sentence(e, id != null);
                return again(503, Character.toUpperCase(sentence.charAt(0)) + sentence.substring(1) + ".");
            }
            if (id != null && !recorded.leftOut().isEmpty()) {
                return failed(
                        412, "the review is not the one that was shown: " + ReviewHandler.sentence(recorded.leftOut()));
            }
            return seeOther(target(recorded));
        }

        /** Returns the address of the next certificate, or of what waits again. */
        private String target(Recorded recorded) {
            String path = path();
            String start = path + (path.contains("?") ? "&" : "?");
            if (isWithdrawal) {
                int count = BadRequest.parsed(
                        "count", form.getOrDefault("count", "0"), Quantities.count(0, Integer.MAX_VALUE));
                int leftOut = Math.max(recorded.leftOut().size(), count - recorded.reviewed());
                return start + "withdrawn=" + recorded.reviewed() + "&left_out=" + leftOut;
            }
            String reviewed = id == null ? range("from") + range("until") : "&reviewed=" + OutcomeQuery.encoded(id);
            return start + "done=" + recorded.reviewed() + "&left_out="
                    + recorded.leftOut().size() + "&reviewed_at=" + OutcomeQuery.encoded(now.toString()) + reviewed;
        }

        private String path() {
            if (id == null) {
                return isWithdrawal
                        ? ReviewView.path(form.getOrDefault("shard", ""), form.getOrDefault("reason", ""))
                        : ReviewView.PATH;
            }
            try {
                Version chosen = recorded(source.record(), id);
                return chosen == null
                        ? ReviewView.PATH
                        : isWithdrawal ? ReviewView.path(chosen) : ReviewView.pathAfter(source.reviews(), chosen);
            } catch (RecordUnavailableException e) {
                return ReviewView.PATH; // the review was recorded
            }
        }

        private String range(String name) {
            String time = form.get(name);
            return time == null ? "" : "&" + name + "=" + OutcomeQuery.encoded(time);
        }

        /** Answers that the form had no effect. */
        Answer failed(int status, String why) {
            return again(status, "Nothing was " + (isWithdrawal ? "withdrawn: " : "reviewed: ") + why + ".");
        }

        /** Answers with the form again, and as much of the view as can be read. */
        private Answer again(int status, String problem) {
            Map<String, String> hidden = new LinkedHashMap<>();
            HIDDEN.stream().filter(form::containsKey).forEach(name -> hidden.put(name, form.getOrDefault(name, "")));
            Form again = new Form(
                    hidden,
                    form.getOrDefault("verdict", ""),
                    form.getOrDefault("note", ""),
                    form.getOrDefault("author", ""));
            return html(status, view().failed(problem, again, status == 412));
        }

        private ReviewView view() {
            try {
                Version chosen = id != null && RecordedOutcomes.isId(id) ? recorded(source.record(), id) : null;
                return ReviewView.read(source, new Choice(form.get("shard"), form.get("reason"), chosen), null, now);
            } catch (BadRequest | RecordUnavailableException e) {
                return ReviewView.unknown(token, now);
            }
        }
    }

    private Answer html(int status, ReviewView view) {
        return PageHandler.html(status, pages.html(view));
    }

    /** Redirects with status 303 after a form was submitted. */
    private static Answer seeOther(String target) {
        return new Answer(303, "text/plain", new byte[0], List.of(new Header("Location", target)));
    }
}
