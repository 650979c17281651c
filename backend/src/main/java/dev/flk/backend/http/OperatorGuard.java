// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.http.HttpConfig.Login;
import dev.flk.canonical.Sha256;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Routes.Endpoint.Request;
import io.netty.handler.codec.http.HttpHeaderNames;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The rules that decide which requests may see the metrics, the record, the page and the debug pages, and may review
 * certificates.
 */
final class OperatorGuard {
    static final Answer UNAUTHORIZED = Answer.error(
            401, "login needed", new Header("WWW-Authenticate", "Basic realm=\"metrics\", charset=\"UTF-8\""));

    private static final String SCHEME = "Basic ";
    private static final Pattern LOCAL =
            Pattern.compile("(localhost|127(\\.[0-9]{1,3}){3}|\\[::1])(:[0-9]+)?", Pattern.CASE_INSENSITIVE);
    /**
     * The values of {@code Sec-Fetch-Site} for requests that do not come from another site: a page of this server
     * ({@code same-origin}) or the user ({@code none}) made the request.
     */
    private static final Set<String> OWN_SITES = Set.of("same-origin", "none");

    private final @Nullable Login login;
    /** The digest of the login; null if everyone is admitted. */
    private final byte @Nullable [] digest;

    private final boolean isLoopback;

    /**
     * @param bindAddress the address on which the server listens
     * @param login the login of operators; null for none
     */
    OperatorGuard(String bindAddress, @Nullable Login login) {
        this.login = login;
        this.digest = login == null
                ? null
                : Sha256.of((login.user() + ":" + login.password().text()).getBytes(StandardCharsets.UTF_8));
        this.isLoopback = isLoopback(bindAddress);
    }

    private static boolean isLoopback(String address) {
        try {
            return InetAddress.getByName(address).isLoopbackAddress();
        } catch (UnknownHostException e) {
            return false; // the server reports later that it can't listen on this address
        }
    }

    /**
     * Returns whether everything that {@link #refusal} protects is hidden from strangers, because a login is configured
     * or the server can be reached only from this machine.
     */
    boolean isSafe() {
        return login != null || isLoopback;
    }

    /** Returns the login's name; {@code local} if no login is configured. */
    String user() {
        return login == null ? "local" : login.user();
    }

    /**
     * Returns the refusal of a request that is not allowed to see the page; empty if the request is allowed. Without a
     * login, the server must listen on a loopback address, and the {@code Host} header must name this machine. The
     * check of {@code Host} stops DNS rebinding: a malicious page could otherwise make its own host name resolve to
     * this machine, and read the answer.
     */
    Optional<Answer> refusal(Request request) {
        if (!admits(request)) {
            return Optional.of(UNAUTHORIZED);
        }
        if (login == null
                && !(isLoopback
                        && LOCAL.matcher(String.valueOf(request.header(HttpHeaderNames.HOST)))
                                .matches())) {
            return Optional.of(Answer.error(403, "without METRICS_USER, this page is served only at localhost"));
        }
        return Optional.empty();
    }

    /** Returns the refusal of a request that is not allowed to change anything; empty if the request is allowed. */
    Optional<Answer> refusalOfChange(Request request) {
        String site = request.header("Sec-Fetch-Site");
        String origin = request.header(HttpHeaderNames.ORIGIN);
        String host = String.valueOf(request.header(HttpHeaderNames.HOST));
        // Sec-Fetch-Site is preferred: comparing Origin with Host fails if a proxy has changed Host
        boolean isForged = site != null
                ? !OWN_SITES.contains(site)
                : origin != null && !origin.equals("http://" + host) && !origin.equals("https://" + host);
        return isForged ? Optional.of(Answer.error(403, "a page of another site made this request")) : refusal(request);
    }

    /**
     * Returns true if a request contains the login, or if no login is configured. Compares digests in constant time, so
     * that the duration reveals neither the login nor its length.
     */
    boolean admits(Request request) {
        if (digest == null) {
            return true;
        }
        String authorization = request.header(HttpHeaderNames.AUTHORIZATION);
        if (authorization == null || !authorization.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return false;
        }
        try {
            byte[] shown = Base64.getDecoder()
                    .decode(authorization.substring(SCHEME.length()).strip());
            return MessageDigest.isEqual(digest, Sha256.of(shown));
        } catch (IllegalArgumentException e) {
            return false;
        }
    }
}
