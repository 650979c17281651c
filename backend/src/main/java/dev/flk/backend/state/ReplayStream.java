// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.state.Event;
import dev.flk.state.Key;
import dev.flk.state.StateEngine;
import dev.flk.state.StateEngine.Events;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * One replay: reads events as fast as its caller takes them, and no faster, so that a slow one costs no memory and keeps nobody up. Its
 * steps run one after the other, on threads of the executor.
 */
final class ReplayStream {
    /** Sent at once, however slowly the caller takes it; one event may be longer. */
    private static final int PART_BYTES = 64 << 10;

    private final StateEngine engine;
    private final Executor executor;
    private final ServerCallStreamObserver<dev.flk.client.proto.Event> answer;
    private final Span span;
    private final boolean follows;
    private final String namespace;
    private final Predicate<Key> wanted;
    private final String historyId;
    private final Consumer<ReplayStream> ended;

    /** How often a step was asked for since the last one began. */
    private final AtomicInteger due = new AtomicInteger();

    // of the step
    private long next;
    private boolean isOver;
    private volatile @Nullable Status toEndWith;
    private volatile @Nullable Runnable endWatch;

    /**
     * What is asked for. A time that was not reached yet stands for no revision, so that both bounds hold.
     *
     * @param from the first revision
     * @param to the first one that is left out
     * @param fromMicros the first time, since the epoch
     * @param toMicros the first one that is left out
     */
    record Span(long from, long to, long fromMicros, long toMicros) {}

    /**
     * Nothing is sent yet.
     *
     * @param namespace empty: any
     * @param wanted which changes
     * @param ended is told when it is over, however
     */
    ReplayStream(
            StateEngine engine,
            Executor executor,
            ServerCallStreamObserver<dev.flk.client.proto.Event> answer,
            Span span,
            boolean follows,
            String namespace,
            Predicate<Key> wanted,
            Consumer<ReplayStream> ended) {
        this.engine = engine;
        this.executor = executor;
        this.answer = answer;
        this.next = span.from();
        this.span = span;
        this.follows = follows;
        this.namespace = namespace;
        this.wanted = wanted;
        this.ended = ended;
        this.historyId = engine.head().historyId();
    }

    void start() {
        answer.setOnReadyHandler(this::wake);
        answer.setOnCancelHandler(() -> {
            endWatch();
            ended.accept(this);
        });
        answer.setOnCloseHandler(() -> ended.accept(this));
        wake();
    }

    /** Ends it soon, wherever it is. */
    void end(Status why) {
        toEndWith = why;
        wake();
    }

    /** Takes a step some time soon; several that are asked for meanwhile are one. */
    private void wake() {
        if (due.getAndIncrement() == 0) {
            run();
        }
    }

    /** One step; others get the thread in between. */
    private void steps() {
        int served = due.get();
        step();
        if (due.addAndGet(-served) > 0) {
            run();
        }
    }

    private void run() {
        try {
            executor.execute(this::steps);
        } catch (RejectedExecutionException e) {
            ended.accept(this); // the port is closed, which ended the call
        }
    }

    private void step() {
        if (isOver || answer.isCancelled()) {
            return;
        }
        try {
            Status why = toEndWith;
            if (why != null) {
                isOver = true;
                endWatch();
                answer.onError(why.asRuntimeException());
            } else if (answer.isReady()) {
                send(engine.events(next, span.to(), namespace, wanted, PART_BYTES));
            }
        } catch (RuntimeException e) {
            isOver = true;
            answer.onError(StateService.error(e));
        }
    }

    private void send(Events part) {
        for (Event event : part.events()) {
            if (event.committedAtMicros() >= span.toMicros()) {
                end();
                return;
            }
            if (event.committedAtMicros() >= span.fromMicros()) {
                answer.onNext(Messages.event(event, historyId));
            }
        }
        if (part.next() == next) {
            waitOrEnd();
        } else {
            next = part.next();
            wake();
        }
    }

    private void endWatch() {
        Runnable end = endWatch;
        if (end != null) {
            end.run();
        }
    }

    private void waitOrEnd() {
        if (follows && next < span.to() && engine.head().committedAtMicros() < span.toMicros()) {
            endWatch();
            endWatch = engine.whenBeyond(next - 1, this::wake);
            if (answer.isCancelled()) {
                endWatch();
            }
            return;
        }
        end();
    }

    private void end() {
        isOver = true;
        answer.onCompleted();
    }
}
