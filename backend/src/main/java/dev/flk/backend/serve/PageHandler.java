// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.agents.Agents;
import dev.flk.backend.inbox.LoggedBodies;
import dev.flk.backend.ingest.RecentRefusals;
import dev.flk.backend.logs.LogEntry.Figures;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.InvalidQueryException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.serve.guard.BadRequest;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.backend.serve.page.AgentsView;
import dev.flk.backend.serve.page.AgentsView.Order;
import dev.flk.backend.serve.page.CertificateView;
import dev.flk.backend.serve.page.OutcomeFilter;
import dev.flk.backend.serve.page.OutcomesView;
import dev.flk.backend.serve.page.Pages;
import dev.flk.backend.serve.page.Pages.Message;
import dev.flk.backend.serve.page.Pages.NotFound;
import dev.flk.backend.serve.page.Pages.Refused;
import dev.flk.backend.serve.page.ReviewGroups.WaitingShards;
import dev.flk.backend.serve.page.ShardsView;
import dev.flk.backend.serve.page.ShardsView.Filter;
import dev.flk.backend.serve.page.now.NowView;
import dev.flk.backend.serve.record.OutcomeExport;
import dev.flk.backend.serve.record.OutcomeExport.Format;
import dev.flk.certificate.PcsId;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.time.DaemonThreads;
import dev.flk.verification.Policy;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The handler of the page for operators: {@code /ui} and the paths below it, and {@code /}, which redirects to it. The
 * page loads nothing from other servers. Reviews are the only data that the page can change.
 */
