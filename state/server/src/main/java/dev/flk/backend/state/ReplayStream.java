// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.state.Event;
import dev.flk.state.EventReader;
import dev.flk.state.History.Events;
import dev.flk.state.History.Token;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Head;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A replay in progress. It reads events only as fast as the caller receives them, so that a slow caller costs no memory
 * and delays no other caller. The steps of a replay run one after the other, on threads of the executor.
 */
final class ReplayStream {
    /** The maximum number of bytes that a step reads and sends, unless the first event alone is longer. */
    private static final int PART_BYTES = 64 << 10;

    private final StateEngine engine;
    private final Executor executor;
    private final ServerCallStreamObserver<dev.flk.client.proto.Event> answer;
    private final Request request;
    private final Span span;
    private final EventReader events;
    private final Consumer<ReplayStream> ended;

    /** The number of requests for a step, including the requests that the running step serves. */
    private final AtomicInteger due = new AtomicInteger();

    // written only by the steps
    private volatile long next;
    private boolean isOver;
    /** The time at which the revision before {@link #next} was committed. */
    private long lastAtMicros;
    /**
     * The revision up to which the caller needs no progress token. This is the revision of the last event or progress
     * token that was sent, or the last revision that a compaction removed before the stream read it.
     */
    private volatile long lastReported;

    private volatile boolean isProgressDue;
    private volatile @Nullable Status toEndWith;
    private volatile @Nullable Runnable endWatch;

    /**
     * The requested range. An event must be within the bounds in revisions and within the bounds in time. A revision
     * can't replace a bound in time, because a time in the future has no revision yet.
     *
     * @param from the first revision
     * @param to the first excluded revision
     * @param fromMicros the first time, in microseconds since the epoch
     * @param toMicros the first excluded time
     */
    record Span(long from, long to, long fromMicros, long toMicros) {}

    /**
     * The requested events.
     *
     * @param historyId the id of the history to which the revisions of the span belong
     * @param namespace the namespace; empty for any
     * @param agentId the agent; empty for any
     * @param wanted the keys whose changes are sent
     * @param follows whether the replay waits for further commits
     * @param wantsProgress whether the caller wants progress tokens, which allow it to resume even if it receives no
     *     events
     */
    record Request(
            String historyId,
            Span span,
            String namespace,
            String agentId,
            Predicate<StateKey> wanted,
            boolean follows,
            boolean wantsProgress) {}

    /**
     * Creates a replay; sends nothing yet.
     *
     * @param ended a callback that runs when the replay is over, for whatever reason
     */
    ReplayStream(
            StateEngine engine,
            Executor executor,
            ServerCallStreamObserver<dev.flk.client.proto.Event> answer,
            Request request,
            Consumer<ReplayStream> ended) {
        this.engine = engine;
        this.executor = executor;
        this.answer = answer;
        this.request = request;
        this.span = request.span();
        this.next = span.from();
        this.lastReported = span.from() - 1;
        this.ended = ended;
        this.events =
                engine.history().reader(request.historyId(), request.namespace(), request.agentId(), request.wanted());
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

    /** Ends the replay at its next step, even if the caller reads nothing or no events arrive. */
    void end(Status why) {
        toEndWith = why;
        wake();
    }

    /**
     * Sends a progress token soon if the caller wants progress tokens and the stream has examined revisions after the
     * last token. With the new token, a caller that receives no events can resume after the examined revisions.
     */
    void sendProgress() {
        if (request.wantsProgress() && lastReported < next - 1) {
            isProgressDue = true;
            wake();
        }
    }

    /** Requests a step. Requests that are made before the step begins are combined into one. */
    private void wake() {
        if (due.getAndIncrement() == 0) {
            run();
        }
    }

    /**
     * Takes one step. If another step was requested meanwhile, that step runs later, after the tasks that the executor
     * has already queued.
     */
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
            ended.accept(this); // the executor is shut down because the port is closed, which also ended the call
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
                send(read());
            }
        } catch (RuntimeException e) {
            isOver = true;
            answer.onError(StateService.error(e));
        }
    }

    /**
     * Reads events. If a compaction has removed revisions before the stream read them, the stream continues after the
     * removed revisions, or fails if these revisions contained changes that the stream selects.
     */
    private Events read() {
        try {
            return events.read(next, span.to(), PART_BYTES);
        } catch (StateException e) {
            if (e.reason() != Reason.COMPACTED) {
                throw e;
            }
            Token after = new Token(request.historyId(), next - 1);
            next = engine.history().resume(after, request.namespace(), request.agentId(), request.wanted()) + 1;
            lastReported = next - 1; // no token is sent for this revision, because its commit time is unknown here
            return events.read(next, span.to(), PART_BYTES);
        }
    }

    private void send(Events part) {
        for (Event event : part.events()) {
            if (event.committedAtMicros() >= span.toMicros()) {
                end();
                return;
            }
            if (event.committedAtMicros() >= span.fromMicros()) {
                answer.onNext(Messages.event(event, request.historyId()));
                lastReported = event.revision();
            }
        }
        boolean isAll = part.next() == next;
        if (!isAll) {
            next = part.next();
            lastAtMicros = part.lastAtMicros();
        }
        if (isProgressDue && lastReported < next - 1) {
            answer.onNext(Messages.progress(request.historyId(), next - 1, lastAtMicros));
            lastReported = next - 1;
        }
        isProgressDue = false;
        if (isAll) {
            waitOrEnd();
        } else {
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
        boolean isOpenEnded = request.follows() && next < span.to();
        Head head = engine.head();
        if (isOpenEnded && head.revision() >= next) {
            wake(); // commits came after the read, and the first of them may be before the end of the span
            return;
        }
        if (isOpenEnded && head.committedAtMicros() < span.toMicros()) {
            endWatch();
            endWatch = engine.history().whenBeyond(request.historyId(), next - 1, this::wake);
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
