// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.metrics.SignatureRefusal;
import dev.flk.canonical.CanonicalString;
import java.time.Instant;
import java.util.List;

/** Why a key may not sign, and what to do about it, each a sentence or two. Only for people who may know. */
record ObjectionText(SignatureRefusal reason, String what, String advice) {
    private static final int MAX_SHARDS = 20;

    /** All that keeps a key from signing for a shard now; the first is what a backend counts it under. */
    static List<ObjectionText> of(KeyEntry key, String shard, Instant now) {
        return key.objections(shard, now.toEpochMilli()).stream()
                .map(reason -> of(reason, key, shard, now))
                .toList();
    }

    private static ObjectionText of(SignatureRefusal reason, KeyEntry key, String shard, Instant now) {
        return switch (reason) {
            case REVOKED ->
                new ObjectionText(
                        reason,
                        "It was revoked, which is for good.",
                        "Give the agent another key of the shard. Where its agents have one already, somebody else signs"
                                + " with this one.");
            case FOREIGN_SHARD ->
                new ObjectionText(
                        reason,
                        "It may not sign for " + ListedKey.quoted(shard) + ", only for " + shards(key) + ".",
                        "Sign with a key of that shard, or add the shard to this one in the keys file. If neither"
                                + " should be, it may be stolen.");
            case NOT_YET_VALID ->
                new ObjectionText(
                        reason,
                        "It begins at " + key.validFrom() + ", and here it is " + Quantity.time(now.toEpochMilli())
                                + ".",
                        "Sign with another key until then, or set this machine's clock if it is wrong.");
            case EXPIRED ->
                new ObjectionText(
                        reason,
                        "It ended at " + key.validUntil() + ", and here it is " + Quantity.time(now.toEpochMilli())
                                + ".",
                        "Give the agent another key of the shard, or set this machine's clock if it is wrong.");
            case MISSING, UNKNOWN_KEY, NOT_EXAMINED ->
                throw new IllegalArgumentException("no objection to a key: " + reason);
        };
    }

    private static String shards(KeyEntry key) {
        List<String> all = new ListedKey(key, 0).shards();
        String some = String.join(", ", all.subList(0, Math.min(all.size(), MAX_SHARDS)));
        return all.size() > MAX_SHARDS ? some + " and " + (all.size() - MAX_SHARDS) + " more" : some;
    }

    String json() {
        return "{\"reason\":" + CanonicalString.quote(reason.label()) + ",\"what\":" + CanonicalString.quote(what)
                + ",\"advice\":" + CanonicalString.quote(advice) + "}";
    }
}
