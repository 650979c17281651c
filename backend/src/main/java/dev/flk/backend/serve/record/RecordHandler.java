// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.record;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.flk.backend.outcomes.record.ChangedShards;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.InvalidQueryException;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Shards;
import dev.flk.backend.outcomes.record.ShardChange;
import dev.flk.backend.outcomes.record.ShardChange.State;
import dev.flk.backend.serve.guard.BadRequest;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.backend.serve.guard.Starting;
import dev.flk.certificate.PcsId;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.cli.Printable;
import dev.flk.program.time.DaemonThreads;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The handler of {@code /v1/shards}, {@code /v1/shards/SHARD/outcomes} and {@code /v1/outcomes}, which require the
 * operators' login. It serves the record as NDJSON in parts; a header contains the cursor of the next part. Outcomes are
 * also served as CSV, in longer parts, if the client asks for it. Reads take time, so they run on separate threads.
 */
public final class RecordHandler implements AutoCloseable {
    /** The header with the cursor of the next part; missing from the last part. */
    static final String CURSOR = "X-Flk-Cursor";

    /** The header that says whether an answer covers {@code all-backends} or {@code this-backend}. */
    static final String COVERS = "X-Flk-Covers";

    /** The header with the time before which outcomes may still be missing; missing if none are expected. */
    static final String INCOMPLETE_BEFORE = "X-Flk-Incomplete-Before";

    /** The header that names what is missing for good; once for each gap. */
    static final String GAP = "X-Flk-Gap";

    /** The header with the number of shards whose shape changed. */
    private static final String CHANGED = "X-Flk-Changed";

    /** The header with the number of shards with an outcome that was not compared with the earlier ones yet. */
    private static final String NOT_LOOKED_AT = "X-Flk-Not-Looked-At";

    private static final String SHARDS = "/v1/shards";
    private static final String OUTCOMES = "outcomes";
    private static final String ACROSS_SHARDS = "/v1/outcomes";
    static final String NDJSON = "application/x-ndjson";
    private static final int USUAL_LIMIT = 100;
    private static final int THREADS = 2;
    private static final int MAX_WAITING = 64;
    static final long MAX_ANSWER_BYTES = 4 << 20;
    /** The memory for the answer to a review, which has at most 1,000 ids. */
    private static final long CHANGE_ANSWER_BYTES = 128 << 10;

    private static final Set<String> OF_SHARDS = Set.of("prefix", "change", "limit", "cursor");
    private static final List<String> CONDITIONS =
            List.of("from", "to", "measured_from", "measured_to", "verdict", "regime", "reason", "key");
    private static final Set<String> OF_OUTCOMES = withConditions("id", "order", "reviews", "limit", "cursor");
    private static final Set<String> SWITCH = Set.of("true", "false");

    private final Supplier<Optional<RecordedOutcomes>> record;
    private final Starting starting;
    private final OperatorGuard guard;
    private final ThreadPoolExecutor threads = DaemonThreads.pool("record-requests", THREADS, MAX_WAITING);
    /** The thread that records reviews: a review that waits for the log must not delay reads. */
    private final ThreadPoolExecutor changes = DaemonThreads.pool("review-requests", 1, MAX_WAITING);

    /** A query for something that does not exist; the message is sent to the client. */
    private static final class NotFound extends RuntimeException {
        private static final long serialVersionUID = 1;

        private final boolean mayFollow;

        /** @param mayFollow whether it may still be added to the record */
        NotFound(String message, boolean mayFollow) {
            super(message, null, false, false);
            this.mayFollow = mayFollow;
        }
    }

    /** Returns the names of the conditions for outcomes, and more names. */
    static Set<String> withConditions(String... more) {
        return Stream.concat(CONDITIONS.stream(), Stream.of(more)).collect(Collectors.toUnmodifiableSet());
    }

    /**
     * @param record a supplier of the record of outcomes; the supplier returns empty if this backend keeps no record or
     *     has not opened the record yet
     */
    public RecordHandler(Supplier<Optional<RecordedOutcomes>> record, Starting starting, OperatorGuard guard) {
        this.record = record;
        this.starting = starting;
        this.guard = guard;
    }

