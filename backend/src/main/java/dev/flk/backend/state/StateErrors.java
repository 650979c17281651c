// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;

/** Errors in the form that callers receive: a status with a machine-readable reason. */
final class StateErrors {
    /** The domain of every {@link ErrorInfo}. */
    static final String DOMAIN = "flk.state";

    private static final long RETRY_AFTER_SECONDS = 1;

    private StateErrors() {}

    /** Returns the error that a caller receives for an exception. */
    static StatusRuntimeException of(StateException e) {
        Status.Builder status = Status.newBuilder()
                .setCode(code(e.reason()).value())
                .setMessage(e.getMessage())
                .addDetails(Any.pack(ErrorInfo.newBuilder()
                        .setDomain(DOMAIN)
                        .setReason(e.reason().name())
                        .putAllMetadata(e.details())
                        .build()));
        if (code(e.reason()) == Code.UNAVAILABLE) {
            status.addDetails(Any.pack(RetryInfo.newBuilder()
                    .setRetryDelay(Duration.newBuilder().setSeconds(RETRY_AFTER_SECONDS))
                    .build()));
        }
        return StatusProto.toStatusRuntimeException(status.build());
    }

    /** Ends a call with the error for an exception. */
    static void close(ServerCall<?, ?> call, StateException e) {
        StatusRuntimeException refusal = of(e);
        Metadata trailers = refusal.getTrailers();
        call.close(refusal.getStatus(), trailers == null ? new Metadata() : trailers);
    }

    private static Code code(Reason reason) {
        return switch (reason) {
            case TX_EXPIRED, TX_COMMITTED, TX_ABORTED -> Code.FAILED_PRECONDITION;
            case TX_NOT_FOUND -> Code.NOT_FOUND;
            case VERSION_CONFLICT -> Code.ABORTED;
            case INVALID, VALUE_TOO_LARGE, TX_TOO_LARGE -> Code.INVALID_ARGUMENT;
            case TOO_MANY_TX -> Code.RESOURCE_EXHAUSTED;
            case COMPACTED, HISTORY_CHANGED -> Code.OUT_OF_RANGE;
            case DISK_FULL, STORE_DOWN, STARTING -> Code.UNAVAILABLE;
            case UNIMPLEMENTED -> Code.UNIMPLEMENTED;
        };
    }
}
