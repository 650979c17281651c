// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.Answer.Header;
import dev.flk.http.Routes.Endpoint.Gate;
import dev.flk.http.ServerLoad.Bound;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A table that maps each method and path to an endpoint. Must not be modified once a server uses it.
 *
 * <p>A route has the path of a resource, or a pattern for the paths of several resources. In a pattern, {@code *} is
 * one segment of the path, and {@code **} at the end is one or more segments. An exact path comes before all patterns;
 * if several patterns fit a path, the first pattern that was added applies. Paths are compared as clients send them,
 * without decoding. If a path has routes, but none for the method of a request, the request is answered 405.
 */
public final class Routes {
    private final Map<String, Resource> exact = new HashMap<>();
    private final Map<String, Resource> patterns = new LinkedHashMap<>();
    private final Endpoint notFound;
    private int maxBodyBytes;

    /**
     * Creates a table without routes. Every path that has no route leads to {@code notFound}, whose {@link
     * Endpoint.Gate} also decides about requests with a method that their path does not have.
     */
    public Routes(Endpoint notFound) {
        this.notFound = notFound;
    }

    /** Adds a route for {@code POST} to this path. */
    public Routes post(String path, Endpoint endpoint) {
        return route(HttpMethod.POST, path, endpoint);
    }

    /** Adds a route for {@code GET} and {@code HEAD} of this path. */
    public Routes get(String path, Endpoint endpoint) {
        return route(HttpMethod.GET, path, endpoint).route(HttpMethod.HEAD, path, endpoint);
    }

    /** Adds a route for one method of this path. */
    public Routes route(HttpMethod method, String path, Endpoint endpoint) {
        Map<String, Resource> resources = path.indexOf('*') < 0 ? exact : patterns;
        resources.computeIfAbsent(path, Resource::new).add(method, endpoint);
        maxBodyBytes = Math.max(maxBodyBytes, endpoint.maxBodyBytes());
        return this;
    }

    Endpoint find(HttpMethod method, String path) {
        Resource resource = exact.get(path);
        if (resource != null) {
            return resource.endpoint(method).orElseGet(() -> methodNotAllowed(resource));
        }
        for (Resource candidate : patterns.values()) {
            if (candidate.matches(path)) {
                return candidate.endpoint(method).orElseGet(() -> methodNotAllowed(candidate));
            }
        }
        return notFound;
    }

    private Endpoint methodNotAllowed(Resource resource) {
        Endpoint answering = Endpoint.always(Refusal.methodNotAllowed(resource.allow()));
        Gate gate = notFound.gate();
        return gate == null ? answering : answering.behind(gate);
    }

    /** Returns the largest {@link Endpoint#maxBodyBytes} of the endpoints. */
    int maxBodyBytes() {
        return maxBodyBytes;
    }

    /** Returns the path of a request target, which may be an absolute URI and may have a query. */
    static String path(String target) {
        int query = target.indexOf('?');
        String uri = query < 0 ? target : target.substring(0, query);
        int authority = uri.startsWith("/") ? -1 : uri.indexOf("://");
        if (authority < 0) {
            return uri;
        }
        int start = uri.indexOf('/', authority + 3);
        return start < 0 ? "/" : uri.substring(start);
    }

    /** Returns the text after the question mark of a request target; empty if the target has none. */
    static String query(String target) {
        int query = target.indexOf('?');
        return query < 0 ? "" : target.substring(query + 1);
    }

    /** The endpoints of the paths that match one pattern, by method. */
    private static final class Resource {
        private final Predicate<String> matcher;
        private final Map<HttpMethod, Endpoint> endpoints = new LinkedHashMap<>();

        Resource(String pattern) {
            String regex = "(?s)\\Q" + pattern.replace("**", "\\E.+\\Q").replace("*", "\\E[^/]+\\Q") + "\\E";
            matcher = Pattern.compile(regex).asMatchPredicate();
        }

        void add(HttpMethod method, Endpoint endpoint) {
            endpoints.put(method, endpoint);
        }

        boolean matches(String path) {
            return matcher.test(path);
        }

        Optional<Endpoint> endpoint(HttpMethod method) {
            return Optional.ofNullable(endpoints.get(method));
        }

        String allow() {
            return endpoints.keySet().stream().map(HttpMethod::name).collect(Collectors.joining(", "));
        }
    }

