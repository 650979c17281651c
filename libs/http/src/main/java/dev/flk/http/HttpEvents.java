// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.tls.TlsFailures.TlsFailure;

/** The events that a server counts. The methods are called from any thread and must not block. */
public interface HttpEvents {
    /** An implementation that ignores all events. */
    HttpEvents NONE = new HttpEvents() {};

    /** Records that an answer was written to its connection. */
    default void answered(int status) {}

    /**
     * Records that a connection was closed because the server has its maximum number of connections: a new connection,
     * or an older one that may be replaced.
     */
    default void connectionRefused() {}

    /** Records that connections could not be accepted, usually because too many files are open. */
    default void acceptFailed() {}

    /**
     * Records that a connection is closed because its client was slow to send a body or to read an answer while memory
     * was short, or slow to read a stream whose place another stream needed.
     */
    default void slowClient() {}

    /**
     * Records that a request was answered 503 because there were too few resources. If the request did not reach its
     * endpoint, this is recorded only if the endpoint reads bodies.
     */
    default void refusedEarly() {}

    /** Records that a request to an endpoint that reads bodies was answered 413 because its body was too long. */
    default void bodyTooLong() {}

    /**
     * Records that a request to an endpoint that reads bodies was answered 408 because its body took too long to
     * arrive.
     */
    default void bodyTooSlow() {}

    /** Records that a request was answered 408 because its body does not have the digest that the request declares. */
    default void bodyChanged() {}

    /** Records that a TLS handshake failed. */
    default void tlsFailed(TlsFailure reason) {}
}
