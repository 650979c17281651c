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
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Bounds how many calls are under way, and the bytes of their requests and answers, over all connections; what is above is refused. */
final class CallLimit implements ServerInterceptor {
    private final int maxCalls;
    private final long maxBytes;
    private final AtomicInteger calls = new AtomicInteger();
    private final AtomicLong bytes = new AtomicLong();
    /** What streams have sent and the network has not taken; of its own, so that callers that take nothing hold up no others. */
    private final AtomicLong streamedBytes = new AtomicLong();

    CallLimit(int maxCalls, long maxBytes) {
        this.maxCalls = maxCalls;
        this.maxBytes = maxBytes;
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        if (calls.incrementAndGet() > maxCalls) {
            calls.decrementAndGet();
            refuse(call, "there are too many calls under way, " + maxCalls);
            return new ServerCall.Listener<>() {};
        }
        Held held = new Held();
        try {
            return new Counted<>(call, next.startCall(new CountedAnswer<>(call, held), headers), held);
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

    /** What one call counts, until it ends. */
    private final class Held {
        // guarded by this
        private long ofCall;
        private long ofStream;

        private boolean isOver;

        /** False if there is no room. */
        synchronized boolean add(Object message) {
            long size = message instanceof MessageLite sized && !isOver ? sized.getSerializedSize() : 0;
            if (bytes.addAndGet(size) > maxBytes) {
                bytes.addAndGet(-size);
                return false;
            }
            ofCall += size;
            return true;
        }

        synchronized boolean addToStream(Object message) {
            long size = message instanceof MessageLite sized && !isOver ? sized.getSerializedSize() : 0;
            if (streamedBytes.addAndGet(size) > maxBytes) {
                streamedBytes.addAndGet(-size);
                return false;
            }
            ofStream += size;
            return true;
        }

        /** The network has all of it. */
        synchronized void streamIsTaken() {
            streamedBytes.addAndGet(-ofStream);
            ofStream = 0;
        }

        synchronized void end() {
            if (!isOver) {
                isOver = true;
                calls.decrementAndGet();
                bytes.addAndGet(-ofCall);
                streamIsTaken();
            }
        }
    }

    /** An answer counts until its call ends; one of a stream, until the network has taken it. */
    private final class CountedAnswer<Q, A> extends SimpleForwardingServerCall<Q, A> {
        private final Held held;
        private boolean isRefused;

        CountedAnswer(ServerCall<Q, A> call, Held held) {
            super(call);
            this.held = held;
        }

        @Override
        public void sendMessage(A message) {
            if (isRefused) {
                return;
            }
            boolean isStream = getMethodDescriptor().getType() == MethodType.SERVER_STREAMING;
            // what is committed must not be told as refused; its answer is shorter than its request
            boolean hasRoom =
                    message instanceof CommitResponse || (isStream ? held.addToStream(message) : held.add(message));
            if (!hasRoom) {
                isRefused = true;
                refuse(delegate(), "answers under way take more than " + maxBytes + " bytes");
                return;
            }
            super.sendMessage(message);
            if (isStream && isReady()) {
                held.streamIsTaken();
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
            if (!held.add(message)) {
                isRefused = true;
                refuse(call, "requests under way take more than " + maxBytes + " bytes");
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
            held.streamIsTaken();
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
