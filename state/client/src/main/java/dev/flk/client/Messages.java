// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import com.google.protobuf.Timestamp;
import dev.flk.client.proto.Change;
import dev.flk.client.proto.CommitResponse;
import dev.flk.client.proto.Event;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.Version;
import io.grpc.Status;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/** Conversions between the messages of the protocol and the types of the client. */
final class Messages {
    private Messages() {}

    static Key key(String namespace, String agentId, String key) {
        return Key.newBuilder()
                .setNamespace(text("namespace", namespace))
                .setAgentId(text("agent_id", agentId))
                .setKey(text("key", key))
                .build();
    }

    /**
     * Returns {@code text}. Throws if the text contains an unpaired surrogate, which gRPC would send as a question
     * mark.
     */
    static String text(String what, String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw StateCallException.invalid(what + " can't be written as UTF-8: it has half of a surrogate pair");
        }
        return text;
    }

    static Commit committed(CommitResponse committed) {
        return new Commit(
                committed.getRevision(), instant(committed.getCommittedAt()), List.copyOf(committed.getVersionsList()));
    }

    static Versioned versioned(Version version) {
        return new Versioned(
                version.getVersion(),
                version.getRevision(),
                instant(version.getCommittedAt()),
                version.getDeleted(),
                version.getJson(),
                version.hasTtl() ? duration(version.getTtl()) : null);
    }

    static StateEvent event(Event event) {
        return new StateEvent(
                event.getRevision(),
                instant(event.getCommittedAt()),
                event.getChangesList().stream()
                        .map(change -> new StateEvent.Change(
                                change.getKey().getNamespace(),
                                change.getKey().getAgentId(),
                                change.getKey().getKey(),
                                change.getVersion(),
                                change.getKind() == Change.Kind.DELETE,
                                change.getJson(),
                                change.hasTtl() ? duration(change.getTtl()) : null))
                        .toList(),
                event.getOperationsTotal(),
                event.getResumeToken());
    }

    static Duration duration(com.google.protobuf.Duration duration) {
        try {
            return Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
        } catch (ArithmeticException e) {
            throw foreign("duration", e);
        }
    }

    static com.google.protobuf.Duration duration(Duration duration) {
        return com.google.protobuf.Duration.newBuilder()
                .setSeconds(duration.getSeconds())
                .setNanos(duration.getNano())
                .build();
    }

    static Instant instant(Timestamp time) {
        try {
            return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
        } catch (DateTimeException | ArithmeticException e) {
            throw foreign("time", e);
        }
    }

    private static StateCallException foreign(String what, RuntimeException cause) {
        return StateCallException.of(Status.DATA_LOSS
                .withDescription("the answer has an invalid " + what + "; does the address name a backend?")
                .withCause(cause)
                .asRuntimeException());
    }

    static Timestamp timestamp(Instant time) {
        return Timestamp.newBuilder()
                .setSeconds(time.getEpochSecond())
                .setNanos(time.getNano())
                .build();
    }
}
