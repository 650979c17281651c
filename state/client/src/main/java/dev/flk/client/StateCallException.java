// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.nio.channels.ClosedChannelException;
import java.util.List;
import java.util.Map;

/**
 * The exception for a call that was rejected or failed. Each known reason has its own subclass, so callers can catch
 * only the reasons that they can handle.
 */
public class StateCallException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final transient Map<String, String> details;

    StateCallException(String message, Map<String, String> details, StatusRuntimeException cause) {
        super(message, cause);
        this.details = details;
    }

    /** Returns the details of the reason, by their names in the protocol. */
    public final Map<String, String> details() {
        return details;
    }

    final long number(String name) {
        String text = details.getOrDefault(name, "");
        return text.matches("\\d{1,18}") ? Long.parseLong(text) : 0;
    }

    /** Returns the exception for the status with which a call ended. */
    static StateCallException of(StatusRuntimeException e) {
        ErrorInfo info = info(e);
        String message = String.valueOf(e.getStatus().getDescription());
        Map<String, String> details = info.getMetadataMap();
        return switch (info.getReason()) {
            case "TX_EXPIRED" -> new Expired(message, details, e);
            case "TX_COMMITTED" -> new AlreadyCommitted(message, details, e);
            case "TX_ABORTED" -> new AlreadyAborted(message, details, e);
            case "TX_NOT_FOUND" -> new NotFound(message, details, e);
            case "VERSION_CONFLICT" -> new VersionConflict(message, details, e);
            case "INVALID" -> new Invalid(message, details, e);
            case "VALUE_TOO_LARGE" -> new ValueTooLarge(message, details, e);
            case "TX_TOO_LARGE" -> new TransactionTooLarge(message, details, e);
            case "TOO_MANY_TX" -> new TooManyTransactions(message, details, e);
            case "COMPACTED" -> new Compacted(message, details, e);
            case "HISTORY_CHANGED" -> new HistoryChanged(message, details, e);
            case "DISK_FULL" -> new DiskFull(message, details, e);
            case "STORE_DOWN" -> new StoreDown(message, details, e);
            case "STARTING" -> new Starting(message, details, e);
            default -> ofStatus(e.getStatus().getCode() + ": " + message + systemMessage(e), details, e);
        };
    }

    private static StateCallException ofStatus(String message, Map<String, String> details, StatusRuntimeException e) {
        if (isConnectionClosed(e.getStatus())) {
            return new Unreachable(message, details, e);
        }
        return switch (e.getStatus().getCode()) {
            // A server that shuts down resets its calls, which is reported as CANCELLED.
            case UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED -> new Unreachable(message, details, e);
            case UNAUTHENTICATED -> new Unauthenticated(message, details, e);
            case PERMISSION_DENIED -> new Forbidden(message, details, e);
            default -> new StateCallException(message, details, e);
        };
    }

    /**
     * Returns whether the connection was closed before gRPC had noticed it. gRPC reports this as UNKNOWN, and not as
     * UNAVAILABLE like any other lost connection.
     */
    static boolean isConnectionClosed(io.grpc.Status status) {
        return status.getCode() == io.grpc.Status.Code.UNKNOWN && status.getCause() instanceof ClosedChannelException;
    }

    /** Returns the exception for a request that is invalid and was therefore not sent. */
    static StateCallException invalid(String message) {
        return new Invalid(
                message,
                Map.of(),
                io.grpc.Status.INVALID_ARGUMENT.withDescription(message).asRuntimeException());
    }

    /** Returns whether the same call may succeed if it is repeated soon. */
    final boolean isTransient() {
        return this instanceof Unreachable || this instanceof Starting || this instanceof StoreDown;
    }

    /** Returns whether a call that failed with this exception may have taken effect. */
    final boolean isUnknown() {
        return this instanceof Unreachable || this instanceof StoreDown;
    }

    /**
     * Returns whether a commit that failed with this exception was rejected for its contents. Such a commit had no
     * effect and will have none.
     */
    final boolean isRejection() {
        return this instanceof VersionConflict
                || this instanceof Invalid
                || this instanceof ValueTooLarge
                || this instanceof TransactionTooLarge;
    }

    /** Returns a colon and the message of the status's cause; empty if the status has no cause. */
    private static String systemMessage(StatusRuntimeException e) {
        Throwable cause = e.getStatus().getCause();
        return cause == null ? "" : ": " + cause.getMessage();
    }

    private static ErrorInfo info(StatusRuntimeException e) {
        Status status = StatusProto.fromThrowable(e);
        for (Any detail : status == null ? List.<Any>of() : status.getDetailsList()) {
            if (detail.is(ErrorInfo.class)) {
                try {
                    return detail.unpack(ErrorInfo.class);
                } catch (InvalidProtocolBufferException unreadable) {
                    e.addSuppressed(unreadable);
                }
            }
        }
        return ErrorInfo.getDefaultInstance();
    }

    /**
     * The backend could not be reached, or did not respond in time. {@link Transaction#commit} may be called again; it
     * commits the transaction unless an earlier call has done so.
     */
    public static final class Unreachable extends StateCallException {
        private static final long serialVersionUID = 1;

        Unreachable(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The backend requires a token, or does not accept the token that was sent. */
    public static final class Unauthenticated extends StateCallException {
        private static final long serialVersionUID = 1;

        Unauthenticated(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The token does not grant the required right. */
    public static final class Forbidden extends StateCallException {
        private static final long serialVersionUID = 1;

        Forbidden(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The transaction has timed out. If its commit was sent before, the commit may have taken effect. */
    public static final class Expired extends StateCallException {
        private static final long serialVersionUID = 1;

        Expired(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The transaction had already been committed. */
    public static final class AlreadyCommitted extends StateCallException {
        private static final long serialVersionUID = 1;

        AlreadyCommitted(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }

        /** Returns the revision of the commit. */
        public long revision() {
            return number("revision");
        }
    }

    /** The transaction had already been aborted, or its commit failed. */
    public static final class AlreadyAborted extends StateCallException {
        private static final long serialVersionUID = 1;

        AlreadyAborted(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The server does not know the transaction. */
    public static final class NotFound extends StateCallException {
        private static final long serialVersionUID = 1;

        NotFound(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** A condition does not hold, for example because another client committed first. Read again and retry. */
    public static final class VersionConflict extends StateCallException {
        private static final long serialVersionUID = 1;

        VersionConflict(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }

        /**
         * Returns the version that the condition required; 0 if the key had to be missing; -1 if a {@link
         * Transaction#touch} required that the key exists. If the condition was on a revision, returns this revision.
         */
        public long expected() {
            return number("expected");
        }

        /**
         * Returns the current version of the key, or 0 if the key was never written. If the condition was on a
         * revision, returns the revision at which the key was last written.
         */
        public long actual() {
            return number("actual");
        }
    }

    /** A name, value or request is invalid. */
    public static final class Invalid extends StateCallException {
        private static final long serialVersionUID = 1;

        Invalid(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The value is too large. */
    public static final class ValueTooLarge extends StateCallException {
        private static final long serialVersionUID = 1;

        ValueTooLarge(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The transaction has too many operations or too many bytes. */
    public static final class TransactionTooLarge extends StateCallException {
        private static final long serialVersionUID = 1;

        TransactionTooLarge(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The server has too many open transactions or waiting requests. Retry later. */
    public static final class TooManyTransactions extends StateCallException {
        private static final long serialVersionUID = 1;

        TooManyTransactions(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The request concerns history that is no longer retained. */
    public static final class Compacted extends StateCallException {
        private static final long serialVersionUID = 1;

        Compacted(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }

        /** Returns the oldest revision that is kept. */
        public long oldestRevision() {
            return number("oldest_revision");
        }
    }

    /**
     * The server's state was restored from a copy or replaced by another state, so a replay or a listing must start
     * again from the beginning; or the requested revision does not exist.
     */
    public static final class HistoryChanged extends StateCallException {
        private static final long serialVersionUID = 1;

        HistoryChanged(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The disk or memory that holds the server's state is full or nearly full. */
    public static final class DiskFull extends StateCallException {
        private static final long serialVersionUID = 1;

        DiskFull(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /**
     * The server's storage failed. {@link Transaction#commit} may be called again; it commits the transaction unless an
     * earlier call has done so.
     */
    public static final class StoreDown extends StateCallException {
        private static final long serialVersionUID = 1;

        StoreDown(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The server is starting. */
    public static final class Starting extends StateCallException {
        private static final long serialVersionUID = 1;

        Starting(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }
}
