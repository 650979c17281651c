// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.keys.KeyEntry.KeyState;
import dev.flk.canonical.CanonicalString;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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

    /** For programs. */
    Map<String, Object> members() {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("id", key.id());
        members.put("algorithm", key.algorithm().configName());
        members.put("state", key.state().label());
        members.put("may_sign", maySign());
        members.put("shards", key.shards());
        members.put("shard_prefixes", key.shardPrefixes());
        putText(members, "valid_from", key.validFrom());
        putText(members, "valid_until", key.validUntil());
        putText(members, "public_key", key.publicKey());
        putText(members, "secret_file", key.secretFile());
        if (key.rate() != null) {
            members.put("rate", key.rate());
        }
        return members;
    }

    private static void putText(Map<String, Object> members, String name, @Nullable Object value) {
        if (value != null) {
            members.put(name, value.toString());
        }
    }
}
