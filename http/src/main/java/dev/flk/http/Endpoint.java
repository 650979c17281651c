// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.handler.codec.http.HttpHeaders;
import org.jspecify.annotations.Nullable;

/**
 * What stands behind a route.
 *
 * @param maxBodyBytes the longest body that it reads; 0: it reads none, and whatever comes is thrown away
 * @param takesPlace whether it counts among the requests under way: what is answered without asking anybody does not
 */
public record Endpoint(int maxBodyBytes, boolean takesPlace, Handler handler) {
    /** Serves requests on the event loop of the connection; must not block. */
    @FunctionalInterface
    public interface Handler {
        /** Serves a request and, now or later, on any thread, answers it exactly once. */
        void serve(Request request, Exchange exchange);
    }

    /** An endpoint that takes a body. */
    public static Endpoint withBody(int maxBodyBytes, Handler handler) {
        return new Endpoint(maxBodyBytes, true, handler);
    }

    /** An endpoint without a body, whose answer may take a while. */
    public static Endpoint asking(Handler handler) {
        return new Endpoint(0, true, handler);
    }

    /** An endpoint without a body that is answered however much is under way. */
    public static Endpoint always(Handler handler) {
        return new Endpoint(0, false, handler);
    }

    /** An endpoint that gives the same answer to everything. */
    public static Endpoint always(Answer answer) {
        return always((request, exchange) -> exchange.answer(answer));
    }

    boolean takesBody() {
        return maxBodyBytes > 0;
    }

    /**
     * A request whose body is complete.
     *
     * @param path without the query
     * @param query what stands behind the question mark; empty if there is none
     * @param body empty where the endpoint takes none. What is held of it counts until the answer is there
     * @param arrivedNanos when its last byte had come, in ticks of the server
     */
    public record Request(String path, String query, HttpHeaders headers, BodyBuffer body, long arrivedNanos) {
        /** The first header of this name; null if there is none. */
        public @Nullable String header(CharSequence name) {
            return headers.get(name);
        }

        /** What stands behind the last slash of the path. */
        public String lastSegment() {
            return path.substring(path.lastIndexOf('/') + 1);
        }
    }
}
