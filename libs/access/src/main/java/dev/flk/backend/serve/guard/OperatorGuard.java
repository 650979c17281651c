// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import dev.flk.backend.access.limit.Limits.Throttled;
import dev.flk.backend.serve.guard.OperatorConfig.Login;
import dev.flk.backend.serve.guard.OperatorRefusals.Reason;
import dev.flk.canonical.Sha256;
import dev.flk.http.Admission.Visitor;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.HttpEvents;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Gate;
import dev.flk.http.Routes.Endpoint.Handler;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.http.ServerLoad.Bound;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Base64;
import java.util.HashSet;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The one rule for all operators' paths: the metrics, the record, reviews, the page and the debug pages. If a login is
 * set, a request needs it. Otherwise, the {@code Host} header must be {@code localhost}, an IP address, a name in
 * UI_HOSTS, or the name in BIND_ADDR. A page of another site may only link to the pages. The rule applies before a
 * request takes memory or a place, and admitted requests use a memory budget of their own, so that strangers can't
 * occupy what operators need.
 */
public final class OperatorGuard {
    private static final Answer UNAUTHORIZED = Answer.error(
            401, "login needed", new Header("WWW-Authenticate", "Basic realm=\"metrics\", charset=\"UTF-8\""));
    private static final Answer FOREIGN_HOST = Answer.error(
            403, "without METRICS_USER, use localhost or an IP address as the host, or add its name to UI_HOSTS");
    private static final Answer FOREIGN_SITE = Answer.error(403, "a page of another site made this request");
    private static final Optional<Gate.Refused> FROM_FOREIGN_SITE =
            Optional.of(new Gate.Refused(FOREIGN_SITE, Duration.ZERO));
    private static final Answer NOT_LOOPBACK =
            Answer.error(403, "without METRICS_USER, reviews need a backend that listens on a loopback address");

    /** The delay of a refusal if too many requests of the same address were refused; it makes guessing slow. */
    private static final Duration DELAY = Duration.ofSeconds(1);

    private static final String SCHEME = "Basic ";
    private static final Pattern HOST = Pattern.compile("(\\[[0-9A-Fa-f:.]+(?:%[^]]*)?]|[^:\\[\\]]+)(?::[0-9]*)?");
    private static final Pattern IPV4 = Pattern.compile("[0-9]{1,3}(\\.[0-9]{1,3}){3}");
    /**
     * The values of {@code Sec-Fetch-Site} for requests that do not come from another site: a page of this server
     * ({@code same-origin}) or the user ({@code none}) made the request.
     */
    private static final Set<String> OWN_SITES = Set.of("same-origin", "none");

    private static final String SITE = "Sec-Fetch-Site";

    private final @Nullable Login login;
    /** The digest of the login; null if no login is set. */
    private final byte @Nullable [] digest;

    private final Set<String> hosts;
    private final boolean isLoopback;
    private final OperatorRefusals refusals;
    private final Bound memory;

    /** A client that has not shown a login yet, so that its connection may be closed in favour of a new one. */
    public static class Guest implements Visitor {
        private volatile boolean isKnown;

        /** Records that a request of the client was admitted because of its login or token. */
        private void admitted() {
            isKnown = true;
        }

        @Override
        public boolean isReplaceable() {
            return !isKnown;
        }
    }

    /** Records that a request was admitted because of its login or token. */
    public static void admitted(Exchange exchange) {
        if (exchange.visitor() instanceof Guest guest) {
            guest.admitted();
        }
    }

    /**
     * @param bindAddress the address on which the server listens, or a host name with this address
     * @param memoryBytes the memory for bodies and answers of admitted requests
     */
    public OperatorGuard(String bindAddress, OperatorConfig operators, OperatorRefusals refusals, long memoryBytes) {
        this.login = operators.login();
        this.digest = login == null
                ? null
                : Sha256.of((login.user() + ":" + login.password().text()).getBytes(StandardCharsets.UTF_8));
        Set<String> names = new HashSet<>(operators.hosts());
        names.add(bindAddress.toLowerCase(Locale.ROOT));
        this.hosts = Set.copyOf(names);
        this.isLoopback = isLoopback(bindAddress);
        this.refusals = refusals;
        this.memory = new Bound(memoryBytes);
    }

    private static boolean isLoopback(String address) {
        try {
            return InetAddress.getByName(address).isLoopbackAddress();
        } catch (UnknownHostException e) {
            return false; // the server reports later that it can't listen on this address
        }
    }

    /**
     * Returns whether the page is hidden from strangers, because a login is set or the server can be reached only from
     * this machine.
     */
    public boolean isSafe() {
        return login != null || isLoopback;
    }

    /** Returns the login's name; {@code local} if no login is set. */
    public String user() {
        return login == null ? "local" : login.user();
    }

    /** Returns the bound on the memory of bodies and answers of all operators' requests to this server. */
    public Bound memory() {
        return memory;
    }

    /** Returns an endpoint that only operators may read. */
    public Endpoint reading(Handler handler) {
        return reading(handler, UnaryOperator.identity());
    }

    /**
     * Returns an endpoint that only operators may read.
     *
     * @param form converts a refusal to the form in which it is sent
     */
    public Endpoint reading(Handler handler, UnaryOperator<Answer> form) {
        return Endpoint.always(handler)
                .behind((head, exchange) -> refusal(reasonAgainstReading(head), head, exchange, form), memory);
    }