final class PageHandler implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PageHandler.class);
    private static final String PATH = "/ui";
    private static final int THREADS = 2;
    private static final int TOKEN_BYTES = 16;
    private static final int MAX_WAITING = 32;
    /** The number of shards that a search without a result offers. */
    private static final int MOST_OFFERED = 10;

    private static final int MAX_FORM_BYTES = 64 << 10;
    private static final long MAX_ANSWER_BYTES = 1 << 20;
    private static final List<Header> HEADERS = List.of(
            new Header(
                    "Content-Security-Policy",
                    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:;"
                            + " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
            new Header("X-Content-Type-Options", "nosniff"),
            // with no-referrer, browsers would send Origin: null with forms
            new Header("Referrer-Policy", "same-origin"),
            new Header("Cache-Control", "no-store"));
    private static final Map<String, Order> ORDERS =
            Stream.of(Order.values()).collect(Collectors.toMap(Order::query, Function.identity()));

    /** The parameters of the view Explore, and those of a page of its list. */
    private static final Set<String> OUTCOMES = Set.copyOf(OutcomeFilter.NAMES);

    private static final Set<String> PAGE_OF_OUTCOMES =
            Stream.concat(OUTCOMES.stream(), Stream.of("cursor", "newer")).collect(Collectors.toSet());
    private static final DateTimeFormatter FILE_TIME =
            DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss", Locale.ROOT).withZone(ZoneOffset.UTC);
    private static final List<Header> FILE_HEADERS = List.of(new Header("X-Content-Type-Options", "nosniff"));
    /** The body of the answer after a file, which is ignored: only the first answer to a request counts. */
    private static final byte[] NOTHING = {};

    private static final int MOST_AGENTS_OF_KEY = 5;

    private final String name;
    private final NowWatch now;
    private final Supplier<Optional<Logs>> logs;
    private final Supplier<Optional<RecordedOutcomes>> record;
    private final Supplier<Optional<Reviews>> reviews;
    private final Supplier<Optional<Agents>> agents;
    private final Metrics metrics;
    private final OperatorGuard guard;
    private final InstantSource clock;
    private final Policy policy;
    private final Supplier<Optional<LoggedBodies>> bodies;
    private final Pages pages;
    private final PageEvents events = new PageEvents();
    private final OutcomeExport export;
    /** The threads that read and render views, which may take seconds. */
    private final ThreadPoolExecutor views = DaemonThreads.pool("page", THREADS, MAX_WAITING);
    /** The thread that records reviews: a review that waits for the log must not delay views. */
    private final ThreadPoolExecutor changes = DaemonThreads.pool("page-reviews", 1, MAX_WAITING);

    private final ScheduledThreadPoolExecutor thread =
            new ScheduledThreadPoolExecutor(1, DaemonThreads.named("page-care"));
    /**
     * A secret in each form for a review. A page of another site does not know the secret, so forms from such a page
     * can be rejected.
     */
    private final String token = newToken();

    private final ReviewPages reviewPages;

    PageHandler(BackendServer.Parts parts, OperatorGuard guard) {
        this.pages = new Pages(parts.name(), this::scope);
        this.name = parts.name();
        this.now = new NowWatch(parts);
        this.logs = () -> parts.features().get().logs();
        this.record = () -> parts.features().get().record();
        this.reviews = () -> parts.features().get().reviews();
        this.agents = () -> parts.features().get().agents();
        this.metrics = parts.metrics().all();
        this.clock = parts.clock();
        this.policy = parts.policy();
        this.bodies = () -> parts.features().get().bodies();
        this.guard = guard;
        this.reviewPages = new ReviewPages(parts, guard::user, pages, token);
        this.export = new OutcomeExport(guard.memory());
    }

    /** Says whose certificates the record has; empty while no other backend is known. */
    private String scope() {
        int backends = logs.get().map(Logs::backends).orElse(1);
        Optional<RecordedOutcomes> found = record.get();
        if (backends == 1 || found.isEmpty()) {
            return "";
        }
        if (found.get().coversAllBackends()) {
            return "The certificates of " + (backends == 2 ? "both" : "all " + backends) + " backends of this store.";
        }
        return "Only the certificates of this backend, " + name + "; "
                + (backends == 2 ? "another one has its own." : backends - 1 + " others have their own.");
    }

    private static String newToken() {
        byte[] random = new byte[TOKEN_BYTES];
        new SecureRandom().nextBytes(random);
        return HexFormat.of().formatHex(random);
    }

    /** Returns the numbers that other backends show of this one. Does not block. */
    Figures figures() {
        return now.figures();
    }

    /** Adds the routes, and begins to count the certificates of each minute. */
    Routes addTo(Routes routes) {
        now.start(thread);
        var unused = thread.scheduleWithFixedDelay(
                this::notifyPages, PageEvents.NOTIFY_EVERY_SECONDS, PageEvents.NOTIFY_EVERY_SECONDS, TimeUnit.SECONDS);
        return routes.get("/", Endpoint.always(redirect(PATH)))
                .get(PATH, view(this::now))
                .get(PATH + "/agents", view(this::agents))
                .get(PATH + "/shards", view(this::shards))
                .get(PATH + "/shard", moved("name", "shard"))
                .get(PATH + "/certificate", view(this::certificate))
                .get(PATH + "/outcomes", view(this::outcomes))
                .get(PATH + "/outcomes.csv", file(Format.CSV))
                .get(PATH + "/outcomes.ndjson", file(Format.NDJSON))
                .get(PATH + "/key", moved("id", "key"))
                .get(PATH + "/review", view(this::review))
                .post(PATH + "/review", guard.changing(MAX_FORM_BYTES, this::takeReview, this::page))
                .get(NowView.REFUSED, view(this::refused))
                .get(PATH + "/search", view(this::search))
                .get(PATH + "/events", guard.reading((request, exchange) -> events.open(exchange, guard.memory())))
                .get(PATH + "/page.css", file("text/css", Pages.stylesheet()))
                .get(PATH + "/page.js", file("text/javascript", Pages.script()))
                .get(PATH + "/review.js", file("text/javascript", Pages.reviewScript()))
                .get(PATH + "/htmx.js", file("text/javascript", Pages.htmx()))
                .get(
                        PATH + "/**",
                        view(request -> message(
                                404,
                                "Not found",
                                "This page does not exist.",
                                "Correct the address, or choose a view above.")));
    }

    private static Endpoint file(String type, byte[] content) {
        return Endpoint.always(answer(200, type + "; charset=utf-8", content));
    }

    private Endpoint file(Format format) {
        return guard.reading((request, exchange) -> export(request, exchange, format), this::page);
    }

    private Endpoint view(Function<Request, Answer> view) {
        return guard.page((request, exchange) -> serve(request, exchange, view), this::page);
    }

    private void notifyPages() {
        try {
            events.notifyPages(metrics::read);
        } catch (RuntimeException e) {
            // an exception thrown here would cancel the scheduled task
            LOG.error(
                    "open pages could not be notified of changes; the next attempt is in {} s",
                    PageEvents.NOTIFY_EVERY_SECONDS,
                    e);
        }
    }

    private void serve(Request request, Exchange exchange, Function<Request, Answer> view) {
        serve(views, request, exchange, view);
    }

    private void serve(Executor on, Request request, Exchange exchange, Function<Request, Answer> view) {
        if (!exchange.reserveAnswer(guard.memory(), MAX_ANSWER_BYTES)) {
            exchange.answer(Refusal.overloaded());
            return;
        }
        try {
            on.execute(() -> exchange.safely(() -> exchange.answer(orReason(view, request))));
        } catch (RejectedExecutionException e) {
            exchange.answer(Refusal.overloaded());
        }
    }

    /** Converts a refusal in JSON to a page. */
    private Answer page(Answer refusal) {
        Answer page = switch (refusal.status()) {
            case 401 ->
                message(
                        401,
                        "Login required",
                        "This page is for operators of the backend.",
                        "Reload the page, and log in with the backend's METRICS_USER and METRICS_PASS.");
            case 429 ->
                message(
                        429,
                        "Too many wrong logins",
                        "Too many wrong logins came from your address.",
                        "Wait a minute, reload the page, and log in with the backend's METRICS_USER and METRICS_PASS.");
            default ->
                message(
                        403,
                        "Access denied",
                        "Either a page of another site sent this request, or METRICS_USER is not set; then, this page"
                                + " is served only under the name localhost, at an IP address, and under the names in"
                                + " UI_HOSTS.",
                        "Open the page at localhost on the backend's host, or set METRICS_USER and METRICS_PASS.");
        };
        List<Header> headers = new ArrayList<>(page.headers());
        headers.addAll(refusal.headers());
        return new Answer(page.status(), page.contentType(), page.body(), headers);
    }

    private Answer now(Request request) {
        return html(
                200,
                pages.html(now.view(
                        "day".equals(BadRequest.query(request, Set.of("trend")).get("trend")))));
    }

    private Answer refused(Request request) {
        BadRequest.query(request, Set.of());
        Instant at = clock.instant();
        List<RecentRefusals.Group> groups = now.refusals(at);
        Map<String, List<String>> found = new HashMap<>();
        agents.get()
                .ifPresent(opened -> groups.stream()
                        .map(RecentRefusals.Group::keyId)
                        .filter(key -> !key.isEmpty())
                        .forEach(key -> found.put(
                                key,
                                opened.check().agentsOf(key).stream()
                                        .limit(MOST_AGENTS_OF_KEY)
                                        .toList())));
        return html(200, pages.html(new Refused(at, groups, found)));
    }

    private Answer outcomes(Request request) {
        Map<String, String> query = BadRequest.query(request, PAGE_OF_OUTCOMES);
        if (query.containsValue("")) {
            // a form sends all its fields; the address of the view has only those that are filled in
            return redirect(OutcomesView.path(query));
        }
        return explored(
                query,
                (found, filter) -> pages.html(
                        OutcomesView.read(found, filter, reviews.get().orElse(null), clock.instant())));
    }

    /** Returns the answer for the conditions in a query; if a condition is invalid, the form with an error message. */
    private Answer explored(Map<String, String> query, BiFunction<RecordedOutcomes, OutcomeFilter, byte[]> view) {
        return recorded("Explore", found -> {
            OutcomeFilter filter;
            try {
                filter = OutcomeFilter.parse(
                        query, agents.get().map(Agents::reports).orElse(null));
            } catch (InvalidQueryException e) {
                String problem = String.valueOf(e.getMessage());
                return html(400, pages.html(OutcomesView.invalid(query, problem, clock.instant())));
            }
            return html(200, view.apply(found, filter));
        });
    }

    /** Sends all outcomes that meet the conditions of the view Explore as a file. */
    private void export(Request request, Exchange exchange, Format format) {
        export.run(
                exchange,
                () -> exchange.answer(orReason(
                        asked -> explored(BadRequest.query(asked, OUTCOMES), (found, filter) -> {
                            export(exchange, found, filter, format);
                            return NOTHING;
                        }),
                        request)));
    }

    private void export(Exchange exchange, RecordedOutcomes found, OutcomeFilter filter, Format format) {
        export.send(
                exchange,
                found,
                cursor -> found.outcomes(
                        filter.query().withLimit(OutcomeExport.ROWS_AT_ONCE).withCursor(cursor)),
                filter.query().id() != null,
                format,
                "outcomes-" + FILE_TIME.format(clock.instant()),
                FILE_HEADERS);
    }

    private Answer agents(Request request) {
        Map<String, String> query = BadRequest.query(request, Set.of("prefix", "shard", "order", "silent"));
        Optional<Agents> opened = agents.get();
        if (opened.isEmpty()) {
            return message(200, "Agents", "This backend is still starting.", "Reload the page in a minute.");
        }
        return html(
                200,
                pages.html(AgentsView.read(
                        opened.get().reports(),
                        query.getOrDefault("prefix", ""),
                        query.getOrDefault("shard", ""),
                        ORDERS.getOrDefault(query.getOrDefault("order", ""), Order.NAME),
                        "on".equals(query.get("silent")),
                        clock.instant())));
    }

    private Answer shards(Request request) {
        Map<String, String> query =
                BadRequest.query(request, Set.of("prefix", "text", "verdict", "regime", "cursor", "order", "change"));
        Filter wanted = new Filter(
                query.getOrDefault("prefix", ""),
                query.getOrDefault("text", ""),
                query.getOrDefault("verdict", ""),
                query.getOrDefault("regime", ""));
        boolean isByNeed = !query.containsKey("order") && !query.containsKey("cursor") && wanted.isOfPrefix();
        return recorded(found -> {
            WaitingShards waiting = reviews.get().map(WaitingShards::read).orElse(WaitingShards.NONE);
            return html(
                    200,
                    pages.html(
                            isByNeed
                                    ? ShardsView.byNeed(
                                            found,
                                            waiting,
                                            wanted,
                                            "changed".equals(query.get("change")),
                                            clock.instant())
                                    : ShardsView.read(found, waiting, wanted, query.get("cursor"), clock.instant())));
        });
    }

    /** Redirects from the address of a former view to the view Explore. */
    private Endpoint moved(String formerName, String name) {
        return view(request -> {
            Map<String, String> query =
                    BadRequest.query(request, Set.of(formerName, "clock", "from", "to", "verdict", "page"));
            String value = query.remove(formerName);
            query.put(name, value == null ? "" : value);
            return redirect(OutcomesView.path(query));
        });
    }

    private Answer certificate(Request request) {
        String id = BadRequest.query(request, Set.of("id")).getOrDefault("id", "");
        if (!RecordedOutcomes.isId(id)) {
            throw new BadRequest("id is not " + RecordedOutcomes.LEAST_ID_DIGITS + " to 64 lower-case hex digits");
        }
        return recorded(found -> {
            if (PcsId.parse(id).isEmpty()) {
                return certificate(found, id).orElseGet(() -> html(404, pages.html(new NotFound(id, true, List.of()))));
            }
            List<Version> recorded = found.withId(id, 1);
            return recorded.isEmpty()
                    ? html(404, pages.html(new NotFound(id, true, List.of())))
                    : html(
                            200,
                            pages.html(CertificateView.of(
                                    recorded.get(0),
                                    reviews.get().orElseThrow(),
                                    token,
                                    bodies.get().orElse(null),
                                    policy,
                                    clock.instant())));
        });
    }

    private Answer review(Request request) {
        return reviewPages.get(BadRequest.query(request, ReviewPages.query())).orElseGet(() -> withoutRecord("Review"));
    }

    /** Records the review in a form, and redirects to the next certificate that waits for a review. */
    private void takeReview(Request request, Exchange exchange) {
        String body = new String(request.body().exact(), StandardCharsets.UTF_8);
        serve(changes, request, exchange, ignored -> reviewPages.post(body).orElseGet(() -> withoutRecord("Review")));
    }

    /** Redirects to the view of the certificate, shard, agent or key that a text names. */
    private Answer search(Request request) {
        String text =
                BadRequest.query(request, Set.of("q")).getOrDefault("q", "").strip();
        Optional<RecordedOutcomes> found = record.get();
        if (found.isPresent() && RecordedOutcomes.isId(text)) {
            Optional<Answer> certificate = certificate(found.get(), text);
            if (certificate.isPresent()) {
                return certificate.get();
            }
        }
        if (found.isPresent() && !text.isEmpty() && found.get().hasShard(text)) {
            return redirect(OutcomesView.path(Map.of("shard", text)));
        }
        Optional<Agents> opened = agents.get();
        if (opened.isPresent() && opened.get().reports().find(text).isPresent()) {
            return redirect(PATH + "/agents?prefix=" + OutcomeQuery.encoded(text));
        }
        if (found.isPresent() && !text.isEmpty() && isKey(found.get(), text)) {
            return redirect(OutcomesView.path(Map.of("key", text)));
        }
        List<String> shards = found.isEmpty() || text.isEmpty()
                ? List.of()
                : found.get().shards(text, null, MOST_OFFERED).names();
        return html(404, pages.html(new NotFound(text, found.isPresent() && opened.isPresent(), shards)));
    }

    /** Redirects to the certificate whose id begins with these digits; empty if no id does. */
    private Optional<Answer> certificate(RecordedOutcomes found, String digits) {
        List<String> ids = found.idsThatBeginWith(digits, 2);
        return ids.isEmpty()
                ? Optional.empty()
                : Optional.of(
                        ids.size() == 1
                                ? redirect(PATH + "/certificate?id=" + ids.get(0))
                                : message(
                                        400,
                                        "Search",
                                        "Several certificates have ids that begin with " + digits + ".",
                                        "Enter more digits."));
    }

    private static boolean isKey(RecordedOutcomes found, String text) {
        return !found.outcomes(OutcomeQuery.ALL.withKey(text).withLimit(1))
                .rows()
                .isEmpty();
    }

    private static Answer redirect(String target) {
        return new Answer(302, "text/plain", new byte[0], List.of(new Header("Location", target)));
    }

    private Answer withoutRecord(String title) {
        return message(
                200,
                title,
                "This backend has no record of outcomes.",
                "It is still starting, or RECORD is off. Reload the page in a minute.");
    }

    private Answer recorded(Function<RecordedOutcomes, Answer> view) {
        return recorded("Shards", view);
    }

    private Answer recorded(String title, Function<RecordedOutcomes, Answer> view) {
        return record.get().map(view).orElseGet(() -> withoutRecord(title));
    }

    /** Returns a view, or a page that says why the view can't be shown. */
    private Answer orReason(Function<Request, Answer> view, Request request) {
        try {
            return view.apply(request);
        } catch (BadRequest | InvalidQueryException | InvalidCursorException e) {
            return invalid(e);
        } catch (RecordUnavailableException e) {
            return unreadable(String.valueOf(e.getMessage()));
        }
    }

    private Answer invalid(RuntimeException e) {
        return message(
                400,
                "Invalid address",
                "The address is not valid: " + e.getMessage() + ".",
                "Correct it, or choose a view above.");
    }

    private Answer unreadable(String why) {
        return message(
                503,
                "No answer",
                "The data for this view can't be read now: " + why + ".",
                "Certificates are not affected. Run flk backend health on its host; it names the cause.");
    }

    private Answer message(int status, String title, String sentence, String remedy) {
        return html(status, pages.html(new Message(title, sentence, remedy)));
    }

    static Answer html(int status, byte[] body) {
        return answer(status, "text/html; charset=utf-8", body);
    }

    private static Answer answer(int status, String contentType, byte[] body) {
        return new Answer(status, contentType, body, HEADERS);
    }

    @Override
    public void close() {
        thread.shutdownNow();
        views.shutdownNow();
        changes.shutdownNow();
        export.close();
    }
}
