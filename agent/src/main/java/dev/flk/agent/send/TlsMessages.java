// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/** Messages that explain why TLS with a backend fails and what to do. They are derived from the messages of the JDK. */
public final class TlsMessages {
    private static final int LONGEST_QUOTE = 160;

    /**
     * The known causes of TLS failures: for each cause, an explanation and the fragments of the JDK's messages and of
     * the peer's alerts that show the cause. If several constants match a message, the first of them is used.
     */
    private enum Sign {
        UNTRUSTED(
                "its certificate was issued by an authority that the agent does not trust; set TLS_CA_FILE to the"
                        + " certificate of that authority",
                "unable to find valid certification path",
                "path building failed",
                "trustanchors"),
        OTHER_NAME(
                "its certificate is not for the host of ENDPOINT; put a host name of the certificate into ENDPOINT, or"
                        + " give the backend a certificate for that host",
                "no subject alternative",
                "no name matching"),
        NOT_VALID_NOW(
                "its certificate has expired, or is not valid yet; renew TLS_CERT of the backend, or correct this"
                        + " machine's clock",
                "validity check failed",
                "notafter:",
                "notbefore:"),
        OWN_REFUSED(
                "it rejects the certificate of this agent, or requires one; set TLS_CERT_FILE and TLS_KEY_FILE to a"
                        + " valid certificate from an authority in the backend's TLS_CLIENT_CA, and its key",
                "certificate_required",
                "bad_certificate",
                "certificate_unknown",
                "certificate_expired",
                "unknown_ca"),
        NO_COMMON_VERSION(
                "it has no TLS version or cipher suite in common with the agent, which has TLS 1.2 and 1.3",
                "protocol_version",
                "handshake_failure"),
        NO_TLS(
                "the server does not speak TLS; use http: in ENDPOINT, or check the port",
                "unsupported or unrecognized ssl message",
                "not an ssl/tls record"),
        ANY("check TLS_CA, TLS_CERT and TLS_KEY, and the host name");

        private final String meaning;
        private final Pattern said;

        Sign(String meaning, String... said) {
            this.meaning = meaning;
            this.said = Pattern.compile(
                    said.length == 0
                            ? "(?!)"
                            : Arrays.stream(said).map(Pattern::quote).collect(Collectors.joining("|")));
        }

        private boolean fits(String message) {
            return said.matcher(message).find();
        }
    }

    private TlsMessages() {}

    /** Returns an explanation of a TLS failure; empty for any other failure. */
    public static Optional<String> what(@Nullable Throwable failure) {
        Sign sign = null;
        String quote = "";
        boolean isTls = false;
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            String message = String.valueOf(cause.getMessage()).toLowerCase(Locale.ROOT);
            isTls |= cause instanceof SSLException;
            if (cause instanceof SSLException && quote.isEmpty()) {
                quote = String.valueOf(cause.getMessage());
            }
            sign = sign == null ? of(message) : sign;
        }
        if (!isTls) {
            return Optional.empty();
        }
        String shown = quote.length() <= LONGEST_QUOTE ? quote : quote.substring(0, LONGEST_QUOTE) + "…";
        return Optional.of("TLS fails: " + (sign == null ? Sign.ANY : sign).meaning + " (" + shown + ")");
    }

    private static @Nullable Sign of(String message) {
        return Arrays.stream(Sign.values())
                .filter(sign -> sign.fits(message))
                .findFirst()
                .orElse(null);
    }
}
