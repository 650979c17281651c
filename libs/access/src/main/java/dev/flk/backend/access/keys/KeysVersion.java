// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.backend.access.keys.KeysFile.Usable;
import dev.flk.canonical.Sha256;
import dev.flk.signing.SignatureCheck;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The version of the keys in force: 16 hex digits, the same on two backends that accept the same signatures. It is
 * derived from everything that decides which signatures are accepted, in place of a key from the key's derived id.
 */
final class KeysVersion {
    private static final int DIGITS = 16;

    private KeysVersion() {}

    /** Returns the version of keys that may sign for every shard at any time. */
    static String of(SignatureCheck check) {
        return digest("any " + check.keyIds());
    }

    /** Returns the version of the keys of a file, some of which may be valid only at other times. */
    static String of(List<Usable> keys, long nowMillis) {
        return digest(keys.stream()
                .sorted(Comparator.comparing(key -> key.entry().id()))
                .map(key -> text(key, nowMillis))
                .collect(Collectors.joining("\n")));
    }

    /** Returns the first time after {@code nowMillis} at which a key becomes valid or ends. */
    static long validUntilMillis(List<Usable> keys, long nowMillis) {
        long first = Long.MAX_VALUE;
        for (Usable key : keys) {
            if (key.entry().isEarly(nowMillis) && key.entry().validFrom() != null) {
                first = Math.min(first, key.entry().validFrom().toEpochMilli());
            }
            if (!key.entry().isLate(nowMillis) && key.entry().validUntil() != null) {
                first = Math.min(first, key.entry().validUntil().toEpochMilli());
            }
        }
        return first;
    }

    private static String text(Usable key, long nowMillis) {
        KeyEntry entry = key.entry();
        // backends may differ in which secrets of revoked keys they still have, and accept the same signatures
        boolean isRevoked = entry.state() == KeyState.REVOKED;
        List<Object> parts = List.of(
                entry.id(),
                entry.algorithm(),
                isRevoked || key.check() == null ? List.of() : key.check().keyIds(),
                entry.shards().stream().sorted().toList(),
                entry.shardPrefixes().stream().sorted().toList(),
                entry.agents() == null
                        ? "agents of its shards"
                        : entry.agents().stream().sorted().toList(),
                String.valueOf(entry.validFrom()),
                String.valueOf(entry.validUntil()),
                entry.state(),
                entry.isEarly(nowMillis),
                entry.isLate(nowMillis));
        // with its length, because the names of shards may contain any text
        return parts.stream()
                .map(Object::toString)
                .map(part -> part.length() + " " + part)
                .collect(Collectors.joining("\n"));
    }

    private static String digest(String text) {
        return HexFormat.of()
                .formatHex(Sha256.of(text.getBytes(StandardCharsets.UTF_8)))
                .substring(0, DIGITS);
    }
}
