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

/**
 * The events of one replay. A replay that follows new commits makes a new call whenever the connection is lost. One
 * thread reads the events; any thread may close the replay.
 */
final class ReplayedEvents extends AbstractSpliterator<StateEvent> {
    private static final long INITIAL_BACKOFF_MILLIS = 200;
    private static final long MAX_BACKOFF_MILLIS = 5_000;

    /**
     * The maximum number of small events that the server may send before they are read. Large events are requested one
     * by one.
     */
    private static final int MAX_WINDOW = 32;

    private static final int LARGE_EVENT_BYTES = 32 << 10;

    private final StateStub stub;
    private final CancellableContext call = Context.current().withCancellation();
    private final CountDownLatch closed = new CountDownLatch(1);
    private ReplayRequest request;
    private @Nullable Responses events;
    private long backoffMillis = INITIAL_BACKOFF_MILLIS;

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
                    close();
                    return false;
                }
                request = request.toBuilder()
                        .clearFrom()
                        .setResumeToken(event.getResumeToken())
                        .build();
                backoffMillis = INITIAL_BACKOFF_MILLIS;
                if (event.getChangesCount() == 0) {
                    continue; // A progress event has only a token.
                }
                action.accept(Messages.event(event));
                return true;
            } catch (StatusRuntimeException e) {
                if (closed.getCount() == 0) {
                    return false;
                }
                if (!request.getFollow() || !isLost(e.getStatus())) {
                    close();
                    throw StateCallException.of(e);
                }
                events = null;
                waitUnlessClosed();
            }
        }
        return false;
    }

    /**
     * Returns whether a call that failed with {@code status} has lost its connection. CANCELLED counts as lost, because
     * a server that shuts down resets its streams with this code. This method is not called for a call that {@link
     * #close} cancelled.
     */
    private static boolean isLost(Status status) {
        Code code = status.getCode();
        return code == Code.UNAVAILABLE || code == Code.CANCELLED || StateCallException.isConnectionClosed(status);
    }

    private Responses open() {
        Responses responses = new Responses();
        Context previous = call.attach();
        try {
            stub.replay(request, responses);
        } finally {
            call.detach(previous);
        }
        return responses;
    }

    /**
     * The responses of one call: the events, followed by an object that marks the end. A gRPC thread adds the
     * responses; the reader's thread removes them.
     */
    private static final class Responses implements ClientResponseObserver<ReplayRequest, Event> {
        private static final Object END = new Object();

        private final LinkedBlockingQueue<Object> arrived = new LinkedBlockingQueue<>();
        private @Nullable ClientCallStreamObserver<ReplayRequest> source;
        // the next two fields are used only by the reader's thread
        private int window = 1;
        private int requested = 1;

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

        /** Waits for the next event; returns null at the end of the call. */
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
                requested--;
                window = event.getSerializedSize() > LARGE_EVENT_BYTES ? 1 : Math.min(MAX_WINDOW, 2 * window);
                if (source != null && 2 * requested <= window) {
                    source.request(window - requested);
                    requested = window;
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
            if (!closed.await(backoffMillis, TimeUnit.MILLISECONDS)) {
                backoffMillis = Math.min(MAX_BACKOFF_MILLIS, backoffMillis * 2);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            close();
        }
    }

    void close() {
        closed.countDown();
        call.cancel(null);
    }
}
