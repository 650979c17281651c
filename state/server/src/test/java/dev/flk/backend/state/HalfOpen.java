// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import io.grpc.Status.Code;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A call that sends a single message; the request stays incomplete until {@link #complete} is called. */
final class HalfOpen<Q, A> {
    private final ClientCall<Q, A> call;
    private final CompletableFuture<Status> end = new CompletableFuture<>();

    private HalfOpen(ClientCall<Q, A> call) {
        this.call = call;
    }

    /** Starts a call; the headers are sent with the first message at the latest. */
    static <Q, A> HalfOpen<Q, A> call(ManagedChannel channel, MethodDescriptor<Q, A> method, Metadata headers) {
        HalfOpen<Q, A> begun = callUnread(channel, method, headers);
        begun.call.request(2);
        return begun;
    }

    /** Starts a call like {@link #call}, but does not read the answer. */
    static <Q, A> HalfOpen<Q, A> callUnread(ManagedChannel channel, MethodDescriptor<Q, A> method, Metadata headers) {
        // the client buffers the message of a unary call until the request is complete
        MethodDescriptor<Q, A> streaming =
                method.toBuilder().setType(MethodType.BIDI_STREAMING).build();
        HalfOpen<Q, A> begun = new HalfOpen<>(channel.newCall(streaming, CallOptions.DEFAULT));
        begun.call.start(
                new ClientCall.Listener<>() {
                    @Override
                    public void onClose(Status status, Metadata trailers) {
                        begun.end.complete(status);
                    }
                },
                headers);
        return begun;
    }

    void send(Q message) {
        call.sendMessage(message);
    }

    void complete() {
        call.halfClose();
    }

    /** Waits for the end of the call and returns its status. */
    Code status() throws Exception {
        return end.get(30, TimeUnit.SECONDS).getCode();
    }
}
