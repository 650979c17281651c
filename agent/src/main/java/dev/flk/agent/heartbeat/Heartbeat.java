// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.heartbeat;

import dev.flk.agent.control.StatusReport;
import dev.flk.agent.control.StatusReport.Backend;
import dev.flk.agent.follow.SourceState;
import dev.flk.agent.metrics.AgentMeters;
import dev.flk.agent.send.BackendClient;
import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.SenderConfig;
import dev.flk.program.json.Json;
import dev.flk.program.time.DaemonThreads;
import dev.flk.signing.SigningKey;
import dev.flk.signing.message.MessageSigner;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.URLEncoder;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The heartbeat of an agent: a report of the agent's state that is sent to a backend at regular intervals. A backend of
 * version 0.1.0 has no path for reports and answers 404; such a backend gets the report as an update of the agent's
 * session. Heartbeats are never queued: no heartbeat is sent while the answer to the previous heartbeat is pending, and a failed
 * heartbeat is not repeated, because the next heartbeat replaces it. Heartbeats have their own thread and connection,
 * so that they never delay a certificate.
 */
public final class Heartbeat implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(Heartbeat.class);
    private static final Duration FIRST_AFTER = Duration.ofSeconds(1);
    private static final String REPORTS = "/v1/agents/";
    private static final String SESSIONS = "/v1/sessions/";
    /** The number of reports after which a backend without a path for reports is asked for it again. */
    private static final int SESSIONS_FOR = 100;
    /** The longest wait for the answer to the last report. */
    private static final Duration STOP_WITHIN = Duration.ofMillis(500);

    private static final int NONCE_BYTES = 16;
    private static final int MOST_SHARDS = 64;
    private static final int MOST_SOURCES = 10;
    private static final int MOST_CHARS = 200;
    private static final int UNAUTHORIZED = 401;
    private static final int NOT_FOUND = 404;
    private static final int METHOD_NOT_ALLOWED = 405;

    private final String version;
    private final StatusSource status;
    private final Supplier<List<String>> shards;
    private final AgentMeters meters;
    private final InstantSource clock;
    private final Instant startedAt;
    private final SecureRandom random = new SecureRandom();
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(DaemonThreads.named("flk-agent-heartbeat"));

    /** The next heartbeat; after the start, only the thread of the timer uses this field. */
    private volatile @Nullable ScheduledFuture<?> next;

    private volatile Target target;
    private volatile boolean isAwaited;
    /** The number of reports that each backend still gets as a session. */
    private final Map<BackendClient, Integer> asSessions = new ConcurrentHashMap<>();
    /** The state in the newest report; null before the first one; used by the timer's thread only. */
    private @Nullable StatusReport reported;
    /** Completed when the last report has ended; null unless the agent stops. */
    private volatile @Nullable CompletableFuture<Void> last;
    /** The offset of the backend's clock from this machine's, according to the last answer. */
    private volatile Duration clockAhead = Duration.ZERO;
    /** The problem that was logged last; null if none was logged after the last heartbeat that a backend has stored. */
    private volatile @Nullable String problem;

    /** A source of the agent's state. */
    @FunctionalInterface
    public interface StatusSource {
        StatusReport status() throws IOException;
    }

    /** The objects that depend on the configuration. A new configuration replaces all of them at once. */
    private record Target(HeartbeatConfig config, SenderConfig sending, Map<URI, BackendClient> clients) {
        static Target of(HeartbeatConfig config, SenderConfig sending) {
            return new Target(
                    config,
                    sending,
                    sending.endpoints().stream()
                            .collect(Collectors.toMap(
                                    url -> url,
                                    url -> new BackendClient(url, sending.requestTimeout(), sending.tls()))));
        }

        void close() {
            clients.values().forEach(BackendClient::close);
        }
    }

    /**
     * The JSON body of a heartbeat. Its members have the names below in snake case; members with unknown values are
     * omitted.
     *
     * @param oldestPendingSeconds how long the oldest waiting certificate has waited
     * @param lastAnswerAt the last time at which a backend answered a request with certificates or a request for its
     *     time
     * @param shards the shards that have had certificates in the outbox since the start, at most 64
     * @param clockAheadMs the offset of the backend's clock from the agent's
     * @param heldShards the number of shards that are held because a signature was rejected
     * @param breakerOpen whether no backend answers
     * @param sourceProblems the number of sources that, or of which some files, are not read
     * @param sources the sources that are not read completely, at most 10
     * @param everySeconds the interval between reports
     * @param stopped true in the last report of an agent that stops; otherwise null
     */
    private record Beat(
            String version,
            String host,
            Instant startedAt,
            Instant sentAt,
            long pending,
            @Nullable Long oldestPendingSeconds,
            @Nullable Double settledPerSecond,
            long deadLetters,
            long lostRecords,
            @Nullable String lastAnswerAt,
            List<String> shards,
            long clockAheadMs,
            @Nullable Long heldShards,
            boolean breakerOpen,
            long outboxBytes,
            long diskFreeBytes,
            @Nullable Integer sourceProblems,
            @Nullable List<Unread> sources,
            long everySeconds,
            @Nullable Boolean stopped) {}

    /**
     * A source that is not read completely.
     *
     * @param problem why it, or one of its files, is not read; null if only lines were left out
     */
    private record Unread(
            String name, long badLines, @Nullable String problem) {
        static Unread of(SourceState source) {
            return new Unread(
                    cut(source.name()), source.badLines(), source.problem() == null ? null : cut(source.problem()));
        }

        private static String cut(String text) {
            return text.substring(0, Math.min(MOST_CHARS, text.length()));
        }
    }

    private Heartbeat(
            Target target,
            String version,
            StatusSource status,
            Supplier<List<String>> shards,
            AgentMeters meters,
            InstantSource clock) {
        this.target = target;
        this.version = version;
        this.status = status;
        this.shards = shards;
        this.meters = meters;
        this.clock = clock;
        this.startedAt = clock.instant();
    }

    /**
     * Starts the heartbeat. The heartbeat sends nothing while it is switched off, has no signing key, or has no
     * endpoint.
     *
     * @param version the version of the agent
     * @param shards a supplier of the names of the shards that have had certificates in the outbox since the start
     */
    public static Heartbeat start(
            HeartbeatConfig config,
            SenderConfig sending,
            String version,
            StatusSource status,
            Supplier<List<String>> shards,
            AgentMeters meters,
            InstantSource clock) {
        Heartbeat started = new Heartbeat(Target.of(config, sending), version, status, shards, meters, clock);
        started.schedule(FIRST_AFTER);
        return started;
    }

    /** Applies another configuration, and sends the next heartbeat soon, because the interval may have changed. */
    public void reconfigure(HeartbeatConfig config, SenderConfig sending) {
        Target following = Target.of(config, sending);
        try {
            timer.execute(() -> {
                target.close();
                asSessions.clear();
                target = following;
                if (next != null && next.cancel(false)) {
                    schedule(FIRST_AFTER);
                }
            });
        } catch (RejectedExecutionException e) {
            following.close(); // the heartbeat is closed
        }
    }

    private void schedule(Duration after) {
        Runnable beat = this::beat;
        next = timer.schedule(beat, after.toMillis(), TimeUnit.MILLISECONDS);
    }

    private void beat() {
        try {
            if (!isAwaited && last == null) {
                send(null);
            }
        } finally {
            if (!timer.isShutdown()) {
                Duration every = target.config().every();
                schedule(every.isZero() ? FIRST_AFTER : every);
            }
        }
    }

    /**
     * Sends a report, unless heartbeats are switched off.
     *
     * @param stops completed when the report has ended, if it is the last one of an agent that stops; otherwise null
     */
    private void send(@Nullable CompletableFuture<Void> stops) {
        Target now = target;
        boolean isOn = !now.config().every().isZero() && !now.clients().isEmpty();
        try {
            if (isOn && now.config().key().isPresent() && (stops == null || reported != null)) {
                // an agent that stops can't be asked any more
                StatusReport report = stops == null ? status.status() : Objects.requireNonNull(reported);
                send(now, now.config().key().get(), report, stops);
                reported = report;
            } else if (stops != null) {
                stops.complete(null);
            }
        } catch (IOException | RuntimeException e) {
            failed("the state of the agent could not be read: " + e.getMessage());
        }
    }

    private void send(Target now, SigningKey key, StatusReport report, @Nullable CompletableFuture<Void> stops) {
        List<Backend> backends = report.sending().backends() == null
                ? List.of()
                : report.sending().backends();
        String host = host();
        byte[] body = Json.bytes(beat(report, backends, host, stops != null));
        BackendClient client = client(now, backends);
        boolean isSession = asSessions.computeIfPresent(client, (any, left) -> left == 1 ? null : left - 1) != null;
        String path = (isSession ? SESSIONS : REPORTS)
                + URLEncoder.encode(now.config().agentId().orElse(host), StandardCharsets.UTF_8)
                        .replace("+", "%20");
        byte[] nonce = new byte[NONCE_BYTES];
        random.nextBytes(nonce);
        Map<String, String> signature = MessageSigner.of(key)
                .sign(
                        "PUT",
                        // signs the path without the path of the base URL, which a proxy removes before the backend
                        // gets the request
                        path,
                        Map.of(),
                        body,
                        clock.instant().plus(clockAhead),
                        HexFormat.of().formatHex(nonce));
        isAwaited = true;
        boolean isSent = false;
        try {
            client.report(path, signature, body, (reply, failure) -> {
                isAwaited = false;
                boolean isUnknown = !isSession && reply != null && reply.status() == NOT_FOUND;
                if (isUnknown) {
                    asSessions.put(client, SESSIONS_FOR);
                    onTimer(() -> send(stops));
                    return;
                }
                ended(client, reply, failure);
                if (stops != null) {
                    stops.complete(null);
                }
            });
            isSent = true;
        } finally {
            isAwaited &= isSent;
        }
    }

    /**
     * Returns the client of the first backend without an outage, as observed by the sender. If all backends have an
     * outage, returns the client of the preferred backend.
     */
    private static BackendClient client(Target now, List<Backend> backends) {
        List<BackendClient> inOrder = now.sending().endpoints().stream()
                .map(url -> Objects.requireNonNull(now.clients().get(url)))
                .toList();
        return inOrder.stream()
                .filter(client -> backends.stream()
                        .anyMatch(
                                backend -> backend.answering() && backend.url().equals(client.base())))
                .findFirst()
                .orElse(inOrder.get(0));
    }

    private Beat beat(StatusReport report, List<Backend> backends, String host, boolean isLast) {
        return new Beat(
                version,
                host,
                startedAt,
                clock.instant(),
                report.waiting().pending(),
                report.waiting().oldestPendingSeconds(),
                report.sending().settledPerSecond(),
                report.dlqEntries(),
                report.lostRecords(),
                backends.stream()
                        .map(Backend::lastAnsweredAt)
                        .filter(Objects::nonNull)
                        .max(String::compareTo)
                        .orElse(null),
                shards.get().stream().sorted().limit(MOST_SHARDS).toList(),
                clockAhead.toMillis(),
                report.sending().heldShards(),
                !backends.isEmpty() && backends.stream().noneMatch(Backend::answering),
                report.disk().outboxBytes(),
                report.disk().diskFreeBytes(),
                report.sources() == null ? null : report.failedSources().size(),
                report.sources() == null
                        ? null
                        : report.sources().stream()
                                .filter(source -> source.problem() != null || source.badLines() > 0)
                                .limit(MOST_SOURCES)
                                .map(Unread::of)
                                .toList(),
                target.config().every().toSeconds(),
                isLast ? true : null);
    }

    private void ended(BackendClient client, @Nullable Reply reply, @Nullable Throwable failure) {
        if (reply == null) {
            meters.heartbeat("outage");
            failed(client.base() + " did not answer a heartbeat: " + failure);
            return;
        }
        meters.heartbeat(Integer.toString(reply.status()));
        reply.date().ifPresent(date -> clockAhead = roundedDifference(clock.instant(), date));
        if (reply.status() / 100 == 2) {
            if (problem != null) {
                LOG.info("heartbeats are stored again by {}", client.base());
            }
            problem = null;
            return;
        }
        if (reply.status() == NOT_FOUND || reply.status() == METHOD_NOT_ALLOWED) {
            String none = client.base() + " accepts no reports";
            if (!none.equals(problem)) {
                LOG.info("{}, so heartbeats have no effect", none);
            }
            problem = none;
            return;
        }
        failed(
                reply.status() == UNAUTHORIZED
                        ? client.base()
                                + " does not accept this agent's heartbeats: the backend does not know its key, the"
                                + " key is revoked, or the key may not report for this agent; compare with 'flk backend keys"
                                + " list', and name the agent in \"agents\" of the keys file, or set AGENT_ID"
                        : client.base() + " answered a heartbeat with status " + reply.status());
    }

    /**
     * Returns the difference between the two times; zero if the difference may be due to the rounding of the backend's
     * {@code Date} to whole seconds.
     */
    private static Duration roundedDifference(Instant own, Instant date) {
        Duration ahead = Duration.between(own, date);
        return ahead.abs().compareTo(Duration.ofSeconds(2)) < 0 ? Duration.ZERO : ahead;
    }

    /** Logs a problem, unless it is the same as {@link #problem}, which is already logged. */
    private void failed(String what) {
        if (!what.equals(problem)) {
            problem = what;
            LOG.warn("{}; the next heartbeat is sent as usual", what);
        }
    }

    /** Returns the name of this machine. A resolver that does not answer delays only heartbeats. */
    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "unknown";
        }
    }

    /** Sends a last report, which says that the agent stops. Returns at once; {@link #close} waits for the answer. */
    public void stop() {
        CompletableFuture<Void> stops = new CompletableFuture<>();
        last = stops;
        onTimer(() -> send(stops));
    }

    private void onTimer(Runnable task) {
        try {
            timer.execute(task);
        } catch (RejectedExecutionException e) {
            // the heartbeat is closed
        }
    }

    /** Waits a moment for the answer to the last report, and ends the heartbeat. */
    @Override
    public void close() {
        CompletableFuture<Void> stops = last;
        if (stops != null) {
            var unused = stops.completeOnTimeout(null, STOP_WITHIN.toMillis(), TimeUnit.MILLISECONDS)
                    .join();
        }
        timer.shutdownNow();
        target.close();
    }
}
