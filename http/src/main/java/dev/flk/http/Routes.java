// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A table that maps each method and path to an endpoint. Must not be modified once a server uses it. */
public final class Routes {
    private static final Endpoint POST_ONLY = Endpoint.always(Refusal.methodNotAllowed("POST"));
    private static final Endpoint GET_ONLY = Endpoint.always(Refusal.methodNotAllowed("GET, HEAD"));

    private final Map<String, Endpoint> posts = new HashMap<>();
    private final Map<String, Endpoint> gets = new HashMap<>();
    private final Map<String, Endpoint> getsBelow = new HashMap<>();
    private final Map<String, Endpoint> getsBetween = new HashMap<>();
    private final Endpoint notFound;
    private int maxBodyBytes;

    /** Creates a table without routes. Every path that has no route leads to {@code notFound}. */
    public Routes(Endpoint notFound) {
        this.notFound = notFound;
    }

    /** Adds a route for {@code POST} to this path. */
    public Routes post(String path, Endpoint endpoint) {
        posts.put(path, endpoint);
        maxBodyBytes = Math.max(maxBodyBytes, endpoint.maxBodyBytes());
        return this;
    }

    /** Adds a route for {@code GET} and {@code HEAD} of this path. */
    public Routes get(String path, Endpoint endpoint) {
        gets.put(path, endpoint);
        return this;
    }

    /** Adds a route for {@code GET} and {@code HEAD} of each direct child of this path that has no route of its own. */
    public Routes getBelow(String path, Endpoint endpoint) {
        getsBelow.put(path, endpoint);
        return this;
    }

    /**
     * Adds a route for {@code GET} and {@code HEAD} of each path <code>path/<i>child</i>/below</code>, for any child.
     */
    public Routes getBetween(String path, String below, Endpoint endpoint) {
        getsBetween.put(path + "/" + below, endpoint);
        return this;
    }

    Endpoint find(HttpMethod method, String path) {
        Endpoint post = posts.get(path);
        if (post != null) {
            return method.equals(HttpMethod.POST) ? post : POST_ONLY;
        }
        Endpoint get = gets.get(path);
        int slash = path.lastIndexOf('/');
        if (get == null && slash > 0 && slash < path.length() - 1) {
            get = getsBelow.get(path.substring(0, slash));
            int before = path.lastIndexOf('/', slash - 1);
            if (get == null && before > 0 && before < slash - 1) {
                get = getsBetween.get(path.substring(0, before) + path.substring(slash));
            }
        }
        if (get == null) {
            return notFound;
        }
        return method.equals(HttpMethod.GET) || method.equals(HttpMethod.HEAD) ? get : GET_ONLY;
    }

    /** Returns the largest {@link Endpoint#maxBodyBytes} of the endpoints. */
    int maxBodyBytes() {
        return maxBodyBytes;
    }

    /** Returns the path of a request target, which may be an absolute URI and may have a query. */
    static String path(String target) {
        int start = 0;
        if (!target.startsWith("/")) {
            int authority = target.indexOf("://");
            start = authority < 0 ? 0 : target.indexOf('/', authority + 3);
        }
        int query = target.indexOf('?');
        return start < 0 ? "/" : target.substring(start, query < start ? target.length() : query);
    }

    /** Returns the text after the question mark of a request target; empty if the target has none. */
    static String query(String target) {
        int query = target.indexOf('?');
        return query < 0 ? "" : target.substring(query + 1);
    }

    /**
     * The target of a route.
     *
     * @param maxBodyBytes the maximum length of a body in bytes; 0 if the endpoint reads no body, in which case any
     *     body is discarded
     * @param takesPlace whether requests to the endpoint count as in progress; false if the endpoint answers them
     *     without waiting for anything
     */
    public record Endpoint(int maxBodyBytes, boolean takesPlace, Handler handler) {
        /** The code that serves requests on the event loop of the connection; must not block. */
        @FunctionalInterface
        public interface Handler {
            /** Serves a request. The request must be answered exactly once, now or later, on any thread. */
            void serve(Request request, Exchange exchange);
        }

        /** Returns an endpoint that reads a body. */
        public static Endpoint withBody(int maxBodyBytes, Handler handler) {
            return new Endpoint(maxBodyBytes, true, handler);
        }

        /**
         * Returns an endpoint that reads no body and may need time to answer. Requests to this endpoint count as in
         * progress.
         */
        public static Endpoint asking(Handler handler) {
            return new Endpoint(0, true, handler);
        }

        /** Returns an endpoint that reads no body and answers regardless of the number of requests in progress. */
        public static Endpoint always(Handler handler) {
            return new Endpoint(0, false, handler);
        }

        /** Returns an endpoint that gives the same answer to every request. */
        public static Endpoint always(Answer answer) {
            return always((request, exchange) -> exchange.answer(answer));
        }

        boolean takesBody() {
            return maxBodyBytes > 0;
        }

        /**
         * A request that is ready to be served.
         *
         * @param path the path without the query
         * @param query the text after the question mark; empty if the request has none
         * @param body the body; empty if the endpoint reads no body. The bytes of the body count against the budget
         *     until the request is answered
         * @param arrivedNanos the time at which the last byte of the request arrived, in nanoseconds of the server's
         *     ticker
         */
        public record Request(String path, String query, HttpHeaders headers, BodyBuffer body, long arrivedNanos) {
            /** Returns the value of the first header with this name; null if the request has no such header. */
            public @Nullable String header(CharSequence name) {
                return headers.get(name);
            }

            /** Returns the part of the path after the last slash. */
            public String lastSegment() {
                return path.substring(path.lastIndexOf('/') + 1);
            }
        }
    }
}
