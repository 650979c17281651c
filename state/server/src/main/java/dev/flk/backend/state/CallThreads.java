// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallExecutorSupplier;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * The threads on which calls run. Callers take turns, and a token occupies at most half of the threads, so that the
 * calls of one token do not wait for all calls of another. The number and the bytes of calls that wait have bounds of
 * their own ({@link CallLimit}).
 */
final class CallThreads implements ServerCallExecutorSupplier, AutoCloseable {
    private final Function<Metadata, Caller> callers;
    private final int mostOfACaller;
    private final int most;
    private final ExecutorService threads;
    // guarded by this
    private final Map<String, Steps> byCaller = new HashMap<>();
    /** The callers that may run another step, in the order of their turns. */
    private final ArrayDeque<Steps> turns = new ArrayDeque<>();

    private int running;
    private boolean isClosed;

    /** The steps of a caller. */
    private static final class Steps {
        private final String caller;
        private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();
        private int running;
        private boolean hasTurn;

        Steps(String caller) {
            this.caller = caller;
        }
    }

    /**
     * Creates the threads, which start when they are needed.
     *
     * @param mostOfACaller the maximum number of threads that one caller occupies
     * @param callers returns the caller that the headers of a call name
     */
    CallThreads(int mostOfACaller, Function<Metadata, Caller> callers) {
        this.callers = callers;
        this.mostOfACaller = mostOfACaller;
        this.most = 2 * mostOfACaller;
        ThreadPoolExecutor pool =
                new ThreadPoolExecutor(most, most, 1, TimeUnit.MINUTES, new LinkedBlockingQueue<>(most), step -> {
                    Thread thread = new Thread(step, "state-calls");
                    thread.setDaemon(true);
                    return thread;
                });
        pool.allowCoreThreadTimeOut(true);
        this.threads = pool;
    }

    @Override
    public <Q, A> Executor getExecutor(ServerCall<Q, A> call, Metadata headers) {
        return of(callers.apply(headers));
    }

    /**
     * Returns the executor of a caller, whose steps may run concurrently; gRPC and replays order the steps of a call
     * themselves. It rejects steps after {@link #close}.
     */
    Executor of(Caller caller) {
        return step -> add(caller.name(), step);
    }

    private synchronized void add(String caller, Runnable step) {
        if (isClosed) {
            throw new RejectedExecutionException("the port of the state is closed");
        }
        Steps steps = byCaller.computeIfAbsent(caller, Steps::new);
        steps.waiting.add(step);
        giveTurn(steps);
        start();
    }

    private void giveTurn(Steps steps) {
        if (!steps.hasTurn && !steps.waiting.isEmpty() && steps.running < mostOfACaller) {
            steps.hasTurn = true;
            turns.add(steps);
        }
    }

    private void start() {
        while (running < most && !turns.isEmpty() && !isClosed) {
            Steps steps = turns.remove();
            steps.hasTurn = false;
            Runnable step = steps.waiting.remove();
            running++;
            steps.running++;
            giveTurn(steps);
            threads.execute(() -> run(steps, step));
        }
    }

    private void run(Steps steps, Runnable step) {
        try {
            step.run();
        } finally {
            ended(steps);
        }
    }

    private synchronized void ended(Steps steps) {
        running--;
        steps.running--;
        if (steps.running == 0 && steps.waiting.isEmpty()) {
            byCaller.remove(steps.caller);
        }
        giveTurn(steps);
        start();
    }

    /** Runs the waiting steps on this thread, so that every call ends, and lets the running ones finish. */
    @Override
    public void close() {
        List<Runnable> waiting = new ArrayList<>();
        synchronized (this) {
            isClosed = true;
            for (Steps steps : byCaller.values()) {
                waiting.addAll(steps.waiting);
                steps.waiting.clear();
            }
            turns.clear();
            threads.shutdown();
        }
        waiting.forEach(Runnable::run);
    }
}
