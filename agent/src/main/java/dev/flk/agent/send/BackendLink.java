// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.Sender.SendingState;
import dev.flk.agent.send.SenderConfig.SendOptions;
import dev.flk.program.cli.Printable;
import dev.flk.program.logging.LineLimit;
import dev.flk.program.time.Breaker;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The sender's view of one backend: the connections, the circuit breaker, the clock offset, and the number of
 * certificates that may be in flight to the backend. Owned by the sender's thread.
 */
final class BackendLink {
    private static final int OUTAGES_TO_OPEN = 4;

    private static final Logger LOG = LoggerFactory.getLogger(Sender.class);

    private final BackendClient client;
    private final Backoff backoff;
    private final Breaker breaker;
    private final ClockOffset offset;
    private final int maxInFlight;
    /**
     * The number of certificates that may be in flight, from 1 to {@code maxInFlight}. The window begins with one
     * batch, and shrinks to 1 after an outage. Each answer with a 429 or 503 halves the window, and so does a refusal
     * that is not provably the backend's; any other answer that records a certificate doubles the window. Agents that
     * resume at the same time after an outage therefore do not overload their backend.
     */
    private int window;

    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final LineLimit limit;
    /** Whether there is no other backend. */
    private final boolean isOnly;

    private long pausedUntilNanos;
    private int inFlight;
    private boolean measuring;
    /** Whether the breaker has permitted a request that is not sent yet. */
    private boolean permitted;

    /** Whether the last answer to a request with certificates was the backend's. */
    private boolean hasJustAnswered;

    private Optional<Instant> lastErrorAt = Optional.empty();
    private Optional<String> lastError = Optional.empty();
    private Optional<Instant> lastAnswerAt = Optional.empty();

    /** The next action that is possible with this backend. */
    enum Readiness {
        /** Certificates may be sent. */
        READY,
        /**
         * Only a health request may be sent, because the backend's time is unknown, or because an outage of the backend
         * may be over.
         */
        ASK,
        /**
         * Nothing may be sent before the next answer arrives, because the window is full, or because the backend's time
         * is unknown and the next answer may contain it.
         */
        FULL,
        /** Nothing may be sent for some time, because sending is paused, or because the backend does not answer. */
        WAIT
    }

    BackendLink(
            BackendClient client,
            Backoff backoff,
            SendOptions options,
            InstantSource clock,
            LongSupplier nanoTicker,
            LineLimit limit,
            boolean isOnly) {
        this.client = client;
        this.backoff = backoff;
        this.breaker = breaker(backoff, nanoTicker);
        this.offset = new ClockOffset(clock, nanoTicker);
        this.maxInFlight = options.maxInFlight();
        this.window = Math.min(options.batchSize(), maxInFlight);
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.limit = limit;
        this.isOnly = isOnly;
    }

    BackendClient client() {
        return client;
    }

    /** Returns the offset of the backend's clock. */
    ClockOffset offset() {
        return offset;
    }

    /**
     * Returns a breaker that opens after {@value #OUTAGES_TO_OPEN} consecutive outages. The backoff determines how long
     * the breaker stays open.
     */
    static Breaker breaker(Backoff backoff, LongSupplier nanoTicker) {
        return new Breaker(
                OUTAGES_TO_OPEN,
                openings -> TimeUnit.NANOSECONDS.toMillis(backoff.atLeastHalfNanos(openings)),
                nanoTicker);
    }

    /** Returns whether the breaker is open or half-open. */
    boolean isOpen() {
        return breaker.isOpen();
    }

    /**
     * Returns the action that is possible now. If the result is READY or ASK, the caller must send a request or call
     * {@link #nothingSent}.
     */
    Readiness readiness(long nowNanos) {
        if (pausedUntilNanos > nowNanos) {
            return Readiness.WAIT;
        }
        if (measuring) {
            return whileItAnswers();
        }
        offset.forgetIfClockJumped();
        boolean ask = offset.unknown();
        if (!permitted) {
            ask |= breaker.isOpen();
            if (ask && inFlight > 0) {
                // waits for the requests in flight, because one of their answers may contain a Date
                return whileItAnswers();
            }
            if (!ask && inFlight >= window) {
                return Readiness.FULL;
            }
            permitted = breaker.tryAcquire();
        }
        if (!permitted) {
            return Readiness.WAIT;
        }
        return ask ? Readiness.ASK : Readiness.READY;
    }

    /**
     * Returns the readiness while an answer is awaited. If the breaker is open, the result is WAIT, and the sender
     * tries the next backend. If the breaker is closed, the result is FULL, and the sender waits for the answer.
     */
    private Readiness whileItAnswers() {
        return breaker.isOpen() ? Readiness.WAIT : Readiness.FULL;
    }

    /** Returns the number of further certificates that may be sent now, at least 1. */
    int room() {
        return Math.max(1, window - inFlight);
    }

    void nothingSent() {
        permitted = false;
        breaker.release();
    }

    void sent(int certificates) {
        permitted = false;
        inFlight += certificates;
    }

    void ended(int certificates) {
        inFlight -= certificates;
    }

    /** Notes that a request for the backend's time is under way. */
    void clockRequested() {
        measuring = true;
    }

    boolean isClockRequested() {
        return measuring;
    }

    /**
     * Notes that the backend serves, and has answered the request for its time. The breaker's permission for this
     * request remains valid: the next request to the backend uses it.
     */
    void serves(Reply reply, long sentNanos) {
        measuring = false;
        lastAnswerAt = Optional.of(clock.instant());
        if (reply.date().isEmpty()) {
            offset.keep();
        }
        measureClock(reply, sentNanos);
        if (offset.unknown()) {
            pause(backoff.afterNanos(0)); // pauses before the backend's time is requested again
        }
    }