    public Routes addTo(Routes routes) {
        return routes.get(SHARDS, guard.reading(this::shards))
                .get(SHARDS + "/*/" + OUTCOMES, guard.reading(this::outcomes))
                .get(ACROSS_SHARDS, guard.reading(this::outcomes));
    }

    private void shards(Request request, Exchange exchange) {
        answer(exchange, MAX_ANSWER_BYTES, found -> {
            Map<String, String> query = BadRequest.query(request, OF_SHARDS);
            String prefix = query.getOrDefault("prefix", "");
            Shards shards = oneOf(query, "change", List.of(State.CHANGED.label())) == null
                    ? found.shards(prefix, cursor(query), limit(query))
                    : found.changedShards(prefix, cursor(query), limit(query));
            ChangedShards changes = found.changes();
            List<String> lines = shards.names().stream()
                    .map(shard -> line(shard, changes.of(shard)))
                    .toList();
            return new Body(
                    NDJSON,
                    bytes(lines),
                    shards.cursor(),
                    List.of(
                            new Header(CHANGED, Integer.toString(changes.size())),
                            new Header(NOT_LOOKED_AT, Integer.toString(changes.notLookedAt()))));
        });
    }

    private static String line(String shard, ShardChange change) {
        ObjectNode line = JsonNodeFactory.instance.objectNode().put("shard_id", shard);
        ObjectNode node = line.putObject("change").put("state", change.state().label());
        if (change.measure() != null) {
            node.put("measure", change.measure().label())
                    .put("distance", change.distance())
                    .put("from", change.from())
                    .put("to", change.to())
                    .put("at", change.at().toString());
        }
        return line.toString();
    }

    /** Answers with outcomes of the shard in the path, or of all shards if the path has none. */
    private void outcomes(Request request, Exchange exchange) {
        boolean isCsv = CsvOutcomes.areWanted(request.header("Accept"));
        boolean mayBeLong = isCsv || request.query().contains("reviews");
        answer(exchange, mayBeLong ? CsvOutcomes.MAX_BYTES : MAX_ANSWER_BYTES, found -> {
            String path = request.path();
            String name = path.equals(ACROSS_SHARDS)
                    ? null
                    : BadRequest.decodedPath(
                            path.substring(SHARDS.length() + 1, path.length() - OUTCOMES.length() - 1));
            Map<String, String> query = BadRequest.query(request, OF_OUTCOMES);
            boolean hasReviews = "true".equals(oneOf(query, "reviews", SWITCH));
            if (query.remove("reviews") != null && isCsv) {
                throw new BadRequest("reviews is for NDJSON; leave it out to get CSV");
            }
            int limit = isCsv ? limit(query, CsvOutcomes.MAX_LIMIT, CsvOutcomes.MAX_LIMIT) : limit(query);
            OutcomeQuery wanted = wanted(query, name).withLimit(limit).withCursor(cursor(query));
            if (isCsv) {
                return CsvOutcomes.read(part -> outcomes(found, part), wanted);
            }
            Rows part = outcomes(found, wanted);
            List<String> lines = hasReviews
                    ? found.linesWithReviews(part.rows())
                    : part.rows().stream().map(RecordedOutcomes::line).toList();
            return new Body(NDJSON, bytes(lines), part.cursor());
        });
    }

    private static Rows outcomes(RecordedOutcomes found, OutcomeQuery wanted) {
        boolean mayLack = found.mayLack();
        if (wanted.id() != null) {
            return new Rows(found.withId(wanted.id(), USUAL_LIMIT), null, null);
        }
        Rows part = found.outcomes(wanted);
        if (part.rows().isEmpty() && !wanted.shards().stream().allMatch(found::hasShard)) {
            throw new NotFound("no outcome of this shard is recorded; /v1/shards lists the shards", mayLack);
        }
        return part;
    }

    /** Returns the query for outcomes of a shard, or of all shards, that meet the conditions in the query of a URL. */
    private static OutcomeQuery wanted(Map<String, String> query, @Nullable String shard) {
        if (query.containsKey("id") && (shard != null || query.size() > 1)) {
            String others = query.keySet().stream()
                    .filter(name -> !name.equals("id"))
                    .sorted()
                    .collect(Collectors.joining(", "));
            throw new BadRequest("id can't be combined with other conditions; leave out "
                    + (others.isEmpty() ? "the shard" : others));
        }
        if (shard != null) {
            query.put("shard", shard);
        }
        return OutcomeQuery.parse(query);
    }

