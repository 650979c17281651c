// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.http.BackendServer.Readiness;
import dev.flk.backend.http.BackendServer.Readiness.Component;
import dev.flk.backend.http.HttpConfig.Login;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.Sha256;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import io.netty.handler.codec.http.HttpHeaderNames;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The handler of {@code /health}, {@code /readyz} and {@code /metrics}. */
final class OpsHandler {
    private static final Answer HEALTHY = Answer.text(200, "OK");
    static final Answer UNAUTHORIZED = Answer.error(
            401, "login needed", new Header("WWW-Authenticate", "Basic realm=\"metrics\", charset=\"UTF-8\""));

    private final Readiness readiness;
    private final Scrapes scrapes;
    private final MetricsGuard guard;

    OpsHandler(Readiness readiness, Scrapes scrapes, MetricsGuard guard) {
        this.readiness = readiness;
        this.scrapes = scrapes;
        this.guard = guard;
    }

    /**
     * Adds the routes {@code /readyz} and {@code /metrics}. The route {@code /health} is added separately, because the
     * public port, where agents request it, always has this route.
     */
    Routes addTo(Routes routes) {
        return routes.get("/readyz", Endpoint.always(this::readyz)).get("/metrics", Endpoint.always(this::metrics));
    }

    /** Answers 200 while the process serves; checks nothing else. */
    void health(Request request, Exchange exchange) {
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
        if (!guard.admits(request)) {
            exchange.answer(UNAUTHORIZED);
            return;
        }
        if (!exchange.reserveLesserAnswer(scrapes.usualBytes())) {
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

    /** The check of Basic authentication for the metrics, the record and the debug pages. */
    static final class MetricsGuard {
        private static final String SCHEME = "Basic ";

        /** The digest of the login; null if everyone is admitted. */
        private final byte @Nullable [] digest;

        MetricsGuard(@Nullable Login login) {
            this.digest = login == null
                    ? null
                    : Sha256.of((login.user() + ":" + login.password().text()).getBytes(StandardCharsets.UTF_8));
        }

        /** Returns whether a login is configured. */
        boolean asksForLogin() {
            return digest != null;
        }

        /**
         * Returns true if a request contains the login, or if no login is configured. Compares digests in constant
         * time, so that the duration reveals neither the login nor its length.
         */
        boolean admits(Request request) {
            if (digest == null) {
                return true;
            }
            String authorization = request.header(HttpHeaderNames.AUTHORIZATION);
            if (authorization == null || !authorization.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
                return false;
            }
            try {
                byte[] login = Base64.getDecoder()
                        .decode(authorization.substring(SCHEME.length()).strip());
                return MessageDigest.isEqual(digest, Sha256.of(login));
            } catch (IllegalArgumentException e) {
                return false;
            }
        }
    }
}
