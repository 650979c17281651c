// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import com.google.protobuf.Any;
import com.google.protobuf.Timestamp;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import dev.flk.client.proto.Change;
import dev.flk.client.proto.CommitResponse;
import dev.flk.client.proto.Found;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.Operation;
import dev.flk.state.Committed;
import dev.flk.state.Event;
import dev.flk.state.History.At;
import dev.flk.state.History.Token;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.StateReads;
import dev.flk.state.Version;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.function.IntUnaryOperator;

/**
 * The conversions between the objects and errors of the engine on one side, and the messages and statuses of the
 * protocol on the other.
 */
final class Messages {
    /** The domain of every {@link ErrorInfo}. */
    static final String ERROR_DOMAIN = "flk.state";

    private static final long RETRY_AFTER_SECONDS = 1;
    private static final long MICROS = 1_000_000;
    private static final int NANOS_OF_A_MICRO = 1_000;
    private static final int NANOS_OF_A_SECOND = 1_000_000_000;
    /**
     * The first second of year 1, at which the range of a {@link Timestamp} begins; the range ends with {@link
     * #LAST_SECOND}, the last second of year 9999.
     */
    private static final long FIRST_SECOND = -62_135_596_800L;

    private static final long LAST_SECOND = 253_402_300_799L;
    /**
     * The maximum length of a resume token, well above the length of any valid token. Longer text is rejected before an
     * error message can repeat the text.
     */
    private static final int MAX_TOKEN = 256;
    /**
     * The maximum length of a message in the header {@code grpc-message}. Clients refuse trailers of more than 8 KiB by
     * default, and the message is in them twice: also in the details, in base64.
     */
    static final int MAX_MESSAGE_BYTES = 2_048;
    /** The maximum length of a detail; the longest name of a key fits. */
    private static final int MAX_DETAIL_BYTES = 1_024;
    /** Room for the words at the end of a shortened text. */
    private static final int OMISSION_BYTES = 48;

    private Messages() {}

    /** Returns a message of an error, shortened if it does not fit into the trailers of a call; it then says so. */
    static String fitting(String message) {
        // gRPC writes a byte of UTF-8 that is not printable ASCII as three characters
        return fitting(message, MAX_MESSAGE_BYTES, codePoint -> isPrintable(codePoint) ? 1 : 3 * utf8Length(codePoint));
    }

    private static String fitting(String text, int maxBytes, IntUnaryOperator length) {
        int bytes = 0;
        int end = 0;
        for (int at = 0; at < text.length(); ) {
            int codePoint = text.codePointAt(at);
            bytes += length.applyAsInt(codePoint);
            if (bytes > maxBytes) {
                return text.substring(0, end) + " (" + (text.length() - end) + " more characters are left out)";
            }
            at += Character.charCount(codePoint);
            end = bytes <= maxBytes - OMISSION_BYTES ? at : end;
        }
        return text;
    }

    private static boolean isPrintable(int codePoint) {
        return codePoint >= ' ' && codePoint <= '~' && codePoint != '%';
    }

    private static int utf8Length(int codePoint) {
        return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
    }

    static Timestamp time(long micros) {
        return Timestamp.newBuilder()
                .setSeconds(Math.floorDiv(micros, MICROS))
                .setNanos((int) Math.floorMod(micros, MICROS) * NANOS_OF_A_MICRO)
                .build();
    }

    static String namespace(String given) {
        return given.isEmpty() ? dev.flk.state.StateKey.DEFAULT_NAMESPACE : given;
    }

    /**
     * Returns the namespace that a call selects. If the call names neither a namespace nor an agent, returns an empty
     * text, which stands for all namespaces.
     */
    static String namespaceOrAll(String given, String agentId) {
        return agentId.isEmpty() ? given : namespace(given);
    }

    static StateKey key(Key key) {
        return new StateKey(namespace(key.getNamespace()), key.getAgentId(), key.getKey());
    }

    static Key key(StateKey key) {
        return Key.newBuilder()
                .setNamespace(key.namespace())
                .setAgentId(key.agentId())
                .setKey(key.name())
                .build();
    }

