// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.Event;
import dev.flk.client.proto.ReplayRequest;
import dev.flk.client.proto.StateGrpc.StateBlockingStub;
import io.grpc.Context;
import io.grpc.Context.CancellableContext;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import java.util.Iterator;
import java.util.Spliterators.AbstractSpliterator;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The events of one replay, call after call where it follows. One thread takes them, any may close. */
final class ReplayedEvents extends AbstractSpliterator<StateEvent> {
    private static final long FIRST_WAIT_MILLIS = 200;
    private static final long LONGEST_WAIT_MILLIS = 5_000;

    private final StateBlockingStub stub;
    private final CancellableContext call = Context.current().withCancellation();
    private final CountDownLatch closed = new CountDownLatch(1);
    private ReplayRequest request;
    private @Nullable Iterator<Event> events;
    private long waitMillis = FIRST_WAIT_MILLIS;

    ReplayedEvents(StateBlockingStub stub, ReplayRequest request) {
        super(Long.MAX_VALUE, ORDERED | NONNULL | IMMUTABLE);
        this.stub = stub;
        this.request = request;
    }

    @Override
    public boolean tryAdvance(Consumer<? super StateEvent> action) {
        while (closed.getCount() > 0) {
            try {
                if (events == null) {
                    events = open();
                }
                if (!events.hasNext()) {
                    return false;
                }
                Event event = events.next();
                request = request.toBuilder()
                        .clearFrom()
                        .setResumeToken(event.getResumeToken())
                        .build();
                waitMillis = FIRST_WAIT_MILLIS;
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

    private Iterator<Event> open() {
        Context before = call.attach();
        try {
            return stub.replay(request);
        } finally {
            call.detach(before);
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
