// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

/** What a server counts. Called from any thread; must not block. */
public interface HttpEvents {
    /** For a server that nobody watches. */
    HttpEvents NONE = new HttpEvents() {};

    /** An answer goes out. */
    default void answered(int status) {}

    /** A connection was closed at once: the server has as many as it may. */
    default void connectionRefused() {}

    /** A connection ended for being slow with a body or an answer while memory was short. */
    default void slowClient() {}

    /** A request with a body was answered 503: there was no room for it. */
    default void refusedEarly() {}

    /** A request was answered 413 for its body. */
    default void bodyTooLong() {}

    /** A request was answered 408 for its body. */
    default void bodyTooSlow() {}

    /** A TLS handshake failed. */
    default void tlsFailed(TlsFailure reason) {}
}