    /** Checks and converts an operation. */
    static dev.flk.state.Operation operation(StateEngine engine, Operation operation) {
        return switch (operation.getOperationCase()) {
            case WRITE -> write(engine, operation.getWrite());
            case DELETE -> delete(operation.getDelete());
            case CHECK -> check(operation.getCheck());
            case TOUCH -> touch(operation.getTouch());
            case OPERATION_NOT_SET ->
                throw Reason.INVALID.because("an operation must be a write, a delete, a check or a touch");
        };
    }

    static dev.flk.state.Operation write(StateEngine engine, dev.flk.client.proto.Write write) {
        return engine.write(
                key(write.getKey()),
                write.getJson(),
                version(write.hasIfVersion(), write.getIfVersion()),
                write.hasTtl() ? ttlMicros(write.getTtl()) : 0);
    }

    static dev.flk.state.Operation delete(dev.flk.client.proto.Delete delete) {
        return new dev.flk.state.Operation.Delete(
                key(delete.getKey()), version(delete.hasIfVersion(), delete.getIfVersion()));
    }

    static dev.flk.state.Operation check(dev.flk.client.proto.Check check) {
        return new dev.flk.state.Operation.Check(key(check.getKey()), version(true, check.getIfVersion()));
    }

    static dev.flk.state.Operation touch(dev.flk.client.proto.Touch touch) {
        return new dev.flk.state.Operation.Touch(
                key(touch.getKey()), version(touch.hasIfVersion(), touch.getIfVersion()), ttlMicros(touch.getTtl()));
    }

    private static long ttlMicros(com.google.protobuf.Duration ttl) {
        return dev.flk.state.Operation.ttlMicros(duration(ttl));
    }

    private static com.google.protobuf.Duration ttl(long micros) {
        return com.google.protobuf.Duration.newBuilder()
                .setSeconds(micros / MICROS)
                .setNanos((int) (micros % MICROS) * NANOS_OF_A_MICRO)
                .build();
    }

    static long version(boolean isGiven, long ifVersion) {
        if (isGiven && ifVersion < 0) {
            throw Reason.INVALID.because("if_version is negative: " + ifVersion);
        }
        return isGiven ? ifVersion : dev.flk.state.Operation.ANY_VERSION;
    }

    static CommitResponse committed(Committed committed) {
        CommitResponse.Builder response =
                CommitResponse.newBuilder().setRevision(committed.revision()).addAllVersions(committed.versions());
        if (committed.revision() > 0) {
            response.setCommittedAt(time(committed.committedAtMicros()));
        }
        return response.build();
    }

    static At at(dev.flk.client.proto.At at) {
        return switch (at.getAtCase()) {
            case REVISION -> new At.Revision(at.getRevision());
            case TIME -> new At.Time(instant(at.getTime()));
            case AT_NOT_SET -> new At.Now();
        };
    }

    private static Instant instant(Timestamp time) {
        boolean isTime = time.getSeconds() >= FIRST_SECOND
                && time.getSeconds() <= LAST_SECOND
                && time.getNanos() >= 0
                && time.getNanos() < NANOS_OF_A_SECOND;
        if (!isTime) {
            throw Reason.INVALID.because("the time must be in the years 1 to 9999: " + time.getSeconds() + " s");
        }
        return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
    }

    static Duration duration(com.google.protobuf.Duration given) {
        if (given.getSeconds() > LAST_SECOND
                || given.getSeconds() < -LAST_SECOND
                || given.getNanos() >= NANOS_OF_A_SECOND
                || given.getNanos() <= -NANOS_OF_A_SECOND) {
            throw Reason.INVALID.because("not a valid duration: " + given.getSeconds() + " s");
        }
        return Duration.ofSeconds(given.getSeconds(), given.getNanos());
    }

    static dev.flk.client.proto.Version version(Version version) {
        dev.flk.client.proto.Version.Builder message = dev.flk.client.proto.Version.newBuilder()
                .setVersion(version.version())
                .setRevision(version.revision())
                .setCommittedAt(time(version.committedAtMicros()))
                .setDeleted(version.isDeleted());
        if (version.ttlMicros() != 0) {
            message.setTtl(ttl(version.ttlMicros()));
        }
        return version.json() == null
                ? message.build()
                : message.setJson(version.json()).build();
    }

    static Found found(StateReads.Found found) {
        Found.Builder message = Found.newBuilder();
        if (found instanceof StateReads.Found.Present present) {
            message.setState(Found.State.PRESENT).setVersion(version(present.version()));
        } else if (found instanceof StateReads.Found.Deleted deleted) {
            message.setState(Found.State.DELETED).setVersion(version(deleted.version()));
        } else {
            message.setState(found instanceof StateReads.Found.Absent ? Found.State.ABSENT : Found.State.COMPACTED);
        }
        return message.build();
    }

