// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.state.fair.FairThreads;
import dev.flk.state.fair.FairThreads.LaneId;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallExecutorSupplier;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;

/**
 * The threads on which calls run. Callers take turns, and a token occupies at most half of the threads, so that the
 * calls of one token do not wait for all calls of another.
 */
final class CallThreads implements ServerCallExecutorSupplier, AutoCloseable {
    private final Function<Metadata, Caller> callers;
    private final FairThreads threads;
    private final AtomicLong steps = new AtomicLong();

    /**
     * Creates the threads, which start when they are needed.
     *
     * @param mostOfACaller the maximum number of threads that one caller occupies
     * @param callers returns the caller that the headers of a call name
     */
    CallThreads(int mostOfACaller, Function<Metadata, Caller> callers) {
        this.callers = callers;
        this.threads = new FairThreads("state-calls", 2 * mostOfACaller, Long.MAX_VALUE);
    }

    @Override
    public <Q, A> Executor getExecutor(ServerCall<Q, A> call, Metadata headers) {
        return of(callers.apply(headers));
    }

    /** Returns the executor of a caller. It rejects steps after {@link #close}. */
    Executor of(Caller caller) {
        return step -> {
            // gRPC and replays order the steps of a call themselves
            LaneId lane = new LaneId(caller.name(), Long.toString(steps.incrementAndGet()));
            if (!threads.run(lane, new Step(step))) {
                throw new RejectedExecutionException("the port of the state is closed");
            }
        };
    }

    /** Runs the waiting steps on this thread, so that every call ends, and lets the running ones finish. */
    @Override
    public void close() {
        threads.close();
    }

    private record Step(Runnable step) implements FairThreads.Task {
        @Override
        public long weight() {
            return 0; // the number and the bytes of calls have bounds of their own
        }

        @Override
        public long order() {
            return 0;
        }

        @Override
        public boolean run() {
            step.run();
            return true;
        }

        @Override
        public void drop() {
            step.run();
        }
    }
}