    /**
     * The target of a route.
     *
     * @param maxBodyBytes the maximum length of a body in bytes; 0 if the endpoint reads no body, in which case any
     *     body is discarded
     * @param takesPlace whether requests to the endpoint count as in progress; false if the endpoint answers them
     *     without waiting for anything
     * @param checksDigest whether the body of a request must have the SHA-256 in {@code Content-Digest}, if the request
     *     has this header. Answers to such a request that refuse the body for good then have a {@link BodyMark}
     * @param refusals the events that count requests which are refused before the endpoint gets them: those with a body
     *     that is too long or too slow, and those for which there are too few resources. Null for the server's events
     * @param gate the rule that decides which requests are served; null if all are
     * @param bodyBudget the bound on the bytes of bodies; null for the bound that all other endpoints share
     * @param headers the headers that every answer of the endpoint gets besides its own, also an early refusal; called
     *     for each answer on its event loop
     */
    public record Endpoint(
            int maxBodyBytes,
            boolean takesPlace,
            boolean checksDigest,
            Handler handler,
            @Nullable HttpEvents refusals,
            @Nullable Gate gate,
            @Nullable Bound bodyBudget,
            Supplier<List<Header>> headers) {
        private static final Supplier<List<Header>> NO_HEADERS = List::of;

        /** The code that serves requests on the event loop of the connection; must not block. */
        @FunctionalInterface
        public interface Handler {
            /** Serves a request. The request must be answered exactly once, now or later, on any thread. */
            void serve(Request request, Exchange exchange);
        }

        /**
         * A rule that decides from the head of a request, such as its credentials, whether the request is served. The
         * rule applies before the request takes memory or a place, and replaces {@link
         * Admission.Visitor#beforeReading}.
         */
        @FunctionalInterface
        public interface Gate {
            /**
             * Returns the refusal of a request, whose body is then discarded; empty if the request is served. Called on
             * the event loop; must not block.
             *
             * @param head the request with an empty body
             */
            Optional<Refused> refusal(Request head, Exchange exchange);

            /**
             * The refusal of a request.
             *
             * @param delay the time to wait before the answer is sent and the next request of the connection is read
             */
            record Refused(Answer answer, Duration delay) {}
        }

        /** Returns an endpoint that reads a body. */
        public static Endpoint withBody(int maxBodyBytes, Handler handler) {
            return new Endpoint(maxBodyBytes, true, false, handler, null, null, null, NO_HEADERS);
        }

        /** Returns an endpoint that reads a body, and whose early refusals are passed to {@code refusals}. */
        public static Endpoint withBody(int maxBodyBytes, Handler handler, HttpEvents refusals) {
            return new Endpoint(maxBodyBytes, true, false, handler, refusals, null, null, NO_HEADERS);
        }

        /**
         * Returns an endpoint that reads a body and checks its {@code Content-Digest}. Each answer with status 400, 401
         * or 413 must be a JSON object with at least one member.
         */
        public static Endpoint withDigest(int maxBodyBytes, Handler handler) {
            return new Endpoint(maxBodyBytes, true, true, handler, null, null, null, NO_HEADERS);
        }

        /**
         * Returns an endpoint that reads no body and may need time to answer. Requests to this endpoint count as in
         * progress.
         */
        public static Endpoint asking(Handler handler) {
            return new Endpoint(0, true, false, handler, null, null, null, NO_HEADERS);
        }

        /** Returns an endpoint that reads no body and answers regardless of the number of requests in progress. */
        public static Endpoint always(Handler handler) {
            return new Endpoint(0, false, false, handler, null, null, null, NO_HEADERS);
        }

        /** Returns an endpoint that gives the same answer to every request. */
        public static Endpoint always(Answer answer) {
            return always((request, exchange) -> exchange.answer(answer));
        }

        /** Returns this endpoint with a rule that decides which requests are served. */
        public Endpoint behind(Gate rule) {
            return new Endpoint(maxBodyBytes, takesPlace, checksDigest, handler, refusals, rule, bodyBudget, headers);
        }

        /**
         * Returns this endpoint with a rule that decides which requests are served, and with resources that only
         * requests of this kind use: their bodies count against {@code bodies}, and the requests do not count as in
         * progress.
         */
        public Endpoint behind(Gate rule, Bound bodies) {
            return new Endpoint(maxBodyBytes, false, checksDigest, handler, refusals, rule, bodies, headers);
        }

        /** Returns this endpoint with headers that every answer gets besides its own. */
        public Endpoint withHeaders(Supplier<List<Header>> added) {
            return new Endpoint(maxBodyBytes, takesPlace, checksDigest, handler, refusals, gate, bodyBudget, added);
        }

        boolean takesBody() {
            return maxBodyBytes > 0;
        }

        /**
         * A request that is ready to be served.
         *
         * @param target the target exactly as the client sent it; not decoded, and possibly an absolute URI
         * @param body the body; empty if the endpoint reads no body. The bytes of the body count against the budget
         *     until the request is answered
         * @param arrivedNanos the time at which the request was passed to its endpoint, after any pause in reading, in
         *     nanoseconds of the server's ticker
         */
        public record Request(
                HttpMethod method, String target, HttpHeaders headers, BodyBuffer body, long arrivedNanos) {
            /** Returns the path without the query; not decoded. */
            public String path() {
                return Routes.path(target);
            }

            /** Returns the text after the question mark; empty if the request has none. Not decoded. */
            public String query() {
                return Routes.query(target);
            }

            /** Returns the value of the first header with this name; null if the request has no such header. */
            public @Nullable String header(CharSequence name) {
                return headers.get(name);
            }

            /** Returns the part of the path after the last slash. */
            public String lastSegment() {
                String path = path();
                return path.substring(path.lastIndexOf('/') + 1);
            }
        }
    }
}