    static dev.flk.client.proto.Event event(Event event, String historyId) {
        dev.flk.client.proto.Event.Builder message = dev.flk.client.proto.Event.newBuilder()
                .setRevision(event.revision())
                .setCommittedAt(time(event.committedAtMicros()))
                .setOperationsTotal(event.operationsTotal())
                .setResumeToken(token(new Token(historyId, event.revision(), event.committedAtMicros())));
        for (Event.Change change : event.changes()) {
            Change.Builder one = Change.newBuilder().setKey(key(change.key())).setVersion(change.version());
            if (change.ttlMicros() != 0) {
                one.setTtl(ttl(change.ttlMicros()));
            }
            message.addChanges(
                    change.json() == null
                            ? one.setKind(Change.Kind.DELETE)
                            : one.setKind(Change.Kind.WRITE).setJson(change.json()));
        }
        return message.build();
    }

    /**
     * Returns an event without changes, which tells the caller that all revisions up to {@code revision} were examined.
     */
    static dev.flk.client.proto.Event progress(String historyId, long revision, long committedAtMicros) {
        return dev.flk.client.proto.Event.newBuilder()
                .setRevision(revision)
                .setCommittedAt(time(committedAtMicros))
                .setResumeToken(token(new Token(historyId, revision, committedAtMicros)))
                .build();
    }

    /**
     * Renders a resume token as {@code HISTORY-REVISION.MICROS}; the last part is the commit time of the revision in
     * microseconds since the epoch.
     */
    private static String token(Token token) {
        return token.historyId() + "-" + token.revision() + "." + token.committedAtMicros();
    }

    /** Parses the resume token of an event. */
    static Token token(String text) {
        int dot = text.indexOf('.');
        int at = text.length() > MAX_TOKEN || dot < 0 ? -1 : text.lastIndexOf('-', dot);
        try {
            if (at >= 0) {
                return new Token(
                        text.substring(0, at),
                        Long.parseLong(text.substring(at + 1, dot)),
                        Long.parseLong(text.substring(dot + 1)));
            }
        } catch (NumberFormatException e) {
            // refused below
        }
        throw Reason.INVALID.because("resume_token was not returned with an event");
    }

    /**
     * Encodes an entry of a list as a page token, which is opaque to callers. The next page begins after this entry.
     */
    static String pageToken(String after) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(after.getBytes(StandardCharsets.UTF_8));
    }

    /** Decodes the output of {@link #pageToken}. */
    static String after(String pageToken) {
        String after;
        try {
            after = new String(Base64.getUrlDecoder().decode(pageToken), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw notFromAList();
        }
        // the token encodes bytes that are not UTF-8, or is not spelled as pageToken spells it
        if (!pageToken(after).equals(pageToken)) {
            throw notFromAList();
        }
        return after;
    }

    private static StateException notFromAList() {
        return Reason.INVALID.because("page_token was not returned by a list");
    }

    /** Returns the error that a caller receives for an exception: a status with a machine-readable reason. */
    static StatusRuntimeException error(StateException e) {
        ErrorInfo.Builder why = ErrorInfo.newBuilder()
                .setDomain(ERROR_DOMAIN)
                .setReason(e.reason().name());
        e.details()
                .forEach((name, detail) ->
                        why.putMetadata(name, fitting(detail, MAX_DETAIL_BYTES, Messages::utf8Length)));
        Status.Builder status = Status.newBuilder()
                .setCode(code(e.reason()).value())
                .setMessage(fitting(e.getMessage()))
                .addDetails(Any.pack(why.build()));
        if (code(e.reason()) == Code.UNAVAILABLE) {
            status.addDetails(Any.pack(RetryInfo.newBuilder()
                    .setRetryDelay(com.google.protobuf.Duration.newBuilder().setSeconds(RETRY_AFTER_SECONDS))
                    .build()));
        }
        return StatusProto.toStatusRuntimeException(status.build());
    }

    /** Ends a call with the error for an exception. */
    static void close(ServerCall<?, ?> call, StateException e) {
        StatusRuntimeException refusal = error(e);
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
