// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import com.google.protobuf.MessageLite;
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
import io.grpc.StatusRuntimeException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Bounds how many calls are under way, and the bytes of their requests and answers, over all connections; what is above is refused. A
 * request counts from its first bytes on, so that those that never end are bounded too. To be added to a server as both of its bases.
 */
final class CallLimit extends ServerStreamTracer.Factory implements ServerInterceptor {
    /** Requests are refused in words when they are whole; beyond so many times their bound, before. */
    private static final int PARTIAL = 4;

    /** What a frame takes in memory beside its bytes, about. */
    private static final int FRAME_BYTES = 128;
    /** Of a request to health or reflection, which may need no token. */
    private static final int MAX_SMALL_BYTES = 4_096;

    private static final String OWN = "flk.";

    private final int maxCalls;
    private final long maxBytes;
    private final AtomicInteger calls = new AtomicInteger();
    private final AtomicLong requestBytes = new AtomicLong();
    private final AtomicLong answerBytes = new AtomicLong();
    /** What streams have sent and the network has not taken; of its own, so that callers that take nothing hold up no others. */
    private final AtomicLong streamedBytes = new AtomicLong();

    /** @param maxBytes of requests, of answers, and of what streams have sent, each */
    CallLimit(int maxCalls, long maxBytes) {
        this.maxCalls = maxCalls;
        this.maxBytes = maxBytes;
    }

    @Override
    public ServerStreamTracer newServerStreamTracer(String fullMethodName, Metadata headers) {
        return new Arriving(fullMethodName.startsWith(OWN) ? Long.MAX_VALUE : MAX_SMALL_BYTES);
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        if (calls.incrementAndGet() > maxCalls) {
            calls.decrementAndGet();
            refuse(call, "there are too many calls under way, " + maxCalls);
            return new ServerCall.Listener<>() {};
        }
        boolean isStream = call.getMethodDescriptor().getType() == MethodType.SERVER_STREAMING;
        Held held = new Held(isStream ? streamedBytes : answerBytes);
        try {
            return new Counted<>(call, next.startCall(new CountedAnswer<>(call, held, isStream), headers), held);
        } catch (RuntimeException e) {
            held.end();
            throw e;
        }
    }

    private static void refuse(ServerCall<?, ?> call, String why) {
        StatusRuntimeException refusal = StateErrors.of(Reason.TOO_MANY_TX.because(why + "; try again in a moment"));
        Metadata trailers = refusal.getTrailers();
        call.close(refusal.getStatus(), trailers == null ? new Metadata() : trailers);
    }

    private String tooLong() {
        return "requests under way take more than " + maxBytes + " bytes";
    }

    /** The request of one call; what is thrown ends the call. */
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

    /** That a call is under way, and what its answers take, until it ends. */
    private final class Held {
        private final AtomicLong answers;
        // guarded by this
        private long taken;
        private boolean isOver;

        Held(AtomicLong answers) {
            this.answers = answers;
        }

        /** False if there is no room. */
        synchronized boolean add(Object message) {
            long size = message instanceof MessageLite sized && !isOver ? sized.getSerializedSize() : 0;
            if (answers.addAndGet(size) > maxBytes) {
                answers.addAndGet(-size);
                return false;
            }
            taken += size;
            return true;
        }

        /** The network has all of it. */
        synchronized void isTaken() {
            answers.addAndGet(-taken);
            taken = 0;
        }

        synchronized void end() {
            if (!isOver) {
                isOver = true;
                calls.decrementAndGet();
                isTaken();
            }
        }
    }

    /** An answer counts until its call ends; one of a stream, until the network has taken it. */
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
            // what is committed must not be told as refused; its answer is shorter than its request
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

    /** One call; gRPC calls it by one thread at a time, and one of the two ends once. */
    private final class Counted<Q> extends SimpleForwardingServerCallListener<Q> {
        private final ServerCall<Q, ?> call;
        private final Held held;
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

        @Override
        public void onHalfClose() {
            if (!isRefused) {
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
            held.end();
            super.onComplete();
        }

        @Override
        public void onCancel() {
            held.end();
            super.onCancel();
        }
    }
}
