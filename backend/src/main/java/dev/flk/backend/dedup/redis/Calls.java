// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.redis;

import dev.flk.backend.dedup.StoreUnavailableException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The calls of one session that were not answered yet. The first failure is the failure of them all, and of those to come, so that
 * no call goes on from an unknown effect of an earlier one. Stages complete on the thread of the answers. For any thread.
 */
final class Calls {
    private final Endpoint endpoint;
    private final ExecutorService answers;
    private final Runnable afterFailure;

    // guarded by this
    private final Map<Long, CompletableFuture<?>> outstanding = new LinkedHashMap<>();
    private long begun;
    private @Nullable StoreUnavailableException failure;

    /**
     * @param answers one thread
     * @param afterFailure runs once, on the thread that noticed it
     */
    Calls(Endpoint endpoint, ExecutorService answers, Runnable afterFailure) {
        this.endpoint = endpoint;
        this.answers = answers;
        this.afterFailure = afterFailure;
    }

    /**
     * Makes a call, and reads its reply on the thread of the answers. What fails there fails all; but an
     * {@link IllegalArgumentException} of {@code read} concerns this call alone.
     */
    <R, T> CompletionStage<T> ask(Supplier<CompletionStage<R>> call, Function<R, T> read) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        long number;
        synchronized (this) {
            if (failure != null) {
                return CompletableFuture.failedFuture(failure);
            }
            number = ++begun;
            outstanding.put(number, answer);
        }
        try {
            call.get().whenCompleteAsync((reply, failed) -> settle(number, answer, reply, failed, read), answers);
        } catch (RuntimeException e) {
            fail(endpoint.unavailable(e));
        }
        return answer;
    }

    private <R, T> void settle(
            long number, CompletableFuture<T> answer, R reply, @Nullable Throwable failed, Function<R, T> read) {
        if (failed != null) {
            fail(endpoint.unavailable(failed));
            return;
        }
        try {
            T result = read.apply(reply);
            if (end(number)) {
                answer.complete(result);
            }
        } catch (IllegalArgumentException e) {
            if (end(number)) {
                answer.completeExceptionally(endpoint.unavailable(e));
            }
        } catch (RuntimeException e) {
            fail(endpoint.unavailable(e));
        }
    }

    private synchronized boolean end(long number) {
        return outstanding.remove(number) != null;
    }

    /** Fails all, unless they have failed before. */
    void fail(StoreUnavailableException reason) {
        List<CompletableFuture<?>> left;
        synchronized (this) {
            if (failure != null) {
                return;
            }
            failure = reason;
            left = new ArrayList<>(outstanding.values());
            outstanding.clear();
        }
        afterFailure.run();
        Runnable tell = () -> left.forEach(answer -> answer.completeExceptionally(reason));
        try {
            answers.execute(tell);
        } catch (RejectedExecutionException closed) {
            tell.run();
        }
    }

    /** Why they failed; empty while they have not. */
    synchronized Optional<StoreUnavailableException> failure() {
        return Optional.ofNullable(failure);
    }
}
