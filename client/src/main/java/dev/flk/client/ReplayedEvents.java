// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.Event;
import dev.flk.client.proto.ReplayRequest;
import dev.flk.client.proto.StateGrpc.StateStub;
import io.grpc.Context;
import io.grpc.Context.CancellableContext;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.Spliterators.AbstractSpliterator;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The events of one replay, call after call where it follows. One thread takes them, any may close. */
final class ReplayedEvents extends AbstractSpliterator<StateEvent> {
    private static final long FIRST_WAIT_MILLIS = 200;
    private static final long LONGEST_WAIT_MILLIS = 5_000;

    /** As many small events are asked for before they are taken; large ones one by one. */
    private static final int AHEAD = 32;

    private static final int LARGE_BYTES = 32 << 10;

    private final StateStub stub;
    private final CancellableContext call = Context.current().withCancellation();
    private final CountDownLatch closed = new CountDownLatch(1);
    private ReplayRequest request;
    private @Nullable Answers events;
    private long waitMillis = FIRST_WAIT_MILLIS;

    ReplayedEvents(StateStub stub, ReplayRequest request) {
        super(Long.MAX_VALUE, ORDERED | NONNULL | IMMUTABLE);
        this.stub = stub.withExecutor(Runnable::run);
        this.request = request;
    }

    @Override
    public boolean tryAdvance(Consumer<? super StateEvent> action) {
        while (closed.getCount() > 0) {
            try {
                if (events == null) {
                    events = open();
                }
                Event event = events.next();
                if (event == null) {
                    return false;
                }
                request = request.toBuilder()
                        .clearFrom()
                        .setResumeToken(event.getResumeToken())
                        .build();
                waitMillis = FIRST_WAIT_MILLIS;
                if (event.getChangesCount() == 0) {
                    continue; // progress, of which the token is all
                }
                action.accept(StateClient.event(event));
                return true;
            } catch (StatusRuntimeException e) {
                if (closed.getCount() == 0) {
                    return false;
                }
                if (!request.getFollow() || !isLost(e.getStatus().getCode())) {
                    throw StateCallException.of(e);
                }
                events = null;
                waitUnlessClosed();
            }
        }
        return false;
    }

    /** A server that ends resets its streams, which shows as CANCELLED; nobody here cancelled. */
    private static boolean isLost(Code code) {
        return code == Code.UNAVAILABLE || code == Code.CANCELLED;
    }

    private Answers open() {
        Answers answers = new Answers();
        Context before = call.attach();
        try {
            stub.replay(request, answers);
        } finally {
            call.detach(before);
        }
        return answers;
    }

    /** What one call brings: events, and its end. Filled by gRPC's thread, taken by the reader's. */
    private static final class Answers implements ClientResponseObserver<ReplayRequest, Event> {
        private static final Object END = new Object();

        private final LinkedBlockingQueue<Object> arrived = new LinkedBlockingQueue<>();
        private @Nullable ClientCallStreamObserver<ReplayRequest> source;
        // of the reader
        private int ahead = 1;
        private int asked = 1;

        @Override
        public void beforeStart(ClientCallStreamObserver<ReplayRequest> started) {
            source = started;
            started.disableAutoRequestWithInitial(1);
        }

        @Override
        public void onNext(Event event) {
            arrived.add(event);
        }

        @Override
        public void onError(Throwable cause) {
            arrived.add(cause);
        }

        @Override
        public void onCompleted() {
            arrived.add(END);
        }

        /** Waits for it; null at the end. */
        @Nullable
        Event next() {
            Object next;
            try {
                next = arrived.take();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw Status.CANCELLED
                        .withDescription("interrupted")
                        .withCause(e)
                        .asRuntimeException();
            }
            if (next instanceof Event event) {
                asked--;
                ahead = event.getSerializedSize() > LARGE_BYTES ? 1 : Math.min(AHEAD, 2 * ahead);
                if (source != null && 2 * asked <= ahead) {
                    source.request(ahead - asked);
                    asked = ahead;
                }
                return event;
            }
            if (next instanceof Throwable cause) {
                throw Status.fromThrowable(cause).asRuntimeException(Status.trailersFromThrowable(cause));
            }
            return null;
        }
    }

    private void waitUnlessClosed() {
        try {
            if (!closed.await(waitMillis, TimeUnit.MILLISECONDS)) {
                waitMillis = Math.min(LONGEST_WAIT_MILLIS, waitMillis * 2);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            close();
        }
    }

    void close() {
        closed.countDown();
        boolean unused = call.cancel(null);
    }
}
