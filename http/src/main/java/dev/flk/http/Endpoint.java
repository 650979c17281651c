// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.handler.codec.http.HttpHeaders;
import org.jspecify.annotations.Nullable;

/**
 * The target of a route.
 *
 * @param maxBodyBytes the longest body that the endpoint reads; if 0, it reads none and any body is discarded
 * @param takesPlace whether its requests count as in progress; those answered without waiting for anything do not
 */
public record Endpoint(int maxBodyBytes, boolean takesPlace, Handler handler) {
    /** The code that serves requests on the event loop of the connection; must not block. */
    @FunctionalInterface
    public interface Handler {
        /** Serves a request and answers it exactly once, now or later, on any thread. */
        void serve(Request request, Exchange exchange);
    }

    /** Returns an endpoint that reads a body. */
    public static Endpoint withBody(int maxBodyBytes, Handler handler) {
        return new Endpoint(maxBodyBytes, true, handler);
    }

    /** Returns an endpoint without a body whose answer may take some time. */
    public static Endpoint asking(Handler handler) {
        return new Endpoint(0, true, handler);
    }

    /** Returns an endpoint without a body that answers regardless of the number of requests in progress. */
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
     * A request whose body is complete.
     *
     * @param path the path without the query
     * @param query the text after the question mark; empty if the request has none
     * @param body the body; empty if the endpoint reads none. Its bytes count against the budget until the request is
     *     answered
     * @param arrivedNanos the time at which the last byte arrived, in ticks of the server
     */
    public record Request(String path, String query, HttpHeaders headers, BodyBuffer body, long arrivedNanos) {
        /** Returns the first header of this name, or null. */
        public @Nullable String header(CharSequence name) {
            return headers.get(name);
        }

        /** Returns the part of the path after the last slash. */
        public String lastSegment() {
            return path.substring(path.lastIndexOf('/') + 1);
        }
    }
}