    /**
     * Notes that a request for the backend's time failed, or that the answer to the request does not come from a
     * serving backend.
     */
    void doesNotServe(String what, long retryAfterSeconds) {
        measuring = false;
        permitted = false;
        outage(what, retryAfterSeconds);
    }

    /**
     * Returns whether a foreign answer concerns one certificate of the batch, not every certificate: the backend has
     * answered the request before. So the first of several such answers in a row holds its certificate, and the next
     * ones are outages, after which the next backend is tried. Without another backend, certificates that are held
     * already cause no outage. If the result is true, the answer says nothing about the backend, and the caller notes
     * nothing else about it.
     */
    boolean concernsOne(Batch batch) {
        boolean isHeld = batch.size() == 1 && batch.items().get(0).queued().heldBecause != null;
        boolean concernsOne = hasJustAnswered || (isHeld && isOnly);
        hasJustAnswered &= batch.size() > 1; // the certificates are sent alone next
        if (concernsOne) {
            breaker.release(); // a half-open breaker stays so until an answer comes
        }
        return concernsOne;
    }

    /** Notes that the backend has answered a request with certificates, whatever the results. */
    void answered(Reply reply, long sentNanos) {
        hasJustAnswered = true;
        boolean open = breaker.isOpen();
        lastAnswerAt = Optional.of(clock.instant());
        breaker.succeeded();
        if (open && !breaker.isOpen()) {
            limit.say("closed", leftOut -> LOG.info("{} answers again{}", client.base(), leftOut));
        }
        measureClock(reply, sentNanos);
    }

    private void measureClock(Reply reply, long sentNanos) {
        reply.date()
                .flatMap(date -> offset.measure(date, nanoTicker.getAsLong() - sentNanos))
                .ifPresent(ahead -> limit.say(
                        "date",
                        leftOut -> LOG.warn(
                                "{}: the Date of an answer differs by {} s from this machine's clock. This"
                                        + " difference does not match the offset assumed so far; the Date is ignored"
                                        + " unless the next answers confirm it{}",
                                client.base(),
                                ahead.toSeconds(),
                                leftOut)));
    }

    /**
     * Notes that a request got no answer, or an answer that does not come from a backend. Nothing is sent for {@code
     * retryAfterSeconds}.
     */
    void outage(String what, long retryAfterSeconds) {
        hasJustAnswered = false;
        boolean open = breaker.isOpen();
        breaker.failed();
        window = 1;
        failed(what);
        pause(TimeUnit.SECONDS.toNanos(retryAfterSeconds) + backoff.afterNanos(0));
        if (!open && breaker.isOpen()) {
            limit.say(
                    "open",
                    leftOut -> LOG.warn(
                            "no valid answer from {}; sending to this backend pauses until one arrives; nothing is"
                                    + " lost{}",
                            client.base(),
                            leftOut));
        }
    }

    /**
     * Applies the results of a request to the state of the backend: to the clock offset, the last error, the pause and
     * the window.
     */
    void applyToBackend(List<SubmitResult> results) {
        long atLeastSeconds = -1;
        boolean recorded = false;
        boolean unproven = false;
        for (SubmitResult result : results) {
            if (result.kind() == SubmitResult.Kind.UNPROVEN) {
                unproven = true;
                failed(result.text());
            }
            if (result.kind() == SubmitResult.Kind.IN_FUTURE) {
                offset.forget();
            }
            if (result.concernsAll()) {
                atLeastSeconds = Math.max(atLeastSeconds, result.retryAfterSeconds());
            }
            if (result.kind() == SubmitResult.Kind.LATER) {
                failed("status " + result.status() + ": " + result.text());
            }
            recorded |= result.isRecorded();
        }
        if (atLeastSeconds >= 0) {
            window = Math.max(1, window / 2);
            pause(TimeUnit.SECONDS.toNanos(atLeastSeconds) + backoff.afterNanos(0));
        } else if (recorded) {
            window = (int) Math.min(maxInFlight, 2L * window);
        } else if (unproven) {
            // after many such answers in a row and no other, a proxy refuses everything, and must not be flooded
            if (window == 1) {
                pause(backoff.afterNanos(0));
            }
            window = Math.max(1, window / 2);
        }
    }

    private void failed(String what) {
        lastErrorAt = Optional.of(clock.instant());
        lastError = Optional.of(Printable.of(what));
    }

    /**
     * Pauses sending to the backend for {@code nanos} from now. If an earlier pause ends later, that pause stays in
     * effect.
     */
    void pause(long nanos) {
        pausedUntilNanos = Math.max(pausedUntilNanos, nanoTicker.getAsLong() + nanos);
    }

    /**
     * Returns the time on the ticker at which the backend may be ready again. If neither a pause nor the breaker delays
     * the backend, only an answer can make the backend ready; the method then returns {@code nowNanos + idleNanos}.
     */
    long nextNanos(long nowNanos, long idleNanos) {
        long breakerNanos = breaker.remainingNanos();
        if (pausedUntilNanos > nowNanos || breakerNanos > 0) {
            return Math.max(pausedUntilNanos, nowNanos + breakerNanos);
        }
        return nowNanos + idleNanos;
    }

    SendingState.Backend state(long nowNanos) {
        return new SendingState.Backend(
                client.base(),
                !breaker.isOpen(),
                lastAnswerAt,
                Math.max(0, TimeUnit.NANOSECONDS.toSeconds(pausedUntilNanos - nowNanos)),
                window,
                offset.get().toMillis(),
                lastErrorAt,
                lastError);
    }
}
