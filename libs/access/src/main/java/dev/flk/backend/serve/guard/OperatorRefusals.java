// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.flk.backend.access.limit.RateLimit;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.program.cli.Printable;
import dev.flk.program.logging.Audit;
import dev.flk.program.logging.LineLimit;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Counts;
import java.math.BigDecimal;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The requests for operators' paths that were refused, on both ports: counted by reason, limited by address, logged and
 * written to the audit log. Only refused requests take tokens of their address, so that a right login is served however
 * many wrong ones come from the same address. Safe for any thread.
 */
public final class OperatorRefusals extends Metrics.Feature {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.http");
    private static final BigDecimal PER_SECOND = new BigDecimal("0.2");
    public static final int BURST = 30;
    private static final int MAX_ADDRESSES = 65_536;
    private static final int LINES_AT_ONCE = 3;
    private static final Duration LINE_EVERY = Duration.ofSeconds(10);
    private static final int MAX_HOST_CHARS = 100;

    private final Cache<Long, RateLimit> byAddress =
            Caffeine.newBuilder().maximumSize(MAX_ADDRESSES).build();
    private final LongSupplier nanoTicker;
    private final LineLimit lines;
    private final Counts<Reason> refused = counter(
            "flk_operator_requests_refused_total",
            "Requests for operators' paths that were refused, by reason.",
            "reason",
            List.of(Reason.values()),
            Reason::label);
    private volatile @Nullable Audit audit;

    /** The reason why a request is refused. Its {@link #label()} is a value of the metric's label {@code reason}. */
    enum Reason {
        /** The request has no login. A browser's first request never has one, so this reason is only counted. */
        NO_LOGIN("no login", ""),
        WRONG_LOGIN("wrong login", "the login is wrong"),
        /** The login is wrong, and the address has sent too many refused requests. */
        THROTTLED("throttled", "the login is wrong, and too many requests of this address were refused"),
        HOST(
                "host",
                "no login is set, and the Host header is neither localhost, an IP address, nor in UI_HOSTS; set"
                        + " METRICS_USER or UI_HOSTS"),
        SITE("site", "a page of another site made this request"),
        NOT_LOOPBACK(
                "not loopback",
                "no login is set, and the server listens on other addresses than loopback; set METRICS_USER to review"
                        + " certificates");

        private final String label;
        private final String sentence;

        Reason(String label, String sentence) {
            this.label = label;
            this.sentence = sentence;
        }

        String label() {
            return label;
        }
    }

    /** @param nanoTicker the monotonic time in nanoseconds */
    public OperatorRefusals(Metrics metrics, LongSupplier nanoTicker) {
        super(metrics);
        this.nanoTicker = nanoTicker;
        this.lines = new LineLimit(LINES_AT_ONCE, LINE_EVERY, nanoTicker);
    }

    /** Also writes later refusals to the audit log, which is opened after the servers. */
    public void writeTo(Audit opened) {
        audit = opened;
    }

    /**
     * Records a refused request. Returns empty, or, if too many requests of its address were refused, the nanoseconds
     * until the address may be refused again without a delay.
     *
     * @param remote the client's address; null if the client has disconnected
     * @param host the request's {@code Host} header; null if it has none
     */
    OptionalLong add(Reason reason, @Nullable SocketAddress remote, @Nullable String host) {
        Submitter sender = Submitter.from(
                remote instanceof InetSocketAddress inet ? inet.getAddress() : new InetSocketAddress(0).getAddress());
        OptionalLong waitNanos = byAddress
                .get(sender.network(), unused -> new RateLimit(PER_SECOND, BURST, nanoTicker))
                .tryTake();
        report(reason == Reason.WRONG_LOGIN && waitNanos.isPresent() ? Reason.THROTTLED : reason, sender, host);
        return waitNanos;
    }

    private void report(Reason reason, Submitter sender, @Nullable String host) {
        refused.increment(reason);
        if (reason == Reason.NO_LOGIN) {
            return;
        }
        lines.say(
                reason.label,
                leftOut -> LOG.warn(
                        "refused a request for an operators' path from {}{}: {}{}",
                        sender.address(),
                        reason == Reason.HOST ? " for host '" + printable(host) + "'" : "",
                        reason.sentence,
                        leftOut));
        Audit opened = audit;
        if (opened != null) {
            opened.operatorRefused(sender.address(), reason.label);
        }
    }

    private static String printable(@Nullable String host) {
        String text = String.valueOf(host);
        return Printable.of(text.length() > MAX_HOST_CHARS ? text.substring(0, MAX_HOST_CHARS) + "..." : text);
    }
}
