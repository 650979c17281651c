// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.handler.codec.http.HttpHeaders;
import java.net.SocketAddress;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The program's decision on which clients may connect, and which of their requests are read. Called on event loops;
 * must not block.
 */
@FunctionalInterface
public interface Admission {
    /** An admission that accepts every connection and request. */
    Admission ALL = remote -> new Visitor() {};

    /**
     * Creates the visitor for a connection that was just accepted.
     *
     * @param remote the client's address; null for a Unix socket or a client that has disconnected
     * @return the client of the connection; null to close the connection at once
     */
    @Nullable
    Visitor connect(@Nullable SocketAddress remote);

    /** The client of one connection. */
    interface Visitor {
        /**
         * Returns the answer that rejects a request before its body is read, or empty to accept the request. Called
         * only if the endpoint reads a body. The body of a rejected request is read and discarded.
         */
        default Optional<Answer> beforeReading(HttpHeaders headers) {
            return Optional.empty();
        }

        /** Records that a request was answered 400 before it reached an endpoint. Must not block. */
        default void badRequest(Answer answer) {}

        /** Records that the connection is closed. */
        default void disconnected() {}
    }
}
