// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.program.cli.Printable;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * One backend as the sender sees it: its connections, its breaker, how far its clock is ahead, and how much it may be asked at once.
 * Owned by the sender's thread.
 */
final class Endpoint {
    private final BackendClient client;
    private final EndpointBreaker breaker;
    private final ClockOffset offset;
    private final SlowStart window;
    private long pausedUntilNanos;
    private int inFlight;
    private boolean measuring;
    /** Whether the breaker has let the next request through already. */
    private boolean permitted;

    private Optional<Trouble> lastTrouble = Optional.empty();
    private Optional<Instant> lastAnswer = Optional.empty();

    /** What went wrong last, and when. */
    record Trouble(Instant when, String what) {}

    /** What may be done with it now. */
    enum Readiness {
        /** Certificates may be sent. */
        READY,
        /** It must be asked for its time first, or whether it serves again. */
        ASK,
        /** It will be ready by itself: as much is under way as it may be asked at once, or it is being asked for its time. */
        FULL,
        /** It asked for a pause, or does not answer. */
        WAIT
    }

    Endpoint(BackendClient client, EndpointBreaker breaker, ClockOffset offset, SlowStart window) {
        this.client = client;
        this.breaker = breaker;
        this.offset = offset;
        this.window = window;
    }

    BackendClient client() {
        return client;
    }

    EndpointBreaker breaker() {
        return breaker;
    }

    ClockOffset offset() {
        return offset;
    }

    SlowStart window() {
        return window;
    }

    /** After READY and ASK a request must follow, or {@link #nothingSent}. */
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
                return whileItAnswers(); // an answer that is under way may tell
            }
            if (!ask && inFlight >= window.window()) {
                return Readiness.FULL;
            }
            permitted = breaker.tryAcquire();
        }
        if (!permitted) {
            return Readiness.WAIT;
        }
        return ask ? Readiness.ASK : Readiness.READY;
    }

    /** Only one that is known not to answer is passed over for the next. */
    private Readiness whileItAnswers() {
        return breaker.isOpen() ? Readiness.WAIT : Readiness.FULL;
    }

    /** How many certificates more it may be sent now. */
    int room() {
        return Math.max(1, window.window() - inFlight);
    }

    void nothingSent() {
        permitted = false;
        breaker.release();
    }

    void asked() {
        measuring = true;
    }

    boolean isAsked() {
        return measuring;
    }

    /** It was asked, and serves: what the breaker has let through is still to be sent. */
    void serves() {
        measuring = false;
    }

    /** It was asked, and does not serve. */
    void doesNotServe() {
        measuring = false;
        permitted = false;
    }

    void sent(int certificates) {
        permitted = false;
        inFlight += certificates;
    }

    void ended(int certificates) {
        inFlight -= certificates;
    }

    int inFlight() {
        return inFlight;
    }

    void pauseUntil(long nanos) {
        pausedUntilNanos = Math.max(pausedUntilNanos, nanos);
    }

    /** It answered, as a backend does, whatever it said. */
    void answered(Instant when) {
        lastAnswer = Optional.of(when);
    }

    Optional<Instant> lastAnswer() {
        return lastAnswer;
    }

    void trouble(Instant when, String what) {
        lastTrouble = Optional.of(new Trouble(when, Printable.of(what)));
    }

    Optional<Trouble> lastTrouble() {
        return lastTrouble;
    }

    /** When it may be ready again, on the ticker; {@code idleNanos} from now if only an answer can tell. */
    long nextNanos(long nowNanos, long idleNanos) {
        long breakerNanos = breaker.remainingNanos();
        if (pausedUntilNanos > nowNanos || breakerNanos > 0) {
            return Math.max(pausedUntilNanos, nowNanos + breakerNanos);
        }
        return nowNanos + idleNanos;
    }

    /** How long it is paused, in whole seconds, for people. */
    long pausedSeconds(long nowNanos) {
        return Math.max(0, TimeUnit.NANOSECONDS.toSeconds(pausedUntilNanos - nowNanos));
    }

    /**
     * How many certificates may wait for an answer of one endpoint: a batch at first, one after an outage, twice as many with every answer, half
     * when it says that it can't take more. So the agents that come back together after an outage do not knock their backend over. One
     * thread.
     */
    static final class SlowStart {
        private final int most;
        private int now;

        SlowStart(int first, int most) {
            this.most = most;
            this.now = Math.min(first, most);
        }

        int window() {
            return now;
        }

        /** An answer that recorded something. */
        void answered() {
            now = (int) Math.min(most, 2L * now);
        }

        /** An answer that asks for less. */
        void refused() {
            now = Math.max(1, now / 2);
        }

        /** No answer. */
        void outage() {
            now = 1;
        }
    }
}
