// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.flk.backend.metrics.Meters;
import dev.flk.backend.metrics.Meters.LimitedBy;
import dev.flk.canonical.CanonicalString;
import java.math.BigDecimal;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who may send how much. A submission meets the limits in the order of the methods: a bucket per address for what needs no key of one's own
 * (bad signatures, malformed bodies, duplicates), the bucket of all, and for what is new and signed the bucket of its key, else of its shard.
 * Each 429 is counted by its limit and logged at most once in ten seconds. At most {@value #MAX_BUCKETS} addresses and as many shards have
 * a bucket; one that was long unused is forgotten, and is full again. Safe for any thread.
 */
public final class Limits {
    static final int MAX_BUCKETS = 65_536;

    /** A usual failure takes a tenth of a millisecond; to parse a MiB takes one to three. */
    private static final long BYTES_PER_FAILURE = 64 << 10;

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.limit");
    private static final long LINE_EVERY_NANOS = 10_000_000_000L;

    private volatile Sizes sizes;
    private final RateLimit all;
    private final Cache<Long, RateLimit> failuresByAddress =
            Caffeine.newBuilder().maximumSize(MAX_BUCKETS).build();
    private final Cache<String, RateLimit> byShard =
            Caffeine.newBuilder().maximumSize(MAX_BUCKETS).build();
    private final ConcurrentHashMap<Long, Integer> connectionsByAddress = new ConcurrentHashMap<>();
    private final LongSupplier nanoTicker;
    private final Meters meters;
    private final Map<LimitedBy, Line> lines = new EnumMap<>(LimitedBy.class);

    /** When a limit was logged last, and how many of its 429 were not logged since. */
    private static final class Line {
        private @Nullable Long loggedNanos;
        private long notLogged;
    }

    /**
     * How much.
     *
     * @param tokensPerSecond certificates per second, of all together
     * @param burstTokens certificates that may come at once
     * @param shardRate certificates per second of each shard whose key has no rate of its own, twice as many at once; null: any number
     * @param failuresPerSecond of an address, of what needs no key; 0: any number
     * @param failureBurst of an address, that may come at once
     * @param connectionsPerAddress that may be open at once
     */
    public record Sizes(
            BigDecimal tokensPerSecond,
            long burstTokens,
            @Nullable BigDecimal shardRate,
            BigDecimal failuresPerSecond,
            long failureBurst,
            int connectionsPerAddress) {

        /** These, with the rates of all and of shards of {@code next}. */
        public Sizes withRatesOf(Sizes next) {
            return new Sizes(
                    next.tokensPerSecond,
                    next.burstTokens,
                    next.shardRate,
                    failuresPerSecond,
                    failureBurst,
                    connectionsPerAddress);
        }
    }

    /** @param nanoTicker monotonic time */
    public Limits(Sizes sizes, LongSupplier nanoTicker, Meters meters) {
        this.sizes = sizes;
        this.all = new RateLimit(sizes.tokensPerSecond(), sizes.burstTokens(), nanoTicker);
        this.nanoTicker = nanoTicker;
        this.meters = meters;
        for (LimitedBy limit : LimitedBy.values()) {
            lines.put(limit, new Line());
        }
    }

    /** From now on the rates of all and of shards are those of {@code next}; nobody who waits is refused for it, or let in. */
    public void change(Sizes next) {
        sizes = sizes.withRatesOf(next);
        all.change(next.tokensPerSecond(), next.burstTokens());
        byShard.invalidateAll();
    }

    /** From now on the gauges show these limits. */
    public Limits watch() {
        meters.heldAddresses.watch(() -> failuresByAddress.asMap().values().stream()
                .filter(bucket -> bucket.availableTokens() < 1)
                .count());
        meters.connectedAddresses.watch(connectionsByAddress::size);
        return this;
    }

    /** A connection is opened; false if its address has as many as it may. */
    public boolean connect(Submitter sender) {
        boolean[] opened = new boolean[1];
        connectionsByAddress.compute(sender.network(), (network, before) -> {
            int open = before == null ? 0 : before;
            opened[0] = open < sizes.connectionsPerAddress();
            return opened[0] ? Integer.valueOf(open + 1) : before;
        });
        return opened[0];
    }

    /** A connection is gone that {@link #connect} had counted. */
    public void disconnect(Submitter sender) {
        connectionsByAddress.computeIfPresent(
                sender.network(), (network, open) -> open == 1 ? null : Integer.valueOf(open - 1));
    }

    /** Before anything is read: whether too much of its address was refused. Takes no token. */
    public Optional<Throttled> beforeReading(Submitter sender) {
        if (sizes.failuresPerSecond().signum() == 0 || sender.showedKey()) {
            return Optional.empty();
        }
        RateLimit failures = failuresByAddress.getIfPresent(sender.network());
        long waitNanos = failures == null ? 0 : failures.waitNanos();
        return waitNanos == 0
                ? Optional.empty()
                : Optional.of(held(
                        LimitedBy.ADDRESS, sender, waitNanos, "failure rate of the address (ADDRESS_FAILURE_RATE)"));
    }

    /** Before it is parsed: takes a token of all. */
    public Optional<Throttled> admit(Submitter sender) {
        Optional<Throttled> held = beforeReading(sender);
        if (held.isPresent()) {
            return held;
        }
        OptionalLong waitNanos = all.tryTake();
        return waitNanos.isEmpty()
                ? Optional.empty()
                : Optional.of(held(LimitedBy.GLOBAL, sender, waitNanos.getAsLong(), "global rate limit (TOKEN_RATE)"));
    }

    /** A certificate or body was refused: one failure of its address, and one more for each 64 KiB of it. */
    public void failed(Submitter sender, long bytes) {
        sender.failed();
        takeFailures(sender, 1 + bytes / BYTES_PER_FAILURE);
    }

    /**
     * What was admitted is new and signed: takes a token of its key, or of its shard. If that has none, the token of all is given back.
     *
     * @param keyRate of the key that signed it; null: it has none
     */
    public Optional<Throttled> takeNew(Submitter sender, String shardId, String keyId, @Nullable RateLimit keyRate) {
        sender.sentNew();
        if (keyRate != null) {
            return late(LimitedBy.KEY, sender, keyRate.tryTake(), () -> "rate of key " + keyId);
        }
        BigDecimal shardRate = sizes.shardRate();
        if (shardRate == null) {
            return Optional.empty();
        }
        RateLimit bucket = byShard.get(shardId, unused -> RateLimit.ofTwoSeconds(shardRate, nanoTicker));
        return late(
                LimitedBy.SHARD,
                sender,
                bucket.tryTake(),
                () -> "rate of shard " + CanonicalString.escape(shardId) + " (SHARD_RATE)");
    }

    /**
     * What was admitted is known already, and may be a replay of a captured certificate: counts as a failure of the address, unless the
     * connection has sent something new and signed since its last failure.
     */
    public void known(Submitter sender) {
        if (!sender.showedKey()) {
            takeFailures(sender, 1);
        }
    }

    private void takeFailures(Submitter sender, long count) {
        if (sizes.failuresPerSecond().signum() > 0) {
            failuresByAddress
                    .get(
                            sender.network(),
                            unused -> new RateLimit(sizes.failuresPerSecond(), sizes.failureBurst(), nanoTicker))
                    .takeAnyway(Math.min(count, sizes.failureBurst()));
        }
    }

    private Optional<Throttled> late(LimitedBy limit, Submitter sender, OptionalLong waitNanos, Supplier<String> what) {
        if (waitNanos.isEmpty()) {
            return Optional.empty();
        }
        all.giveBack();
        meters.rateLimitedLate();
        return Optional.of(held(limit, sender, waitNanos.getAsLong(), what.get()));
    }

    private Throttled held(LimitedBy limit, Submitter sender, long waitNanos, String what) {
        meters.rateLimited(limit);
        Line line = Objects.requireNonNull(lines.get(limit));
        long nowNanos = nanoTicker.getAsLong();
        long notLogged;
        synchronized (line) {
            if (line.loggedNanos != null && nowNanos - line.loggedNanos < LINE_EVERY_NANOS) {
                line.notLogged++;
                return new Throttled(limit, waitNanos);
            }
            line.loggedNanos = nowNanos;
            notLogged = line.notLogged;
            line.notLogged = 0;
        }
        LOG.warn(
                "throttled ({}): {} exceeded; from {}{}",
                limit.label(),
                what,
                sender.address(),
                notLogged == 0 ? "" : " (" + notLogged + " more were not logged)");
        return new Throttled(limit, waitNanos);
    }

    /**
     * A throttled submission.
     *
     * @param limit that it exceeds
     * @param waitNanos until a retry can succeed, above 0
     */
    public record Throttled(LimitedBy limit, long waitNanos) {

        /** The same in whole seconds for {@code Retry-After}: rounded up, ignoring fractions of a millisecond. */
        public long waitSeconds() {
            long millis = TimeUnit.NANOSECONDS.toMillis(waitNanos);
            return Math.max(1, (millis + 999) / 1000);
        }
    }
}
