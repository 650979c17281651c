// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The names that {@link SessionScript} uses. In a Redis Cluster, they contain a hash tag, as in
 * <code>session:{flk}:ID</code> and <code>session-epoch:{flk}</code>, so that all keys lie in one slot.
 */
final class SessionKeys {
    private static final String DEFAULT_TAG = "flk";
    /** The number of arguments of the operation {@code restore} for each version, the first of which is the id. */
    private static final int VERSION_ARGUMENTS = 6;

    private final String tag;

    /** @param tag the hash tag, without braces; empty without a cluster */
    SessionKeys(String tag) {
        this.tag = tag.isEmpty() ? "" : ":{" + tag + "}";
    }

    String stream() {
        return "session-changes" + tag;
    }

    String dead() {
        return "session-changes-dead" + tag;
    }

    String expiries() {
        return "session-expiries" + tag;
    }

    /** Returns the channel of changes. In a cluster, all stores share the channels, so each store has its own. */
    String channel() {
        return "session-updates" + (tag.equals(":{" + DEFAULT_TAG + "}") ? "" : tag);
    }

    /**
     * Returns all keys that an operation may use, so that a cluster can check that they are all in one slot. The first
     * eight are the same in each call.
     */
    String[] of(String operation, String... arguments) {
        Stream<String> shared = Stream.of(
                        "epoch",
                        "generation",
                        "restore",
                        "expiries",
                        "changes",
                        "changes-count",
                        "changes-trimmed",
                        "changes-dead")
                .map(name -> "session-" + name + tag);
        Stream<String> ids = switch (operation) {
            case "put", "delete" -> Stream.of(arguments[0]);
            case "load", "expire" -> Arrays.stream(arguments);
            case "restore" ->
                IntStream.iterate(1, i -> i < arguments.length, i -> i + VERSION_ARGUMENTS)
                        .mapToObj(i -> arguments[i]);
            default -> Stream.empty();
        };
        Stream<String> nonce = operation.equals("put") || operation.equals("delete")
                ? Stream.of("session-nonce" + tag + ":" + arguments[2])
                : Stream.empty();
        return Stream.of(
                        shared,
                        ids.flatMap(id -> Stream.of("session" + tag + ":" + id, "session-version" + tag + ":" + id)),
                        nonce)
                .flatMap(names -> names)
                .toArray(String[]::new);
    }
}