    /** Adds the route that looks up an outcome by its id or by the beginning of its id. */
    public Routes addLookUp(Routes routes, LookUp lookUp) {
        Endpoint endpoint = Endpoint.always((request, exchange) -> {
            String id = request.lastSegment();
            if (isIdPrefix(id)) {
                ask(exchange, MAX_ANSWER_BYTES, found -> lookUp(found, id, lookUp, exchange));
            } else if (exchange.takePlace()) {
                lookUp.answer(id, false, exchange);
            } else {
                exchange.answer(Refusal.overloaded());
            }
        });
        return routes.get(
                "/v1/pcs/*",
                endpoint.behind((head, exchange) -> isIdPrefix(head.lastSegment())
                        ? guard.refusal(head, exchange)
                        : OperatorGuard.refusalOfForeignSite(head.headers())));
    }

    /** Returns whether a text is the beginning of an id, which only operators may look up. */
    private static boolean isIdPrefix(String text) {
        return RecordedOutcomes.isId(text) && PcsId.parse(text).isEmpty();
    }

    /** A function that looks up the outcome of a certificate by its id, and answers the exchange. */
    public interface LookUp {
        void answer(String pcsId, boolean isOperator, Exchange exchange);
    }

    private static void lookUp(RecordedOutcomes found, String prefix, LookUp lookUp, Exchange exchange) {
        boolean mayLack = found.mayLack();
        List<String> ids = found.idsThatBeginWith(prefix, 2);
        if (ids.size() == 1) {
            lookUp.answer(ids.get(0), true, exchange);
        } else {
            exchange.answer(
                    ids.isEmpty()
                            ? missing(mayLack, "no outcome recorded")
                            : Answer.error(400, "several ids begin with these digits; give more of them"));
        }
    }

    /**
     * The body of an answer.
     *
     * @param cursor the place after which the next part begins; null if nothing follows
     * @param headers more headers of the answer
     */
    record Body(String contentType, byte[] bytes, @Nullable String cursor, List<Header> headers) {
        Body(String contentType, byte[] bytes, @Nullable String cursor) {
            this(contentType, bytes, cursor, List.of());
        }
    }

    private void answer(Exchange exchange, long answerBytes, Function<RecordedOutcomes, Body> asked) {
        ask(exchange, answerBytes, found -> exchange.answer(answer(found, asked.apply(found))));
    }

    /**
     * Runs {@code question}, which answers the exchange, on another thread. Answers with an error instead if the
     * backend is starting or has no record, or operators have too many requests in progress.
     */
    private void ask(Exchange exchange, long answerBytes, Consumer<RecordedOutcomes> question) {
        open(exchange, record)
                .ifPresent(found ->
                        run(exchange, answerBytes, () -> answering(exchange, () -> question.accept(found))));
    }

    /** Returns what is open; if the backend is starting or has no record, answers so and returns empty. */
    <T> Optional<T> open(Exchange exchange, Supplier<Optional<T>> opened) {
        if (starting.refuses(exchange)) {
            return Optional.empty();
        }
        Optional<T> found = opened.get();
        if (found.isEmpty()) {
            exchange.answer(Answer.error(404, "this backend keeps no record of outcomes because RECORD is off"));
        }
        return found;
    }

    /**
     * Runs {@code work}, which answers the exchange, on another thread. If no thread or memory is free, answers that
     * the server is overloaded.
     */
    void run(Exchange exchange, Runnable work) {
        run(exchange, MAX_ANSWER_BYTES, work);
    }

    /** Does the same on a thread that reads do not wait for, with less memory, because it may be occupied for long. */
    void runChange(Exchange exchange, Runnable work) {
        run(changes, exchange, CHANGE_ANSWER_BYTES, work);
    }

    /** @param answerBytes the memory to reserve for the answer */
    void run(Exchange exchange, long answerBytes, Runnable work) {
        run(threads, exchange, answerBytes, work);
    }

