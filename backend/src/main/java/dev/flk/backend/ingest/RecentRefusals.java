// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The submissions that were refused without a decision, by reason, key and sender. A group ends an hour after its last
 * refusal; of more than {@value #MOST} groups, the one with the oldest refusal is forgotten. Safe for any thread.
 */
public final class RecentRefusals {
    private static final int MOST = 100;
    private static final int MOST_CHARS = 200;
    private static final int MOST_SHARD_CHARS = 64;
    private static final Duration KEPT_FOR = Duration.ofHours(1);

    private final Map<List<String>, Group> groups = new LinkedHashMap<>();

    /**
     * Refusals for the same reason.
     *
     * @param keyId the key that made the signature; empty if no known key did
     * @param shard the shard that the newest of these certificates claims, cut, and not verified; empty if it is unknown
     * @param detail the id that the newest of these certificates claims, or what is wrong with it
     */
    public record Group(
            String reason,
            String keyId,
            String address,
            String shard,
            String detail,
            long count,
            Instant first,
            Instant last) {}

    synchronized void add(
            String reason, @Nullable String keyId, String address, String shard, String detail, Instant at) {
        String key = keyId == null ? "" : keyId;
        Group before = groups.remove(List.of(reason, key, address)); // so that the group becomes the newest
        if (before != null && before.last().plus(KEPT_FOR).isBefore(at)) {
            before = null;
        }
        groups.put(
                List.of(reason, key, address),
                new Group(
                        reason,
                        key,
                        address,
                        cut(shard, MOST_SHARD_CHARS),
                        cut(detail, MOST_CHARS),
                        before == null ? 1 : before.count() + 1,
                        before == null ? at : before.first(),
                        at));
        if (groups.size() > MOST) {
            groups.remove(groups.keySet().iterator().next());
        }
    }

    private static String cut(String text, int most) {
        return text.substring(0, Math.min(most, text.length()));
    }

    /** Returns the groups, the one with the newest refusal first. */
    public synchronized List<Group> at(Instant now) {
        List<Group> found = new ArrayList<>(groups.values());
        found.removeIf(group -> group.last().plus(KEPT_FOR).isBefore(now));
        Collections.reverse(found);
        return found;
    }
}
