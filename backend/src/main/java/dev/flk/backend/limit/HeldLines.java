// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import dev.flk.backend.metrics.LimitedBy;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells who is held back, each limit once in ten seconds. Safe for any thread. */
final class HeldLines {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.limit");
    private static final long EVERY_NANOS = 10_000_000_000L;
    /** What is sure to do no harm on a terminal. */
    private static final Pattern PRINTED = Pattern.compile("[A-Za-z0-9._:/-]{1,64}");

    private final Map<LimitedBy, Pace> paces = new EnumMap<>(LimitedBy.class);

    private static final class Pace {
        // guarded by this
        private boolean told;
        private long toldNanos;
        private long leftOut;
    }

    HeldLines() {
        for (LimitedBy limit : LimitedBy.values()) {
            paces.put(limit, new Pace());
        }
    }

    void global(long nowNanos, Sender sender) {
        tell(LimitedBy.GLOBAL, nowNanos, sender, "all together send more than TOKEN_RATE");
    }

    void key(long nowNanos, Sender sender, String keyId) {
        tell(LimitedBy.KEY, nowNanos, sender, "key " + keyId + " is used for more than its rate");
    }

    void shard(long nowNanos, Sender sender, String shardId, double perSecond) {
        String name = PRINTED.matcher(shardId).matches() ? shardId : "whose name is not printed";
        tell(LimitedBy.SHARD, nowNanos, sender, "shard " + name + " had its share, " + rate(perSecond));
    }

    void known(long nowNanos, Sender sender, double perSecond) {
        tell(LimitedBy.KNOWN, nowNanos, sender, "what was sent before had its share, " + rate(perSecond));
    }

    void address(long nowNanos, Sender sender) {
        tell(
                LimitedBy.ADDRESS,
                nowNanos,
                sender,
                "too much of this address was refused, more than ADDRESS_FAILURE_RATE");
    }

    private static String rate(double perSecond) {
        return String.format(Locale.ROOT, "%.1f a second lately", perSecond);
    }

    private void tell(LimitedBy limit, long nowNanos, Sender sender, String why) {
        Pace pace = Objects.requireNonNull(paces.get(limit));
        long more;
        synchronized (pace) {
            if (pace.told && nowNanos - pace.toldNanos < EVERY_NANOS) {
                pace.leftOut++;
                return;
            }
            pace.told = true;
            pace.toldNanos = nowNanos;
            more = pace.leftOut;
            pace.leftOut = 0;
        }
        LOG.warn(
                "held back ({}): {}; from {}{}",
                limit.label(),
                why,
                sender.address(),
                more == 0 ? "" : " (" + more + " more like it were not logged)");
    }
}
