// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import com.google.protobuf.MessageLite;
import dev.flk.backend.metrics.Meters;
import dev.flk.client.proto.CommitResponse;
import dev.flk.state.StateException.Reason;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerStreamTracer;
import io.grpc.Status;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A limit on the number of calls in progress, and on the bytes of their requests and answers, over all connections;
 * calls above it are refused. A call counts against its caller, who may use half of the places. Callers without a token
 * share a few separate places and must complete their requests in time. A request counts from its first bytes on, so
 * that requests that never end are limited too. Add it to a server both as interceptor and as tracer factory, after the
 * interceptor that sets {@link Caller#CURRENT}.
 */
final class CallLimit extends ServerStreamTracer.Factory implements ServerInterceptor {
    /**
     * The multiple of the bound at which incomplete requests are cut off; complete requests above the bound get an
     * error with a reason.
     */
    private static final int PARTIAL = 4;

    /** The approximate memory of a frame besides its bytes. */
    private static final int FRAME_BYTES = 128;
    /** The maximum size of a request to health or reflection, which may need no token. */
    private static final int MAX_SMALL_BYTES = 4_096;
    /** The time in which a caller without a token must complete a request. */
    static final long STRANGER_REQUEST_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.state");

    private static final String OWN = "flk.";

    private final int maxCalls;
    private final int maxStrangers;
    private final long maxBytes;
    private final LongSupplier nanoTicker;
    private final Meters meters;
    private final Refusals refusals;
    /** The calls of callers other than strangers. */
    private final AtomicInteger calls = new AtomicInteger();

    private final ConcurrentHashMap<String, Integer> callsOf = new ConcurrentHashMap<>();
    private final AtomicInteger strangers = new AtomicInteger();
    /** The calls of strangers whose requests are incomplete. */
    private final Set<Counted<?>> incomplete = ConcurrentHashMap.newKeySet();

    private final AtomicLong requestBytes = new AtomicLong();
    private final AtomicLong answerBytes = new AtomicLong();
    /**
     * The bytes that streams have sent and the network has not taken. They are counted separately, so that a slow
     * reader does not block other callers.
     */
    private final AtomicLong streamedBytes = new AtomicLong();

    /**
     * Creates a limit without calls.
     *
     * @param maxStrangers the maximum number of calls of all callers without a token
     * @param maxBytes the maximum bytes of requests, of answers, and of data that streams have sent, each
     * @param nanoTicker monotonic time
     */
    CallLimit(int maxCalls, int maxStrangers, long maxBytes, LongSupplier nanoTicker, Meters meters) {
        this.maxCalls = maxCalls;
        this.maxStrangers = maxStrangers;
        this.maxBytes = maxBytes;
        this.nanoTicker = nanoTicker;
        this.meters = meters;
        this.refusals = new Refusals(nanoTicker);
    }

    /** Returns a description of the calls that are being refused because there are too many; empty if no call is. */
    Optional<String> refusing() {
        return refusals.latest();
    }

    /** Ends the calls of strangers that have not completed their requests in time. */
    void endSlowStrangers() {
        long now = nanoTicker.getAsLong();
        incomplete.forEach(call -> call.endIfSince(now - STRANGER_REQUEST_NANOS));
    }

    /** Takes a place; returns null on success, otherwise the reason for the refusal. */
    private @Nullable String begin(Caller caller) {
        if (caller.equals(Caller.STRANGER)) {
            if (strangers.incrementAndGet() > maxStrangers) {
                strangers.decrementAndGet();
                return refused("without_token", "too many calls without a token", "");
            }
            return null;
        }
        int most = caller.equals(Caller.ANYONE) ? maxCalls : Math.max(1, maxCalls / 2);
        int own = callsOf.merge(caller.name(), 1, Integer::sum);
        if (calls.incrementAndGet() > maxCalls || own > most) {
            end(caller);
            return own > most && most < maxCalls
                    ? refused("calls", "too many calls of one token", ", " + caller.name())
                    : refused("calls", "too many calls", "");
        }
        return null;
    }

    /** @param who the caller, for the log only: strangers may read the result of {@link #refusing} */
    private String refused(String cause, String what, String who) {
        meters.stateCallRefused(cause);
        refusals.report(
                cause,
                what,
                leftOut ->
                        LOG.warn("there are {} to the state{}; more are refused until some end{}", what, who, leftOut));
        return what;
    }

    private void end(Caller caller) {
        if (caller.equals(Caller.STRANGER)) {
            strangers.decrementAndGet();
        } else {
            calls.decrementAndGet();
            callsOf.computeIfPresent(caller.name(), (name, count) -> count == 1 ? null : count - 1);
        }
    }

    @Override
    public ServerStreamTracer newServerStreamTracer(String fullMethodName, Metadata headers) {
        return new Arriving(fullMethodName.startsWith(OWN) ? Long.MAX_VALUE : MAX_SMALL_BYTES);
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        Caller caller = Caller.CURRENT.get();
        String tooMany = begin(caller);
        if (tooMany != null) {
            refuse(call, "there are " + tooMany + " under way");
            return new ServerCall.Listener<>() {};
        }
        boolean isStream = call.getMethodDescriptor().getType() == MethodType.SERVER_STREAMING;
        Held held = new Held(caller, isStream ? streamedBytes : answerBytes);
        try {
            Counted<Q> counted =
                    new Counted<>(call, next.startCall(new CountedAnswer<>(call, held, isStream), headers), held);
            if (caller.equals(Caller.STRANGER)) {
                incomplete.add(counted);
            }
            return counted;
        } catch (RuntimeException e) {
            held.end();
            throw e;
        }
    }

    private static void refuse(ServerCall<?, ?> call, String why) {
        StateErrors.close(call, Reason.TOO_MANY_TX.because(why + "; try again in a moment"));
    }

    private String tooLong() {
        return "requests under way take more than " + maxBytes + " bytes";
    }

    /** The request of one call; an exception ends the call. */
    private final class Arriving extends ServerStreamTracer {
        private final long most;
        // guarded by this
        private long arrived;
        private boolean isOver;

        Arriving(long most) {
            this.most = most;
        }

        @Override
        public synchronized void inboundWireSize(long more) {
            if (isOver) {
                return;
            }
            arrived += more + FRAME_BYTES;
            if (requestBytes.addAndGet(more + FRAME_BYTES) > PARTIAL * maxBytes) {
                throw Status.RESOURCE_EXHAUSTED.withDescription(tooLong()).asRuntimeException();
            }
            if (arrived > most) {
                throw Status.RESOURCE_EXHAUSTED
                        .withDescription("the request is longer than " + most + " bytes")
                        .asRuntimeException();
            }
        }

        @Override
        public synchronized void streamClosed(Status status) {
            isOver = true;
            requestBytes.addAndGet(-arrived);
            arrived = 0;
        }
    }

    /** The place of a call and the bytes of its answers, held until the call ends. */
    private final class Held {
        private final Caller caller;
        private final AtomicLong answers;
        // guarded by this
        private long taken;
        private boolean isOver;

        Held(Caller caller, AtomicLong answers) {
            this.caller = caller;
            this.answers = answers;
        }

        /** Adds the bytes of an answer; returns false if there is no room. */
        synchronized boolean add(Object message) {
            long size = message instanceof MessageLite sized && !isOver ? sized.getSerializedSize() : 0;
            if (answers.addAndGet(size) > maxBytes) {
                answers.addAndGet(-size);
                return false;
            }
            taken += size;
            return true;
        }

        /** Releases the bytes after the network has taken all of them. */
        synchronized void isTaken() {
            answers.addAndGet(-taken);
            taken = 0;
        }

        synchronized void end() {
            if (!isOver) {
                isOver = true;
                CallLimit.this.end(caller);
                isTaken();
            }
        }
    }

    /**
     * Counts the answers of a call: a plain answer until its call ends, an answer of a stream until the network has
     * taken it.
     */
    private final class CountedAnswer<Q, A> extends SimpleForwardingServerCall<Q, A> {
        private final Held held;
        private final boolean isStream;
        private boolean isRefused;

        CountedAnswer(ServerCall<Q, A> call, Held held, boolean isStream) {
            super(call);
            this.held = held;
            this.isStream = isStream;
        }

        @Override
        public void sendMessage(A message) {
            if (isRefused) {
                return;
            }
            // a commit that took effect must not be answered as refused; its answer is shorter than its request
            if (!(message instanceof CommitResponse) && !held.add(message)) {
                isRefused = true;
                refuse(delegate(), "answers under way take more than " + maxBytes + " bytes");
                return;
            }
            super.sendMessage(message);
            if (isStream && isReady()) {
                held.isTaken();
            }
        }

        @Override
        public void close(Status status, Metadata trailers) {
            if (!isRefused) {
                super.close(status, trailers);
            }
        }
    }

    /** The requests of one call. gRPC uses one thread at a time for a call, and ends it exactly once. */
    private final class Counted<Q> extends SimpleForwardingServerCallListener<Q> {
        private final ServerCall<Q, ?> call;
        private final Held held;
        private final long beganNanos = nanoTicker.getAsLong();
        /** Set by the end of the request or by the end of its time, whichever comes first. */
        private final AtomicBoolean isComplete = new AtomicBoolean();

        private boolean isRefused;

        Counted(ServerCall<Q, ?> call, ServerCall.Listener<Q> next, Held held) {
            super(next);
            this.call = call;
            this.held = held;
        }

        @Override
        public void onMessage(Q message) {
            if (requestBytes.get() > maxBytes) {
                isRefused = true;
                refuse(call, tooLong());
                return;
            }
            super.onMessage(message);
        }

        /**
         * Ends a call that began before {@code nanos}. Any thread: the handler does nothing with the call until its
         * request is complete.
         */
        void endIfSince(long nanos) {
            if (beganNanos - nanos <= 0 && isComplete.compareAndSet(false, true)) {
                incomplete.remove(this);
                call.close(
                        Status.DEADLINE_EXCEEDED.withDescription("the request was not complete within "
                                + TimeUnit.NANOSECONDS.toSeconds(STRANGER_REQUEST_NANOS)
                                + " s, the time of calls without a token"),
                        new Metadata());
            }
        }

        @Override
        public void onHalfClose() {
            incomplete.remove(this);
            if (isComplete.compareAndSet(false, true) && !isRefused) {
                super.onHalfClose();
            }
        }

        @Override
        public void onReady() {
            if (call.getMethodDescriptor().getType() == MethodType.SERVER_STREAMING) {
                held.isTaken();
            }
            super.onReady();
        }

        @Override
        public void onComplete() {
            incomplete.remove(this);
            held.end();
            super.onComplete();
        }

        @Override
        public void onCancel() {
            incomplete.remove(this);
            held.end();
            super.onCancel();
        }
    }
}
