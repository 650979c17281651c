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

    /** Why a TLS handshake failed: the label {@code reason} of {@code flk_tls_handshake_failures_total}. */
    enum TlsFailure {
        /** What came was plain HTTP, or no TLS at all. */
        NO_TLS("no tls"),
        /** It took too long. */
        TIMEOUT("timeout"),
        /** The client went away in the midst of it. */
        CLOSED("closed"),
        /** The client speaks neither TLS 1.2 nor 1.3. */
        PROTOCOL("protocol"),
        /** The client knows none of the cipher suites, or none for this certificate. */
        CIPHER("cipher"),
        /** The client has shown no certificate. */
        CLIENT_CERTIFICATE_MISSING("client certificate missing"),
        /** The client's certificate is of another authority, has ended, or is not for clients. */
        CLIENT_CERTIFICATE_REFUSED("client certificate refused"),
        /** The client ended it, mostly since it does not trust the backend's certificate. */
        REFUSED_BY_CLIENT("refused by client"),
        /** Anything else. */
        OTHER("other");

        private final String label;

        TlsFailure(String label) {
            this.label = label;
        }

        /** As metrics and log lines have it. */
        public String label() {
            return label;
        }
    }
}
