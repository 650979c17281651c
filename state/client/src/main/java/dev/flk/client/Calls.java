// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.StateGrpc;
import dev.flk.client.proto.StateGrpc.StateBlockingStub;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/** The calls of a {@link StateClient}, each with its timeout and its retries. Safe for any thread. */
final class Calls {
    private static final long INITIAL_BACKOFF_MILLIS = 100;
    private static final long MAX_BACKOFF_MILLIS = 2_000;

    private final ManagedChannel channel;
    private final StateBlockingStub stub;
    private final Duration timeout;
    private final boolean retries;

    /** @param timeout the maximum total time of all tries of a call */
    Calls(ManagedChannel channel, Duration timeout, boolean retries) {
        this.channel = channel;
        this.stub = StateGrpc.newBlockingStub(channel);
        this.timeout = timeout;
        this.retries = retries;
    }

    /**
     * Makes calls for all pages of a list, in order.
     *
     * @param call makes a call for the page with a token; empty for the first page
     * @param next returns the token of the page after this one; empty for the last page
     */
    <P> void pages(BiFunction<StateBlockingStub, String, P> call, Function<P, String> next, Consumer<P> pages) {
        String token = "";
        do {
            String pageToken = token;
            P page = call(timed -> call.apply(timed, pageToken));
            pages.accept(page);
            token = next.apply(page);
        } while (!token.isEmpty());
    }

    <T> T call(Function<StateBlockingStub, T> call) {
        return call(timeout, call);
    }

    /**
     * Makes a call. Repeats it after transient failures, unless retries are off, until the time has elapsed. If the last
     * failure is transient, and an earlier try may have taken effect, throws the failure of the earlier try, so that
     * callers do not treat a commit as failed that may have taken effect.
     *
     * @param maxDuration the maximum total time of all tries; if the timeout is shorter, the timeout applies
     */
    <T> T call(Duration maxDuration, Function<StateBlockingStub, T> call) {
        Duration shorter = maxDuration.compareTo(timeout) < 0 ? maxDuration : timeout;
        long endNanos = System.nanoTime() + shorter.toNanos();
        long backoffMillis = INITIAL_BACKOFF_MILLIS;
        StateCallException unknown = null; // the last failure after which the call may have taken effect
        while (true) {
            try {
                return call.apply(stub.withDeadlineAfter(endNanos - System.nanoTime(), TimeUnit.NANOSECONDS));
            } catch (StatusRuntimeException e) {
                StateCallException failure = StateCallException.of(e);
                long millis = ThreadLocalRandom.current().nextLong(backoffMillis / 2, backoffMillis);
                boolean isInTime = endNanos - System.nanoTime() > TimeUnit.MILLISECONDS.toNanos(millis)
                        && !Context.current().isCancelled();
                if (!retries || !failure.isTransient() || !isInTime || channel.isShutdown()) {
                    throw unknown != null && failure.isTransient() ? unknown : failure;
                }
                waitFor(millis, failure);
                unknown = failure.isUnknown() ? failure : unknown;
                backoffMillis = Math.min(MAX_BACKOFF_MILLIS, 2 * backoffMillis);
                channel.resetConnectBackoff(); // Without this reset, gRPC's own backoff might prevent the next attempt.
            }
        }
    }

    private static void waitFor(long millis, StateCallException failure) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failure;
        }
    }

    /** Makes a call once, without retries. */
    static <T> T once(Supplier<T> call) {
        try {
            return call.get();
        } catch (StatusRuntimeException e) {
            throw StateCallException.of(e);
        }
    }
}
