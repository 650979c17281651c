// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.serve;

import dev.flk.backend.serve.guard.BadRequest;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.config.Quantities;
import dev.flk.program.time.DaemonThreads;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.server.serve.StateView.Place;
import gg.jte.ContentType;
import gg.jte.TemplateEngine;
import gg.jte.output.Utf8ByteOutput;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** The handler of the page for operators: {@code /ui/state}, to which {@code /} and {@code /ui} redirect. Read-only. */
public final class StatePage implements AutoCloseable {
    private static final String PATH = "/ui/state";
    private static final long MAX_ANSWER_BYTES = 1 << 20;
    private static final int THREADS = 2;
    private static final int MAX_WAITING = 32;
    private static final List<Header> HEADERS = List.of(
            new Header(
                    "Content-Security-Policy",
                    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"),
            new Header("X-Content-Type-Options", "nosniff"),
            new Header("Referrer-Policy", "same-origin"),
            new Header("Cache-Control", "no-store"));

    private final Supplier<Optional<StateEngine>> state;
    private final OperatorGuard guard;
    private final InstantSource clock;
    private final TemplateEngine engine = TemplateEngine.createPrecompiled(ContentType.Html);
    /** The threads that read and render views, which may take seconds. */
    private final ThreadPoolExecutor views = DaemonThreads.pool("page", THREADS, MAX_WAITING);

    /** A view that shows only a message, and what to do about it. */
    public record Message(String title, String sentence, String remedy) {}

    /** @param state returns the state; empty if it is off or not open yet */
    StatePage(Supplier<Optional<StateEngine>> state, OperatorGuard guard, InstantSource clock) {
        this.state = state;
        this.guard = guard;
        this.clock = clock;
        engine.setBinaryStaticContent(false);
    }

    Routes addTo(Routes routes) {
        Answer moved = new Answer(302, "text/plain", new byte[0], List.of(new Header("Location", PATH)));
        Answer style = new Answer(200, "text/css; charset=utf-8", stylesheet(), HEADERS);
        return routes.get("/", Endpoint.always(moved))
                .get("/ui", Endpoint.always(moved))
                .get(PATH, guard.page(this::serve, this::page))
                .get("/ui/page.css", Endpoint.always(style));
    }

    private static byte[] stylesheet() {
        try (InputStream in = StatePage.class.getResourceAsStream("/dev/flk/program/page/page.css")) {
            if (in == null) {
                throw new IllegalStateException("page.css is missing in this build");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void serve(Request request, Exchange exchange) {
        if (!exchange.reserveAnswer(guard.memory(), MAX_ANSWER_BYTES)) {
            exchange.answer(Refusal.overloaded());
            return;
        }
        try {
            views.execute(() -> exchange.safely(() -> exchange.answer(view(request))));
        } catch (RejectedExecutionException e) {
            exchange.answer(Refusal.overloaded());
        }
    }

    private Answer view(Request request) {
        Optional<StateEngine> opened = state.get();
        if (opened.isEmpty()) {
            return message(
                    200,
                    "No state",
                    "This program serves no state now.",
                    "It is still starting, or STATE_PORT is off. Reload the page in a minute.");
        }
        try {
            return html(200, "state", StateView.read(opened.get(), place(request), clock.instant()));
        } catch (BadRequest e) {
            return invalid(e.text());
        } catch (StateException e) {
            return e.reason() == Reason.INVALID
                    ? invalid(e.getMessage())
                    : message(
                            503,
                            "No answer",
                            "The state can't be read now: " + e.getMessage() + ".",
                            "Run flk state health on its host; it names the cause.");
        }
    }

    private static Place place(Request request) {
        Map<String, String> query =
                BadRequest.query(request, Set.of("namespace", "agent", "key", "version", "events", "after"));
        return new Place(
                query.getOrDefault("namespace", ""),
                query.getOrDefault("agent", ""),
                query.getOrDefault("key", ""),
                BadRequest.parsed(
                        "version", query.getOrDefault("version", "0"), Quantities.count(0, Long.MAX_VALUE - 1)),
                query.containsKey("events"),
                query.get("after"));
    }

    private Answer invalid(String why) {
        return message(
                400, "Invalid address", "The address is not valid: " + why + ".", "Correct it, or begin at /ui.");
    }

    /** Converts a refusal in JSON to a page. */
    private Answer page(Answer refusal) {
        Answer page = refusal.status() == 403
                ? message(
                        403,
                        "Access denied",
                        "Either a page of another site sent this request, or METRICS_USER is not set.",
                        "Open the page at localhost on its host, or set METRICS_USER and METRICS_PASS.")
                : message(
                        refusal.status(),
                        "Login required",
                        "This page is for operators.",
                        "Reload the page, and log in with METRICS_USER and METRICS_PASS.");
        return new Answer(
                page.status(),
                page.contentType(),
                page.body(),
                Stream.concat(page.headers().stream(), refusal.headers().stream())
                        .toList());
    }

    private Answer message(int status, String title, String sentence, String remedy) {
        return html(status, "message", new Message(title, sentence, remedy));
    }

    private Answer html(int status, String template, Object view) {
        Utf8ByteOutput output = new Utf8ByteOutput();
        engine.render("stateui/" + template + ".jte", Map.of("view", view), output);
        return new Answer(status, "text/html; charset=utf-8", output.toByteArray(), HEADERS);
    }

    /** Returns a time to the second. */
    public static String time(Instant at) {
        return at.truncatedTo(ChronoUnit.SECONDS).toString().replace("T", " ").replace("Z", " UTC");
    }

    @Override
    public void close() {
        views.shutdownNow();
    }
}
