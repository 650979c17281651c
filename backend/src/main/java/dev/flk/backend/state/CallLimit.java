// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import com.google.protobuf.MessageLite;
import dev.flk.state.StateException.Reason;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.StatusRuntimeException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Bounds how many calls are under way, and the bytes of their requests, over all connections; what is above is refused. */
final class CallLimit implements ServerInterceptor {
    private final int maxCalls;
    private final long maxBytes;
    private final AtomicInteger calls = new AtomicInteger();
    private final AtomicLong bytes = new AtomicLong();

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
        return new Counted<>(call, next.startCall(call, headers));
    }

    private static void refuse(ServerCall<?, ?> call, String why) {
        StatusRuntimeException refusal = StateErrors.of(Reason.TOO_MANY_TX.because(why + "; try again in a moment"));
        Metadata trailers = refusal.getTrailers();
        call.close(refusal.getStatus(), trailers == null ? new Metadata() : trailers);
    }

    /** One call; gRPC calls it by one thread at a time, and one of the two ends once. */
    private final class Counted<Q> extends SimpleForwardingServerCallListener<Q> {
        private final ServerCall<Q, ?> call;
        private long ofRequest;
        private boolean isRefused;

        Counted(ServerCall<Q, ?> call, ServerCall.Listener<Q> next) {
            super(next);
            this.call = call;
        }

        @Override
        public void onMessage(Q message) {
            long size = message instanceof MessageLite sized ? sized.getSerializedSize() : 0;
            if (bytes.addAndGet(size) > maxBytes) {
                bytes.addAndGet(-size);
                isRefused = true;
                refuse(call, "requests under way take more than " + maxBytes + " bytes");
                return;
            }
            ofRequest += size;
            super.onMessage(message);
        }

        @Override
        public void onHalfClose() {
            if (!isRefused) {
                super.onHalfClose();
            }
        }

        @Override
        public void onComplete() {
            end();
            super.onComplete();
        }

        @Override
        public void onCancel() {
            end();
            super.onCancel();
        }

        private void end() {
            calls.decrementAndGet();
            bytes.addAndGet(-ofRequest);
            ofRequest = 0;
        }
    }
}
