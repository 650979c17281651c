// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import org.jspecify.annotations.Nullable;

/** What stands behind a route. Called on the event loop of the connection; must not block. */
interface Endpoint {
    /** What it is that an endpoint serves, which says what it may take when the server is loaded. */
    enum Kind {
        SUBMISSION,
        LOOK_UP,
        /** What is answered without asking anybody. */
        OTHER
    }

    Kind kind();

    /** The longest body that it reads; 0: it reads none, and whatever comes is thrown away. */
    int maxBodyBytes();

    /** Serves a request and, now or later, on any thread, answers it exactly once. */
    void serve(Request request, Exchange exchange);

    /** An endpoint that reads no body. */
    static Endpoint bodyless(Kind kind, Bodyless endpoint) {
        return new Endpoint() {
            @Override
            public Kind kind() {
                return kind;
            }

            @Override
            public int maxBodyBytes() {
                return 0;
            }

            @Override
            public void serve(Request request, Exchange exchange) {
                endpoint.serve(request, exchange);
            }
        };
    }

    /** An endpoint that gives the same answer to everything. */
    static Endpoint always(Answer answer) {
        return bodyless(Kind.OTHER, (request, exchange) -> exchange.answer(answer));
    }

    /** As {@link Endpoint#serve}. */
    interface Bodyless {
        void serve(Request request, Exchange exchange);
    }

    /**
     * A request whose body is complete.
     *
     * @param path without the query
     * @param query what stands behind the question mark
     * @param body empty where the endpoint takes none. What is held of it counts until the answer is there
     * @param arrivedNanos when its last byte had come, in ticks of the server
     */
    record Request(
            String path,
            String query,
            BodyBuffer body,
            @Nullable String accept,
            @Nullable String authorization,
            long arrivedNanos) {}
}
