// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.List;
import java.util.Map;

/** The reason why a call was refused or failed: one class per reason, so that callers catch what they can handle. */
public class StateCallException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final transient Map<String, String> details;

    StateCallException(String message, Map<String, String> details, StatusRuntimeException cause) {
        super(message, cause);
        this.details = details;
    }

    /** What the reason names, by the names of the protocol. */
    public final Map<String, String> details() {
        return details;
    }

    final long number(String name) {
        return Long.parseLong(details.getOrDefault(name, "0"));
    }

    /** The exception for what a call ended with. */
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
            default -> ofStatus(e.getStatus().getCode() + ": " + message + why(e), details, e);
        };
    }

    private static StateCallException ofStatus(String message, Map<String, String> details, StatusRuntimeException e) {
        return switch (e.getStatus().getCode()) {
            // a server that ends resets its calls, which shows as CANCELLED
            case UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED -> new Unreachable(message, details, e);
            case UNAUTHENTICATED -> new Unauthenticated(message, details, e);
            case PERMISSION_DENIED -> new Forbidden(message, details, e);
            default -> new StateCallException(message, details, e);
        };
    }

    /** A request that must not be sent. */
    static StateCallException invalid(String message) {
        return new Invalid(
                message,
                Map.of(),
                io.grpc.Status.INVALID_ARGUMENT.withDescription(message).asRuntimeException());
    }

    /** Whether the same call may soon get an answer. */
    final boolean mayPass() {
        return this instanceof Unreachable || this instanceof Starting || this instanceof StoreDown;
    }

    /** Whether a commit that got this was refused for what it is: nothing of it was done, nor will be. */
    final boolean isRefusal() {
        return this instanceof VersionConflict
                || this instanceof Invalid
                || this instanceof ValueTooLarge
                || this instanceof TransactionTooLarge;
    }

    /** Of a connection that failed, what the system said. */
    private static String why(StatusRuntimeException e) {
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
     * The backend could not be reached, or did not answer in time. {@link Transaction#commit} may be called again to learn whether it was
     * done.
     */
    public static final class Unreachable extends StateCallException {
        private static final long serialVersionUID = 1;

        Unreachable(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The backend asks for a token, or no longer knows the one that was shown. */
    public static final class Unauthenticated extends StateCallException {
        private static final long serialVersionUID = 1;

        Unauthenticated(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The token does not give the right to do this. */
    public static final class Forbidden extends StateCallException {
        private static final long serialVersionUID = 1;

        Forbidden(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The transaction's time was over; nothing of it was done. */
    public static final class Expired extends StateCallException {
        private static final long serialVersionUID = 1;

        Expired(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The transaction was committed before. */
    public static final class AlreadyCommitted extends StateCallException {
        private static final long serialVersionUID = 1;

        AlreadyCommitted(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }

        /** What it was committed as. */
        public long revision() {
            return number("revision");
        }
    }

    /** The transaction was aborted before, or its commit failed. */
    public static final class AlreadyAborted extends StateCallException {
        private static final long serialVersionUID = 1;

        AlreadyAborted(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** No transaction of this server. */
    public static final class NotFound extends StateCallException {
        private static final long serialVersionUID = 1;

        NotFound(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** A condition does not hold: somebody else was first. Read again, and try again. */
    public static final class VersionConflict extends StateCallException {
        private static final long serialVersionUID = 1;

        VersionConflict(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }

        /** The version that the condition asked for; 0: none. */
        public long expected() {
            return number("expected");
        }

        /** The version that stands; 0: the key was never written. */
        public long actual() {
            return number("actual");
        }
    }

    /** A bad name, value or request. */
    public static final class Invalid extends StateCallException {
        private static final long serialVersionUID = 1;

        Invalid(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The value is too long. */
    public static final class ValueTooLarge extends StateCallException {
        private static final long serialVersionUID = 1;

        ValueTooLarge(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** Too many operations, or too many bytes. */
    public static final class TransactionTooLarge extends StateCallException {
        private static final long serialVersionUID = 1;

        TransactionTooLarge(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The server has too much open, or too much that waits. Try again later. */
    public static final class TooManyTransactions extends StateCallException {
        private static final long serialVersionUID = 1;

        TooManyTransactions(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** Older than what is kept. */
    public static final class Compacted extends StateCallException {
        private static final long serialVersionUID = 1;

        Compacted(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }

        /** The oldest revision that is kept. */
        public long oldestRevision() {
            return number("oldest_revision");
        }
    }

    /** The server's state was restored, or is another one: begin anew. */
    public static final class HistoryChanged extends StateCallException {
        private static final long serialVersionUID = 1;

        HistoryChanged(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The server's disk is full. */
    public static final class DiskFull extends StateCallException {
        private static final long serialVersionUID = 1;

        DiskFull(String message, Map<String, String> details, StatusRuntimeException cause) {
            super(message, details, cause);
        }
    }

    /** The server's storage failed. {@link Transaction#commit} may be called again to learn whether it was done. */
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
