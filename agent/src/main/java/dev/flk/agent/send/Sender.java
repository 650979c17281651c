// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.metrics.AgentMeters;
import dev.flk.agent.outbox.DeadLetters;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.send.AgeClock.Age;
import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.SendQueue.Queued;
import dev.flk.agent.send.SenderConfig.SendOptions;
import dev.flk.program.cli.Printable;
import dev.flk.program.logging.LineLimit;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The sender of the certificates in the outbox. One thread, the sender's thread, calls {@link #step} and {@link #await}
 * in a loop and does all the work; other threads only add tasks for that thread. Up to {@code maxInFlight} certificates
 * wait for an answer at the same time; all other certificates wait in the outbox. Before a certificate is sent, the
 * outbox records the sending on disk (unless the disk fails), because the certificate may have arrived even if no
 * answer comes. Durations are measured on a ticker that starts near 0.
 */
public final class Sender implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(Sender.class);
    /**
     * The largest total size in bytes of the stored certificates of a batch. The limit is at most half of the backend's
     * default limit, because stamps and signatures make the certificates longer.
     */
    private static final long MAX_BATCH_BYTES = CertificateLimit.BYTES / 2;
    /**
     * The number of bytes in flight at which the sender sends no further requests. The last request sent below the
     * limit may raise the number of bytes above it.
     */
    private static final long MAX_IN_FLIGHT_BYTES = CertificateLimit.BYTES;

    /** The share of the heap that answers under way may take, of which the last request may take more. */
    private static final int SHARE_OF_HEAP_FOR_ANSWERS = 4;

    private static final long STATE_WITHIN_SECONDS = 5;
    private static final int MOST_REQUESTS_A_STEP = 64;
    private static final long IDLE_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long SHORTEST_WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final Outbox outbox;
    private final DeadLetters deadLetters;
    private final AgentMeters meters;
    private final Surroundings surroundings;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final LineLimit limit;
    private final SendQueue queue;
    private final AgeClock ages;
    private final SignatureHold hold;
    private final Settlement.Awaited awaited = new Settlement.Awaited();
    /** The tasks that other threads have added for the sender's thread. */
    private final LinkedBlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();

    private final AtomicBoolean woken = new AtomicBoolean();
    private final AtomicInteger inFlight = new AtomicInteger();
    private long inFlightBytes;
    /** The maximum length of all answers that are under way. */
    private long awaitedBytes;

    private final long maxAwaitedBytes;
    private Configured configured;
    private volatile boolean breakerOpen;
    private volatile long heldCertificates;
    private volatile long heldSignatures;
    private volatile CertificateEnds certificateEnds;
    private volatile boolean stopping;

    /** Creates a sender. It sends nothing before {@link #step} is called. */
    public Sender(
            SenderConfig config,
            Outbox outbox,
            DeadLetters deadLetters,
            AgentMeters meters,
            Surroundings surroundings) {
        this(
                config,
                outbox,
                deadLetters,
                meters,
                surroundings,
                Runtime.getRuntime().maxMemory() / SHARE_OF_HEAP_FOR_ANSWERS);
    }

    /**
     * @param maxAwaitedBytes the maximum length of all answers under way at which the sender sends no further requests
     */
    Sender(
            SenderConfig config,
            Outbox outbox,
            DeadLetters deadLetters,
            AgentMeters meters,
            Surroundings surroundings,
            long maxAwaitedBytes) {
        this.maxAwaitedBytes = maxAwaitedBytes;
        this.outbox = outbox;
        this.deadLetters = deadLetters;
        this.meters = meters;
        this.surroundings = surroundings;
        this.clock = surroundings.clock();
        this.nanoTicker = surroundings.nanoTicker();
        this.limit = LineLimit.ofOutages(nanoTicker);
        this.queue = new SendQueue(outbox);
        this.ages = new AgeClock(clock, nanoTicker, outbox.lastSending());
        this.hold = new SignatureHold(
                queue,
                new Backoff(config.options().baseDelay(), config.options().maxDelay(), surroundings.random()),
                config.options().signatureGrace());
        this.configured = new Configured(config);
        this.certificateEnds = configured.certificateEnds();
        outbox.onArrival(this::wake);
    }

    /**
     * The times at which TLS certificates expire.
     *
     * @param client the earliest expiry in the chain of the agent's own certificate; empty if the agent has no
     *     certificate
     * @param endpoint the earliest expiry of the certificates that the endpoints last presented; empty if no endpoint
     *     has answered over TLS yet
     */
    public record CertificateEnds(Optional<Instant> client, Optional<Instant> endpoint) {}

    /** The objects that depend on the configuration. They are replaced when the configuration changes. */
    private final class Configured {
        private final SendOptions options;
        private final Backoff backoff;
        private final AnswerHandler handler;
        private final Batch.Builder batches;
        private final List<BackendLink> links;
        private final Optional<Instant> ownCertificateEnd;

        Configured(SenderConfig config) {
            ownCertificateEnd = config.tls().flatMap(ClientTls::ownEnd);
            options = config.options();
            backoff = new Backoff(options.baseDelay(), options.maxDelay(), surroundings.random());
            handler = new AnswerHandler(
                    outbox, deadLetters, queue, hold, backoff, options, surroundings, meters, limit, awaited);
            batches = new Batch.Builder(outbox, handler, hold, config.signer(), options.maxAge());
            links = config.endpoints().stream()
                    .map(url -> new BackendLink(
                            new BackendClient(url, config.requestTimeout(), config.tls()),
                            backoff,
                            options,
                            clock,
                            nanoTicker,
                            limit,
                            config.endpoints().size() == 1))
                    .toList();
        }

        void close() {
            links.forEach(link -> link.client().close());
        }

        CertificateEnds certificateEnds() {
            return new CertificateEnds(
                    ownCertificateEnd,
                    links.stream()
                            .flatMap(link -> link.client().certificateEnd().stream())
                            .min(Instant::compareTo));
        }
    }

    /** Applies another configuration (key, endpoints, options); the next step uses it. Any thread. */
    public void reconfigure(SenderConfig config) {
        tasks.add(() -> {
            configured.close(); // after the answers under way
            configured = new Configured(config);
            hold.reset(configured.backoff, config.options().signatureGrace(), nanoTicker.getAsLong());
        });
    }

    /**
     * Handles the answers that have arrived, and sends entries that are due. Returns the longest time in nanoseconds
     * that the caller may wait before the next step; the caller passes this time to {@link #await}.
     */
    public long step() {
        woken.set(false);
        runTasks();
        int requests = 0;
        while (!stopping && inFlight.get() < configured.options.maxInFlight() && sendOne()) {
            // handles answers after each attempt, because many attempts in a row may send nothing, for example if all
            // entries that they take from the queue belong to held shards
            runTasks();
            if (++requests >= MOST_REQUESTS_A_STEP) {
                return 0;
            }
        }
        breakerOpen = configured.links.stream().allMatch(BackendLink::isOpen);
        heldCertificates = queue.heldEntries();
        heldSignatures = hold.heldEntries();
        certificateEnds = configured.certificateEnds();
        return untilNextNanos();
    }

    private void runTasks() {
        List<Runnable> all = new ArrayList<>();
        tasks.drainTo(all);
        all.forEach(Runnable::run);
    }

    /**
     * Waits at most {@code nanos} nanoseconds for a task from another thread. If a task comes, runs the task. Called by
     * the sender's thread.
     */
    public void await(long nanos) throws InterruptedException {
        Runnable first = tasks.poll(nanos, TimeUnit.NANOSECONDS);
        if (first != null) {
            first.run();
        }
    }

    /** Makes {@link #await} return. Any thread. */
    public void wake() {
        if (woken.compareAndSet(false, true)) {
            tasks.add(() -> {});
        }
    }

    /** Stops sending; answers to certificates in flight are still handled. Any thread. */
    public void stop() {
        stopping = true;
        tasks.add(() -> {});
    }

    /** Closes the connections as soon as the answers under way have arrived or timed out. */
    @Override
    public void close() {
        configured.close();
    }

    /** Returns the futures of certificates whose settlement an application awaits. */
    public Settlement.Awaited awaited() {
        return awaited;
    }

    /** Returns the number of certificates that wait for an answer. */
    public int inFlight() {
        return inFlight.get();
    }

    /**
     * Returns whether the answer to a request with certificates, or to a request for a backend's time, is still
     * awaited. Called by the sender's thread.
     */
    boolean awaitsAnswer() {
        return inFlight.get() > 0 || configured.links.stream().anyMatch(BackendLink::isClockRequested);
    }

    /** Returns whether the breakers of all backends are open, as of the last step. Any thread. */
    public boolean breakerOpen() {
        return breakerOpen;
    }

    /**
     * Returns the number of certificates that are held because an answer that refused them was not provably the
     * backend's, as of the last step. Any thread.
     */
    public long heldCertificates() {
        return heldCertificates;
    }

    /**
     * Returns the number of certificates that wait because their signature, or another one of their shard, was refused,
     * as of the last step. Any thread.
     */
    public long heldSignatures() {
        return heldSignatures;
    }

    /** Returns when TLS certificates expire, as of the last step. Any thread. */
    public CertificateEnds certificateEnds() {
        return certificateEnds;
    }

    /**
     * Waits until the sender's thread runs its tasks, and returns the state of sending at that moment. Called by any
     * thread except the sender's.
     *
     * @throws IOException if the sender's thread does not run its tasks within five seconds
     */
    public SendingState state() throws IOException {
        CompletableFuture<SendingState> state = new CompletableFuture<>();
        tasks.add(() -> state.complete(stateNow()));
        try {
            return state.get(STATE_WITHIN_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        } catch (ExecutionException | TimeoutException e) {
            throw new IOException(
                    "the sender did not respond within " + STATE_WITHIN_SECONDS + " s; its disk may hang", e);
        }
    }

    private SendingState stateNow() {
        long now = nanoTicker.getAsLong();
        return new SendingState(
                configured.links.stream().map(link -> link.state(now)).toList(),
                inFlight.get(),
                configured.handler.settledASecond(),
                hold.heldShards(),
                hold.heldEntries(),
                hold.lagging(now),
                queue.heldEntries(),
                queue.lastHeldBecause());
    }

    /**
     * Takes due entries from the queue, and sends them in one request to the first backend that is ready. Does not try
     * the backends after one that is {@code FULL}, or that is asked for its time while its breaker is closed. Returns
     * false if no entry is due, too many bytes are in flight, or no ready backend was found; returns true even if none
     * of the taken entries could be sent.
     */
    private boolean sendOne() {
        long now = nanoTicker.getAsLong();
        hold.step(now);
        OptionalLong due = queue.firstDueNanos(now);
        if (due.isEmpty() || due.getAsLong() > now || hasNoRoom()) {
            return false;
        }
        for (BackendLink link : configured.links) {
            switch (link.readiness(now)) {
                case READY -> {
                    sendVia(link, now);
                    return true;
                }
                case FULL -> {
                    return false;
                }
                case ASK -> {
                    requestClock(link);
                    if (!link.isOpen()) {
                        return false;
                    }
                }
                case WAIT -> {}
            }
        }
        return false;
    }

    private boolean hasNoRoom() {
        return inFlightBytes >= MAX_IN_FLIGHT_BYTES || awaitedBytes >= maxAwaitedBytes;
    }

    private void sendVia(BackendLink link, long now) {
        SendOptions options = configured.options;
        int most = Math.min(Math.min(options.batchSize(), link.room()), options.maxInFlight() - inFlight.get());
        List<Queued> taken = queue.take(now, most, Math.min(MAX_BATCH_BYTES, MAX_IN_FLIGHT_BYTES - inFlightBytes));
        try {
            Duration offset = link.offset().get();
            Instant sentAt = clock.instant().plus(offset);
            Age age = ages.now(link.offset().backendTime());
            Batch batch = configured.batches.build(taken, sentAt, offset, age);
            if (batch.items().isEmpty()) {
                link.nothingSent();
            } else {
                send(batch, link, age);
            }
        } catch (IOException e) {
            // retries the entries later, because the disk may then be readable again
            link.nothingSent();
            configured.handler.unreadable(taken, AnswerHandler.describe(e));
            link.pause(configured.backoff.afterNanos(0));
        }
        configured.handler.finish();
    }

    /**
     * Records in the outbox that the batch is being sent. Sends the batch as soon as the record is on disk or the disk
     * has failed.
     */
    private void send(Batch batch, BackendLink link, Age age) {
        AnswerHandler handler = configured.handler;
        inFlight.addAndGet(batch.size());
        inFlightBytes += batch.bytes();
        awaitedBytes += batch.maxAnswerBytes();
        link.sent(batch.size());
        outbox.beingSent(batch.entries(), age.asSending(), () -> tasks.add(() -> transmit(batch, link, handler)));
    }

    private void transmit(Batch batch, BackendLink link, AnswerHandler handler) {
        if (stopping) {
            ended(batch, link);
            batch.items().forEach(item -> handler.noteNotArrived(item.queued()));
            handler.finish();
            return;
        }
        long sentNanos = nanoTicker.getAsLong();
        BiConsumer<@Nullable Reply, @Nullable Throwable> ended = (reply, failure) -> tasks.add(() -> {
            ended(batch, link);
            take(batch, link, handler, AnswerReader.read(batch, reply, failure), reply, sentNanos);
        });
        if (batch.size() == 1) {
            link.client().submit(batch.lines().get(0), ended);
        } else {
            link.client().submitBatch(batch, ended);
        }
    }

    private void ended(Batch batch, BackendLink link) {
        inFlight.addAndGet(-batch.size());
        inFlightBytes -= batch.bytes();
        awaitedBytes -= batch.maxAnswerBytes();
        link.ended(batch.size());
    }

    /**
     * Requests the health and the time of a backend. Until the answer arrives, no other request is sent to that
     * backend.
     */
    private void requestClock(BackendLink link) {
        long sentNanos = nanoTicker.getAsLong();
        link.clockRequested();
        link.client()
                .health((reply, failure) -> tasks.add(() -> {
                    if (reply != null && serves(reply)) {
                        link.serves(reply, sentNanos);
                        return;
                    }
                    String what = reply == null
                            ? AnswerReader.describe(failure)
                            : "status " + reply.status() + " without the backend's body; is ENDPOINT a backend?";
                    link.doesNotServe(what, reply == null ? 0 : AnswerReader.retryAfterSeconds(reply));
                    limit.say(
                            "health",
                            leftOut -> LOG.warn(
                                    "{}/health: {}; sending to this backend pauses{}",
                                    link.client().base(),
                                    Printable.of(what),
                                    leftOut));
                }));
    }

    /**
     * Returns whether a reply comes from a backend that serves. Another server, such as a captive portal, may also
     * answer 200, but its {@code Date} must not be used.
     */
    private static boolean serves(Reply reply) {
        return reply.status() == 200
                && new String(reply.body(), StandardCharsets.UTF_8).strip().equals("OK");
    }

    private void take(
            Batch batch,
            BackendLink link,
            AnswerHandler handler,
            List<SubmitResult> read,
            @Nullable Reply reply,
            long sentNanos) {
        boolean isForeign = read.stream().allMatch(result -> result.kind() == SubmitResult.Kind.FOREIGN);
        boolean concernsOne = isForeign && link.concernsOne(batch);
        List<SubmitResult> results =
                concernsOne ? read.stream().map(SubmitResult::unproven).toList() : read;
        Optional<SubmitResult> outage = AnswerReader.outage(results);
        if (reply == null || outage.isPresent()) {
            link.outage(
                    outage.map(SubmitResult::text).orElse("no answer"),
                    outage.map(SubmitResult::retryAfterSeconds).orElse(0L));
        } else if (!concernsOne) {
            link.answered(reply, sentNanos);
        }
        if (reply != null && refusesBatch(batch, reply, results)) {
            sendAlone(batch, handler, results.get(0).kind() == SubmitResult.Kind.NEVER);
        } else {
            for (int i = 0; i < results.size(); i++) {
                sendFewerTogether(batch.items().get(i).queued(), batch.size(), results.get(i));
                handler.apply(
                        batch.items().get(i),
                        results.get(i),
                        reply == null ? null : reply.keys().orElse(null));
            }
            link.applyToBackend(results);
        }
        handler.finish();
    }

    /**
     * Returns whether a batch was permanently rejected as a whole. Such an answer does not show which certificate is at
     * fault.
     */
    private static boolean refusesBatch(Batch batch, Reply reply, List<SubmitResult> results) {
        SubmitResult.Kind kind = results.get(0).kind();
        return batch.size() > 1
                && reply.status() != 200
                && (kind == SubmitResult.Kind.NEVER || kind == SubmitResult.Kind.UNPROVEN);
    }

    private void sendAlone(Batch batch, AnswerHandler handler, boolean isProven) {
        for (Batch.Item item : batch.items()) {
            if (isProven) {
                handler.noteNotArrived(item.queued());
            }
            item.queued().maxTogether = 1;
            queue.retry(item.queued());
        }
    }

    /**
     * Limits the next batch of an entry that got no answer, or did not arrive as it was sent, to half the size of the
     * batch that was sent. The batch that was sent may have been too large, or may have contained a certificate that
     * makes the backend or a proxy fail.
     */
    private static void sendFewerTogether(Queued queued, int together, SubmitResult result) {
        boolean isUnanswered =
                result.kind() == SubmitResult.Kind.NO_ANSWER || result.kind() == SubmitResult.Kind.FOREIGN;
        if (together > 1 && (isUnanswered || result.status() == 408)) {
            queued.maxTogether = Math.max(1, together / 2);
        }
    }

    private long untilNextNanos() {
        long now = nanoTicker.getAsLong();
        hold.step(now);
        OptionalLong due = queue.firstDueNanos(now);
        OptionalLong probe = hold.nextProbeNanos();
        if (stopping || (due.isEmpty() && probe.isEmpty()) || inFlight.get() >= configured.options.maxInFlight()) {
            return IDLE_NANOS;
        }
        long ready = configured.links.stream()
                .mapToLong(link -> link.nextNanos(now, IDLE_NANOS))
                .min()
                .orElse(now + IDLE_NANOS);
        long dueNanos = Math.min(due.orElse(Long.MAX_VALUE), probe.orElse(Long.MAX_VALUE));
        // if an entry or a probe is due, waits until a backend may be ready; otherwise, waits until the first entry or
        // probe is due
        long wait = (dueNanos > now ? dueNanos : ready) - now;
        return Math.max(SHORTEST_WAIT_NANOS, Math.min(wait, IDLE_NANOS));
    }

    /**
     * Time and randomness, which tests replace.
     *
     * @param clock the wall clock
     * @param nanoTicker a ticker that measures durations, starts near 0 and never goes back
     * @param random the source of jitter
     */
    public record Surroundings(InstantSource clock, LongSupplier nanoTicker, RandomGenerator random) {

        /** Returns the clock, ticker and randomness of this machine. */
        public static Surroundings real() {
            long startNanos = System.nanoTime();
            return new Surroundings(
                    InstantSource.system(), () -> System.nanoTime() - startNanos, RandomGenerator.getDefault());
        }
    }

    /**
     * The state of sending at one moment.
     *
     * @param inFlight the number of certificates that wait for an answer
     * @param settledASecond the rate of settled certificates within the last minute
     * @param heldShards the number of shards that are held because a signature was rejected
     * @param heldSignatures the number of certificates that wait because their signature, or another one of their
     *     shard, was refused
     * @param laggingBackends the instances of backends that refuse the key for a shard for which another accepts it
     * @param heldCertificates the number of certificates that are held because an answer that refused them was not
     *     provably the backend's
     * @param lastHeldBecause a description of the last such answer; empty if no certificate is held
     */
    public record SendingState(
            List<Backend> backends,
            int inFlight,
            double settledASecond,
            long heldShards,
            long heldSignatures,
            List<String> laggingBackends,
            long heldCertificates,
            String lastHeldBecause) {

        /**
         * The state of one backend.
         *
         * @param url the base URL
         * @param answering false while the breaker of the backend is open; otherwise true, even if the backend was not
         *     contacted yet
         * @param lastAnswerAt the time of the last answer since the start of the agent or the last reload; empty if no
         *     answer came
         * @param pausedSeconds the remaining seconds of a pause in sending to the backend; 0 if there is no pause
         * @param window the number of certificates that may be in flight to the backend
         * @param clockAheadMillis the last measured offset of the backend's clock from the agent's clock; negative if
         *     the backend's clock is behind
         */
        public record Backend(
                String url,
                boolean answering,
                Optional<Instant> lastAnswerAt,
                long pausedSeconds,
                int window,
                long clockAheadMillis,
                Optional<Instant> lastErrorAt,
                Optional<String> lastError) {}
    }
}
