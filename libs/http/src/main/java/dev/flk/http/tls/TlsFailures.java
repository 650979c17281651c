// SPDX-License-Identifier: Apache-2.0
package dev.flk.http.tls;

import dev.flk.program.logging.LineLimit;
import io.netty.handler.ssl.SslHandshakeTimeoutException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.time.Duration;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import javax.net.ssl.SSLException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A counter of failed handshakes, which also logs at most one line per reason and interval. Safe for any thread. */
public final class TlsFailures {
    private static final Logger LOG = LoggerFactory.getLogger(TlsFailures.class);
    private static final Duration EVERY = Duration.ofSeconds(10);
    private static final int LONGEST_QUOTE = 160;

    private final Consumer<TlsFailure> counter;
    private final LineLimit limit;

    /**
     * The reason why a TLS handshake failed. Its {@link #label()} is a value of the label {@code reason} of the metric
     * {@code flk_tls_handshake_failures_total}.
     */
    public enum TlsFailure {
        /** The client sent plain HTTP, or something else that is not TLS. */
        NO_TLS("no tls"),
        /** The handshake took too long. */
        TIMEOUT("timeout"),
        /** The client disconnected during the handshake. */
        CLOSED("closed"),
        /** The client speaks neither TLS 1.2 nor 1.3. */
        PROTOCOL("protocol"),
        /** The client and the server have no cipher suite in common that fits the server's certificate. */
        CIPHER("cipher"),
        /** The client presented no certificate, although the server requires one. */
        CLIENT_CERTIFICATE_MISSING("client certificate missing"),
        /** The client's certificate was issued by another authority, is not valid now, or is not for clients. */
        CLIENT_CERTIFICATE_REFUSED("client certificate refused"),
        /** The client ended the handshake, usually because it does not trust the server's certificate. */
        REFUSED_BY_CLIENT("refused by client"),
        /** Any other failure. */
        OTHER("other");

        private final String label;

        TlsFailure(String label) {
            this.label = label;
        }

        /** Returns the text that metrics and log lines use. */
        public String label() {
            return label;
        }
    }

    public TlsFailures(Consumer<TlsFailure> counter, LongSupplier nanoTicker) {
        this.counter = counter;
        this.limit = new LineLimit(1, EVERY, nanoTicker);
    }

    /**
     * Records a failed handshake, unless the client closed the connection without sending anything: such a client only
     * probes whether the port is open.
     *
     * @param hasBegun whether the client had sent anything
     */
    void report(Throwable cause, InetSocketAddress client, boolean hasBegun) {
        TlsFailure reason = reason(cause);
        if (hasBegun || reason != TlsFailure.CLOSED) {
            report(reason, client, what(reason, cause));
        }
    }

    void report(TlsFailure reason, InetSocketAddress client, String what) {
        counter.accept(reason);
        limit.say(
                reason.label(),
                leftOut -> LOG.warn(
                        "the TLS handshake with {} failed: {}: {}{}",
                        client.getAddress().getHostAddress(),
                        reason.label(),
                        what,
                        leftOut));
    }

    /**
     * Returns the reason of a failure. The JDK throws the same type of exception for nearly all failures; only the
     * message distinguishes them.
     */
    static TlsFailure reason(Throwable failure) {
        if (failure instanceof SslHandshakeTimeoutException) {
            return TlsFailure.TIMEOUT;
        }
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof CertificateException || cause instanceof CertPathValidatorException) {
                return TlsFailure.CLIENT_CERTIFICATE_REFUSED;
            }
        }
        String said = String.valueOf(failure.getMessage()).toLowerCase(Locale.ROOT);
        if (said.contains("received fatal alert")) {
            return TlsFailure.REFUSED_BY_CLIENT;
        }
        if (said.contains("empty client certificate") || said.contains("empty server certificate")) {
            return TlsFailure.CLIENT_CERTIFICATE_MISSING;
        }
        if (said.contains("protocol version") || said.contains("client requested protocol")) {
            return TlsFailure.PROTOCOL;
        }
        if (said.contains("cipher suites in common") || said.contains("no selected cipher")) {
            return TlsFailure.CIPHER;
        }
        boolean wentAway = failure instanceof IOException && !(failure instanceof SSLException);
        return wentAway ? TlsFailure.CLOSED : TlsFailure.OTHER;
    }

    private static String what(TlsFailure reason, Throwable cause) {
        return switch (reason) {
            case NO_TLS, TIMEOUT -> "the handshake took longer than HEADER_TIMEOUT";
            case CLOSED ->
                "the client closed the connection during the handshake; it may not trust the certificate of"
                        + " TLS_CERT";
            case PROTOCOL -> "the client supports neither TLS 1.2 nor 1.3; update it";
            case CIPHER -> "client and server have no cipher suite in common that fits the certificate";
            case CLIENT_CERTIFICATE_MISSING -> "TLS_CLIENT_CA requires one; set TLS_CERT and TLS_KEY of the agent";
            case CLIENT_CERTIFICATE_REFUSED ->
                "it was not issued by TLS_CLIENT_CA, is not valid now, or is not for clients (" + quoted(cause) + ")";
            case REFUSED_BY_CLIENT ->
                "usually because it does not trust the certificate of TLS_CERT, or the certificate is not valid now ("
                        + quoted(cause) + ")";
            case OTHER -> quoted(cause);
        };
    }

    private static String quoted(Throwable cause) {
        String text = String.valueOf(cause.getMessage());
        return text.length() <= LONGEST_QUOTE ? text : text.substring(0, LONGEST_QUOTE) + "…";
    }
}
