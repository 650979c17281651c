// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import dev.flk.backend.serve.guard.Readiness.Component;
import dev.flk.canonical.CanonicalString;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import io.netty.handler.codec.http.HttpHeaderNames;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;

/** The handler of {@code /health}, {@code /readyz} and {@code /metrics}. */
public final class OpsHandler {
    private static final Answer HEALTHY = Answer.text(200, "OK");

    private final Readiness readiness;
    private final Scrapes scrapes;
    private final OperatorGuard guard;

    public OpsHandler(Readiness readiness, Scrapes scrapes, OperatorGuard guard) {
        this.readiness = readiness;
        this.scrapes = scrapes;
        this.guard = guard;
    }

    /**
     * Adds the routes {@code /readyz} and {@code /metrics}. If there is a port for operators, the public port does not
     * have these two routes. The caller adds {@code /health}, which the public port always has, because agents request
     * it there.
     */
    public Routes addTo(Routes routes) {
        return routes.get("/readyz", Endpoint.always(this::readyz)).get("/metrics", guard.reading(this::metrics));
    }

    /** Answers 200 while the process serves; checks nothing else. */
    public void health(Request request, Exchange exchange) {
        exchange.answer(HEALTHY);
    }

    /**
     * Answers {@code {"ready":…,"components":[…]}} with one line per component; the status is 503 if the backend is not
     * ready.
     */
    private void readyz(Request request, Exchange exchange) {
        List<Component> components = readiness.components();
        boolean ready = components.stream().allMatch(each -> each.ready() || !each.isNeeded());
        String lines = components.stream().map(OpsHandler::line).collect(Collectors.joining(",\n"));
        byte[] body =
                ("{\"ready\":" + ready + ",\"components\":[\n" + lines + "\n]}\n").getBytes(StandardCharsets.US_ASCII);
        exchange.answer(ready ? Answer.json(200, body) : Answer.json(503, body, Header.retryAfter(1)));
    }

    private void metrics(Request request, Exchange exchange) {
        if (!exchange.reserveAnswer(guard.memory(), scrapes.usualBytes())) {
            exchange.answer(Refusal.overloaded());
            return;
        }
        scrapes.add(exchange, request.header(HttpHeaderNames.ACCEPT));
    }

    private static String line(Component component) {
        return "{\"name\":%s,\"ready\":%s,\"detail\":%s}"
                .formatted(
                        CanonicalString.quote(component.name()),
                        component.ready(),
                        CanonicalString.quote(component.detail()));
    }
}
