// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.keys.KeyState;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.JsonLine;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A key of the keys file as commands show it, at a time. */
record ListedKey(KeyEntry key, long nowMillis) {
    /** {@code revoked}, {@code expired}, {@code early}, and else its state. */
    String standing() {
        if (key.state() == KeyState.REVOKED) {
            return key.state().label();
        }
        return key.isLate(nowMillis)
                ? "expired"
                : key.isEarly(nowMillis) ? "early" : key.state().label();
    }

    /** Whether it may sign for its shards. */
    boolean maySign() {
        return key.state() != KeyState.REVOKED && !key.isEarly(nowMillis) && !key.isLate(nowMillis);
    }

    /** The shards that it may sign for; an asterisk stands for all that begin so. */
    List<String> shards() {
        List<String> names =
                new ArrayList<>(key.shards().stream().map(ListedKey::quoted).toList());
        key.shardPrefixes().forEach(prefix -> names.add(prefix.isEmpty() ? "every shard" : quoted(prefix) + "*"));
        return names;
    }

    /** In JSON's quotes if it is not plain, so that no name speaks to a terminal. */
    static String quoted(String name) {
        return name.matches("[A-Za-z0-9._:/-]+") ? name : CanonicalString.quote(name);
    }

    /** One JSON object and a line end. */
    String json() {
        JsonLine line = new JsonLine()
                .text("id", key.id())
                .text("algorithm", key.algorithm().configName())
                .text("state", key.state().label())
                .truth("may_sign", maySign())
                .json("shards", array(key.shards()))
                .json("shard_prefixes", array(key.shardPrefixes()));
        optional(line, "valid_from", key.validFrom());
        optional(line, "valid_until", key.validUntil());
        optional(line, "public_key", key.publicKey());
        optional(line, "secret_file", key.secretFile());
        if (key.rate() != null) {
            line.json("rate", key.rate().toPlainString());
        }
        return line.end();
    }

    private static void optional(JsonLine line, String name, @Nullable Object value) {
        if (value != null) {
            line.text(name, value.toString());
        }
    }

    private static String array(List<String> names) {
        return names.stream().map(CanonicalString::quote).collect(Collectors.joining(",", "[", "]"));
    }
}
