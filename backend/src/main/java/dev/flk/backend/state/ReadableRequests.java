// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.flk.state.StateException.Reason;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.Marshaller;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.StatusRuntimeException;
import java.io.InputStream;

/**
 * Answers INVALID to a request that can't be read, such as one with text that is not UTF-8; gRPC itself would answer
 * UNKNOWN.
 */
final class ReadableRequests implements ServerInterceptor {
    /** Passes messages on as they are; the marshaller of gRPC itself allocates 16 KiB for the buffers of each message. */
    private static final Marshaller<InputStream> UNPARSED = new Marshaller<>() {
        @Override
        public InputStream stream(InputStream message) {
            return message;
        }

        @Override
        public InputStream parse(InputStream stream) {
            return stream;
        }
    };

    private ReadableRequests() {}

    /** Returns the same service with requests parsed inside this interceptor. */
    static ServerServiceDefinition of(ServerServiceDefinition service) {
        return ServerInterceptors.intercept(
                ServerInterceptors.useMarshalledMessages(service, UNPARSED), new ReadableRequests());
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        return new SimpleForwardingServerCallListener<>(next.startCall(call, headers)) {
            private boolean isRefused;

            @Override
            public void onMessage(Q message) {
                try {
                    super.onMessage(message);
                } catch (StatusRuntimeException e) {
                    if (!(e.getCause() instanceof InvalidProtocolBufferException cause)) {
                        throw e;
                    }
                    isRefused = true;
                    StateErrors.close(call, Reason.INVALID.because("the request can't be read: " + cause.getMessage()));
                }
            }

            @Override
            public void onHalfClose() {
                if (!isRefused) {
                    super.onHalfClose();
                }
            }
        };
    }
}