    private void run(Executor on, Exchange exchange, long answerBytes, Runnable work) {
        if (!exchange.reserveAnswer(guard.memory(), answerBytes)) {
            exchange.answer(Refusal.overloaded());
            return;
        }
        try {
            on.execute(() -> exchange.safely(work));
        } catch (RejectedExecutionException e) {
            exchange.answer(Refusal.overloaded());
        }
    }

    private static Answer answer(RecordedOutcomes found, Body body) {
        List<Header> headers = extent(found);
        headers.addAll(body.headers());
        String next = body.cursor();
        if (next != null) {
            headers.add(cursorHeader(next));
        }
        return new Answer(200, body.contentType(), body.bytes(), headers);
    }

    /** Work that answers an exchange. */
    interface Work {
        void run() throws ChangesLostException;
    }

    /** Runs {@code work}, which answers the exchange; if it fails, answers with the reason. */
    static void answering(Exchange exchange, Work work) {
        try {
            work.run();
        } catch (BadRequest | InvalidQueryException | InvalidCursorException e) {
            exchange.answer(Answer.error(400, String.valueOf(e.getMessage())));
        } catch (NotFound e) {
            exchange.answer(missing(e.mayFollow, String.valueOf(e.getMessage())));
        } catch (ChangesLostException e) {
            exchange.answer(Answer.error(410, String.valueOf(e.getMessage())));
        } catch (RecordUnavailableException e) {
            exchange.answer(Answer.error(503, "the record can't be read now: " + e.getMessage(), Header.retryAfter(1)));
        }
    }

    /** Returns whether an outcome that is not found may still be added; to be asked before it is looked for. */
    boolean mayLack() {
        return record.get().map(RecordedOutcomes::mayLack).orElse(false);
    }

    /** Returns the answer that something is not in the record. */
    static Answer missing(boolean mayLack, String error) {
        return mayLack
                ? Answer.error(
                        503,
                        error + ", but the record of outcomes is still being read from the log",
                        Header.retryAfter(1))
                : Answer.error(404, error);
    }

    /** Returns the headers that say what the record has, and what is missing from it. */
    static List<Header> extent(RecordedOutcomes record) {
        List<Header> headers = new ArrayList<>();
        headers.add(new Header(COVERS, record.coversAllBackends() ? "all-backends" : "this-backend"));
        record.incompleteBefore().ifPresent(time -> headers.add(new Header(INCOMPLETE_BEFORE, time.toString())));
        record.gaps().forEach(gap -> headers.add(new Header(GAP, gap)));
        return headers;
    }

    static Header cursorHeader(String next) {
        return new Header(
                CURSOR, Base64.getUrlEncoder().withoutPadding().encodeToString(next.getBytes(StandardCharsets.UTF_8)));
    }

    /** Returns an answer with one JSON object per line. */
    static Answer lines(List<String> lines, List<Header> headers) {
        return new Answer(200, NDJSON, bytes(lines), headers);
    }

    private static byte[] bytes(List<String> lines) {
        StringBuilder text = new StringBuilder();
        lines.forEach(line -> text.append(Printable.json(line)).append('\n')); // people print answers with curl
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    static @Nullable String oneOf(Map<String, String> query, String name, Collection<String> values) {
        String text = query.get(name);
        if (text != null && !values.contains(text)) {
            throw new BadRequest(name + " is not one of "
                    + String.join(", ", values.stream().sorted().toList()));
        }
        return text;
    }

    static int limit(Map<String, String> query) {
        return limit(query, USUAL_LIMIT, RecordedOutcomes.MAX_LIMIT);
    }

    private static int limit(Map<String, String> query, int usual, int most) {
        String text = query.getOrDefault("limit", Integer.toString(usual));
        if (!text.matches("[1-9][0-9]{0,4}") || Integer.parseInt(text) > most) {
            throw new BadRequest("limit is not a whole number from 1 to " + most);
        }
        return Integer.parseInt(text);
    }

    static @Nullable String cursor(Map<String, String> query) {
        String text = query.get("cursor");
        try {
            return text == null ? null : new String(Base64.getUrlDecoder().decode(text), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new BadRequest("cursor was not returned in an answer's " + CURSOR);
        }
    }

    @Override
    public void close() {
        threads.shutdown();
        changes.shutdown();
    }
}
