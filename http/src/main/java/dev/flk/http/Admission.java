// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.handler.codec.http.HttpHeaders;
import java.net.SocketAddress;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Who may connect. Called on event loops; must not block. */
@FunctionalInterface
public interface Admission {
    /** Everyone, for anything. */
    Admission ALL = remote -> new Visitor() {};

    /**
     * A connection was accepted.
     *
     * @param remote null where that has no address: a Unix socket, or a client that is gone
     * @return null: it is closed at once
     */
    @Nullable
    Visitor connect(@Nullable SocketAddress remote);

    /** The client of one connection. */
    interface Visitor {
        /** Before the body of a request is read: why it is not wanted, after which it is read and thrown away. */
        default Optional<Answer> beforeReading(HttpHeaders headers) {
            return Optional.empty();
        }

        /** A request was answered 400 that no endpoint has seen. Must not block. */
        default void badRequest(Answer answer) {}

        /** The connection is closed. */
        default void disconnected() {}
    }
}
