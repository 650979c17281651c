// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.handler.codec.http.HttpHeaders;
import java.net.SocketAddress;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The program's rules for which clients may connect, and which requests are rejected before their bodies are read.
 * Called on event loops; must not block.
 */
@FunctionalInterface
public interface Admission {
    /** An admission that accepts every connection and request. */
    Admission ALL = remote -> new Visitor() {};

    /**
     * Creates the {@link Visitor} for a connection that was just accepted.
     *
     * @param remote the client's address; null if the client has already disconnected. For a Unix socket, it
     *     may be null or have an empty path
     * @return the visitor; null if the connection must be closed at once
     */
    @Nullable
    Visitor connect(@Nullable SocketAddress remote);

    /** The client of one connection. */
    interface Visitor {
        /**
         * Decides whether to accept a request, before its body is read. Returns empty if the request is accepted;
         * otherwise, returns the answer that rejects the request. The body of a rejected request is discarded. Called
         * only if the endpoint reads a body.
         */
        default Optional<Answer> beforeReading(HttpHeaders headers) {
            return Optional.empty();
        }

        /**
         * Records that a request was answered 400, or 408 because its body ended too early. The server calls this
         * method if the request reached no endpoint; an endpoint may call it for an answer of its own. Must not block.
         */
        default void badRequest(Answer answer) {}

        /**
         * Returns whether the connection may be closed in favour of a new one when the server has its maximum number of
         * connections, because its client has shown no credentials. Called on the event loop of the connection.
         */
        default boolean isReplaceable() {
            return false;
        }

        /**
         * Records that a request was answered 408 because its body, of {@code bytes} bytes, does not have the digest
         * that the request declares. Must not block.
         */
        default void bodyChanged(Answer answer, int bytes) {}

        /** Records that the connection is closed. */
        default void disconnected() {}
    }
}