    /** Returns an endpoint for a page, to which pages of other sites may link; otherwise as {@link #reading}. */
    public Endpoint page(Handler handler, UnaryOperator<Answer> form) {
        return Endpoint.always(handler)
                .behind(
                        (head, exchange) -> refusal(
                                isNavigation(head) ? reasonAgainst(head) : reasonAgainstReading(head),
                                head,
                                exchange,
                                form),
                        memory);
    }

    /** Returns an endpoint that changes something and that only operators may use. */
    public Endpoint changing(int maxBodyBytes, Handler handler, UnaryOperator<Answer> form) {
        return Endpoint.withBody(maxBodyBytes, handler, HttpEvents.NONE)
                .behind((head, exchange) -> refusal(reasonAgainstChange(head), head, exchange, form), memory);
    }

    /** Returns the refusal of a request that may not read what operators may read; empty if the request may. */
    public Optional<Gate.Refused> refusal(Request head, Exchange exchange) {
        return refusal(reasonAgainstReading(head), head, exchange, UnaryOperator.identity());
    }

    /** Returns the refusal of a request that a page of another site made; empty for any other request. */
    public static Optional<Gate.Refused> refusalOfForeignSite(HttpHeaders headers) {
        return isCrossSite(headers) ? FROM_FOREIGN_SITE : Optional.empty();
    }

    private static boolean isCrossSite(HttpHeaders headers) {
        return "cross-site".equals(headers.get(SITE));
    }

    /** Returns whether the user opens the requested page, for example by a link in a mail or in another page. */
    private static boolean isNavigation(Request head) {
        return head.method().equals(HttpMethod.GET) && "navigate".equals(head.header("Sec-Fetch-Mode"));
    }

    private Optional<Gate.Refused> refusal(
            @Nullable Reason reason, Request head, Exchange exchange, UnaryOperator<Answer> form) {
        if (reason == null) {
            admitted(exchange);
            return Optional.empty();
        }
        OptionalLong waitNanos = refusals.add(reason, exchange.remoteAddress(), head.header(HttpHeaderNames.HOST));
        return Optional.of(
                new Gate.Refused(form.apply(answer(reason, waitNanos)), waitNanos.isPresent() ? DELAY : Duration.ZERO));
    }

    private static Answer answer(Reason reason, OptionalLong waitNanos) {
        return switch (reason) {
            // even a throttled browser needs this answer to ask for the login
            case NO_LOGIN -> UNAUTHORIZED;
            case WRONG_LOGIN, THROTTLED ->
                waitNanos.isEmpty()
                        ? UNAUTHORIZED
                        : Answer.error(
                                429, "Too many requests", Header.retryAfter(Throttled.seconds(waitNanos.getAsLong())));
            case HOST -> FOREIGN_HOST;
            case SITE -> FOREIGN_SITE;
            case NOT_LOOPBACK -> NOT_LOOPBACK;
        };
    }

    private @Nullable Reason reasonAgainst(Request head) {
        if (digest != null) {
            return reasonAgainstLogin(digest, head.header(HttpHeaderNames.AUTHORIZATION));
        }
        return isKnown(head.header(HttpHeaderNames.HOST)) ? null : Reason.HOST;
    }

    private @Nullable Reason reasonAgainstReading(Request head) {
        return isCrossSite(head.headers()) ? Reason.SITE : reasonAgainst(head);
    }

    private @Nullable Reason reasonAgainstChange(Request head) {
        String site = head.header(SITE);
        String origin = head.header(HttpHeaderNames.ORIGIN);
        String host = String.valueOf(head.header(HttpHeaderNames.HOST));
        // Sec-Fetch-Site is preferred: comparing Origin with Host fails if a proxy has changed Host
        boolean isForged = site != null
                ? !OWN_SITES.contains(site)
                : origin != null && !origin.equals("http://" + host) && !origin.equals("https://" + host);
        if (isForged) {
            return Reason.SITE;
        }
        Reason reason = reasonAgainst(head);
        return reason == null && !isSafe() ? Reason.NOT_LOOPBACK : reason;
    }

    /**
     * Compares digests in constant time, so that the duration reveals neither the login nor its length, before it is
     * known whether the address is throttled.
     */
    private static @Nullable Reason reasonAgainstLogin(byte[] digest, @Nullable String authorization) {
        if (authorization == null || authorization.isEmpty()) {
            return Reason.NO_LOGIN;
        }
        if (!authorization.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return Reason.WRONG_LOGIN;
        }
        try {
            byte[] shown = Base64.getDecoder()
                    .decode(authorization.substring(SCHEME.length()).strip());
            return MessageDigest.isEqual(digest, Sha256.of(shown)) ? null : Reason.WRONG_LOGIN;
        } catch (IllegalArgumentException e) {
            return Reason.WRONG_LOGIN;
        }
    }

    /**
     * Returns whether a request with this {@code Host} can't be the result of DNS rebinding, by which a malicious page
     * makes its own host name resolve to this server and reads the answer. A browser always sends the name in the
     * page's address, so an IP address or a missing header is harmless: a page of another address can't read the
     * answer.
     */
    private boolean isKnown(@Nullable String host) {
        if (host == null) {
            return true;
        }
        Matcher parts = HOST.matcher(host);
        if (!parts.matches()) {
            return false;
        }
        String name = parts.group(1).toLowerCase(Locale.ROOT);
        return name.startsWith("[") || IPV4.matcher(name).matches() || name.equals("localhost") || hosts.contains(name);
    }
}
