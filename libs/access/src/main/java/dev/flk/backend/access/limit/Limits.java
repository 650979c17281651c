// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.limit;

import static dev.flk.program.config.Quantities.count;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.flk.canonical.CanonicalString;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.program.logging.LineLimit;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Counts;
import dev.flk.program.metrics.Metrics.Gauge;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The rate limits of submissions. They apply in this order. First, the bucket of the sender's address: failures, such
 * as bad signatures, malformed bodies and duplicates, take its tokens. Second, the global bucket: each certificate
 * takes a token. Third, the bucket of the key or, if the key has no rate, of the shard: each new signed certificate
 * takes a token. Each 429 response is counted under the limit that caused it, and each limit logs at most one line in
 * ten seconds. At most {@value #MAX_BUCKETS} addresses and {@value #MAX_BUCKETS} shards have a bucket. If there are
 * more, buckets that are seldom used are dropped; an address or shard whose bucket was dropped gets a full bucket when
 * it is seen again. Safe for any thread.
 */
public final class Limits {
    static final int MAX_BUCKETS = 65_536;

    /**
     * The number of bytes of a refused body that count as one additional failure. Large bodies count more because they
     * cost more: handling a usual failure takes 0.1 ms, whereas parsing a MiB takes 1 to 3 ms.
     */
    private static final long BYTES_PER_FAILURE = 64 << 10;

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.limit");
    private static final BigDecimal LEAST_RATE = BigDecimal.ONE.movePointLeft(RateLimit.RATE_DECIMALS);
    private static final BigDecimal MOST_RATE = BigDecimal.valueOf(10_000_000);
    private static final long MOST_BURST = 20_000_000;
    private static final long MOST_FAILURE_BURST = 200_000_000;
    private static final Duration LINE_EVERY = Duration.ofSeconds(10);

    private volatile Sizes sizes;
    private final RateLimit all;
    private volatile IntSupplier backends = () -> 1;
    private final Cache<Long, RateLimit> failuresByAddress =
            Caffeine.newBuilder().maximumSize(MAX_BUCKETS).build();
    private final Cache<String, RateLimit> byShard =
            Caffeine.newBuilder().maximumSize(MAX_BUCKETS).build();
    private final ConcurrentHashMap<Long, Integer> connectionsByAddress = new ConcurrentHashMap<>();
    private final LongSupplier nanoTicker;
    private final LimitMetrics metrics;
    private final LineLimit lines;

    /**
     * The sizes of the limits.
     *
     * @param tokensPerSecond the certificates per second from all senders
     * @param burstTokens the largest burst of certificates
     * @param shardRate the certificates per second of each shard whose key has no rate; bursts may be twice as large;
     *     null for no limit
     * @param failuresPerSecond the failures per second of an address; 0 for no limit
     * @param failureBurst the largest burst of failures of an address
     * @param connectionsPerAddress the largest number of open connections of an address
     */
    public record Sizes(
            BigDecimal tokensPerSecond,
            long burstTokens,
            @Nullable BigDecimal shardRate,
            BigDecimal failuresPerSecond,
            long failureBurst,
            int connectionsPerAddress) {
        private static final Key<BigDecimal> TOKEN_RATE = Key.of(
                        "TOKEN_RATE", Sizes::rate, "Certificates per second from all senders, at this backend.")
                .or("100/s")
                .reloadable();
        private static final Key<Long> TOKEN_BURST = Key.of(
                        "TOKEN_BURST", count(1L, MOST_BURST), "The largest burst of certificates.")
                .derived("2 x TOKEN_RATE")
                .reloadable();
        private static final Key<BigDecimal> SHARD_RATE = Key.of(
                        "SHARD_RATE",
                        Sizes::rate,
                        "Certificates per second of each shard whose key has no rate. Not set: no limit.")
                .reloadable();
        private static final Key<BigDecimal> ADDRESS_FAILURE_RATE = Key.of(
                        "ADDRESS_FAILURE_RATE",
                        Sizes::rateOrZero,
                        "Bad signatures, malformed bodies and duplicates per second that one address may send; the"
                                + " default is at least 10. 0: no limit.")
                .derived("TOKEN_RATE / 10");
        private static final Key<Long> ADDRESS_FAILURE_BURST = Key.of(
                        "ADDRESS_FAILURE_BURST",
                        count(1L, MOST_FAILURE_BURST),
                        "The largest burst of failures from one address.")
                .derived("10 x its rate");
        private static final Key<Integer> MAX_CONNECTIONS_PER_ADDRESS = Key.of(
                        "MAX_CONNECTIONS_PER_ADDRESS",
                        count(1, 1_000_000),
                        "The largest number of open connections from one address.")
                .derived("half of all");

        /** Whether the rates hold for all backends of a shared store together. */
        public static final Key<Boolean> RATE_SHARED = Key.of(
                        "RATE_SHARED",
                        Quantities::onOrOff,
                        "`on`: these rates and bursts, and the rates of keys, hold for all live backends of a shared"
                                + " `DEDUP_BACKEND` together; each applies an equal share.")
                .or("off");

        /** The settings of the limits, in the order of the docs. */
        public static final List<Key<?>> KEYS = List.of(
                TOKEN_RATE,
                TOKEN_BURST,
                SHARD_RATE,
                ADDRESS_FAILURE_RATE,
                ADDRESS_FAILURE_BURST,
                RATE_SHARED,
                MAX_CONNECTIONS_PER_ADDRESS);

        /**
         * Reads the sizes. Bursts, the failure rate and the number of connections are derived from other sizes or from
         * {@code maxConnections} if they are not set.
         */
        public static Sizes read(Settings settings, int maxConnections) {
            BigDecimal rate = settings.get(TOKEN_RATE);
            BigDecimal failures = settings.find(ADDRESS_FAILURE_RATE)
                    .orElseGet(() -> rate.movePointLeft(1)
                            .setScale(RateLimit.RATE_DECIMALS, RoundingMode.CEILING)
                            .max(BigDecimal.TEN));
            return new Sizes(
                    rate,
                    settings.find(TOKEN_BURST).orElseGet(() -> tokensIn(2, rate, MOST_BURST)),
                    settings.find(SHARD_RATE).orElse(null),
                    failures,
                    settings.find(ADDRESS_FAILURE_BURST).orElseGet(() -> tokensIn(10, failures, MOST_FAILURE_BURST)),
                    settings.find(MAX_CONNECTIONS_PER_ADDRESS).orElse(Math.max(1, maxConnections / 2)));
        }

        private static long tokensIn(int seconds, BigDecimal perSecond, long most) {
            return perSecond
                    .multiply(BigDecimal.valueOf(seconds))
                    .setScale(0, RoundingMode.CEILING)
                    .max(BigDecimal.ONE)
                    .min(BigDecimal.valueOf(most))
                    .longValueExact();
        }

        private static BigDecimal rate(String text) {
            BigDecimal rate = Quantities.perSecond(text);
            if (rate.compareTo(LEAST_RATE) < 0
                    || rate.compareTo(MOST_RATE) > 0
                    || rate.stripTrailingZeros().scale() > RateLimit.RATE_DECIMALS) {
                throw new IllegalArgumentException("not a rate from %s to %s with at most %d decimals"
                        .formatted(LEAST_RATE, MOST_RATE, RateLimit.RATE_DECIMALS));
            }
            return rate;
        }

        private static BigDecimal rateOrZero(String text) {
            return Quantities.perSecond(text).signum() == 0 ? BigDecimal.ZERO : rate(text);
        }

        /** Returns sizes that limit only the connections of an address. */
        public static Sizes ofConnections(int most) {
            return new Sizes(MOST_RATE, MOST_BURST, null, BigDecimal.ZERO, 1, most);
        }

        /** Returns these sizes for fewer connections: an address may have the same share of {@code most} as of {@code before}. */
        public Sizes withConnections(int before, int most) {
            return new Sizes(tokensPerSecond, burstTokens, shardRate, failuresPerSecond, failureBurst, (int)
                    Math.max(1, (long) connectionsPerAddress * most / before));
        }

        /** Returns these sizes with the global rate, the burst of certificates and the shard rate of {@code next}. */
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

    /**
     * Creates the limits and declares their metrics.
     *
     * @param nanoTicker the monotonic time in nanoseconds
     */
    public Limits(Sizes sizes, LongSupplier nanoTicker, Metrics metrics) {
        this.sizes = sizes;
        this.all = new RateLimit(sizes.tokensPerSecond(), sizes.burstTokens(), nanoTicker);
        this.nanoTicker = nanoTicker;
        this.lines = new LineLimit(1, LINE_EVERY, nanoTicker);
        this.metrics = new LimitMetrics(metrics);
        this.metrics.heldAddresses.watch(() -> failuresByAddress.asMap().values().stream()
                .filter(bucket -> bucket.availableTokens() < 1)
                .count());
        this.metrics.connectedAddresses.watch(connectionsByAddress::size);
        this.metrics.share.watch(() -> 1.0 / backends.getAsInt());
    }

    /**
     * Divides all rates and bursts from now on by the number of backends that share them.
     *
     * @param number a supplier of the number, at least 1, which must not block; it is asked for each submission
     */
    public void share(IntSupplier number) {
        backends = number;
    }

    private RateLimit divided(RateLimit bucket) {
        bucket.divideBy(backends.getAsInt());
        return bucket;
    }

    /**
     * Applies the global rate, the burst of certificates and the shard rate of {@code next}. The global bucket stays
     * full to the same proportion, and the buckets of shards start full.
     */
    public void change(Sizes next) {
        sizes = sizes.withRatesOf(next);
        all.change(next.tokensPerSecond(), next.burstTokens());
        byShard.invalidateAll();
    }

    /**
     * Counts a new connection. If the sender's address already has the largest allowed number of connections, returns
     * false without counting the new connection.
     */
    public boolean connect(Submitter sender) {
        boolean[] opened = new boolean[1];
        connectionsByAddress.compute(sender.network(), (network, before) -> {
            int open = before == null ? 0 : before;
            opened[0] = open < sizes.connectionsPerAddress();
            return opened[0] ? Integer.valueOf(open + 1) : before;
        });
        if (!opened[0]) {
            metrics.connectionsRefused.increment();
        }
        return opened[0];
    }

    /** Stops counting a connection that {@link #connect} had counted and that is now closed. */
    public void disconnect(Submitter sender) {
        connectionsByAddress.computeIfPresent(
                sender.network(), (network, open) -> open == 1 ? null : Integer.valueOf(open - 1));
    }

    /**
     * Returns a refusal if the address has caused too many failures, else empty. Takes no token. Never refuses a
     * connection that has sent a new signed certificate since its last failure.
     */
    public Optional<Throttled> beforeReading(Submitter sender) {
        if (sizes.failuresPerSecond().signum() == 0 || sender.showedKey()) {
            return Optional.empty();
        }
        RateLimit failures = failuresByAddress.getIfPresent(sender.network());
        long waitNanos = failures == null ? 0 : divided(failures).waitNanos();
        return waitNanos == 0
                ? Optional.empty()
                : Optional.of(held(
                        LimitedBy.ADDRESS, sender, waitNanos, "failure rate of the address (ADDRESS_FAILURE_RATE)"));
    }

    /**
     * Counts a request that is refused whatever its sender, such as one for an unknown path, as a failure of the
     * address. If the address has already caused too many failures, returns a refusal and takes no token, so that the
     * address is served soon after such requests end.
     */
    public Optional<Throttled> refused(Submitter sender) {
        Optional<Throttled> held = beforeReading(sender);
        if (held.isEmpty()) {
            failed(sender, 0);
        }
        return held;
    }

    /**
     * Runs the step "limits" for a certificate that is not parsed yet: checks the failures of its address, then takes a
     * token from the global bucket. Returns empty if the certificate is admitted.
     */
    public Optional<Throttled> admit(Submitter sender) {
        Optional<Throttled> held = beforeReading(sender);
        if (held.isPresent()) {
            return held;
        }
        OptionalLong waitNanos = divided(all).tryTake();
        return waitNanos.isEmpty()
                ? Optional.empty()
                : Optional.of(held(LimitedBy.GLOBAL, sender, waitNanos.getAsLong(), "global rate limit (TOKEN_RATE)"));
    }

    /**
     * Counts a refused certificate or body of {@code bytes} bytes as failures of the sender's address: one failure, and
     * one more for each full 64 KiB.
     */
    public void failed(Submitter sender, long bytes) {
        sender.failed();
        takeFailures(sender, 1 + bytes / BYTES_PER_FAILURE);
    }

    /**
     * Takes a token for an admitted certificate that is new and signed. The token comes from the bucket of the key or,
     * if the key has no rate, from the bucket of the shard. Returns empty if the certificate may proceed: a token was
     * available, or neither the key nor the shards have a rate. Otherwise, returns the refusal, and puts the token that
     * {@link #admit} took back into the global bucket.
     *
     * @param keyRate the bucket of the key that signed; null if the key has no rate
     */
    public Optional<Throttled> takeNew(Submitter sender, String shardId, String keyId, @Nullable RateLimit keyRate) {
        sender.sentNew();
        if (keyRate != null) {
            return late(LimitedBy.KEY, sender, divided(keyRate).tryTake(), () -> "rate of key " + keyId);
        }
        BigDecimal shardRate = sizes.shardRate();
        if (shardRate == null) {
            return Optional.empty();
        }
        RateLimit bucket = divided(byShard.get(shardId, unused -> RateLimit.ofTwoSeconds(shardRate, nanoTicker)));
        return late(
                LimitedBy.SHARD,
                sender,
                bucket.tryTake(),
                () -> "rate of shard " + CanonicalString.escape(shardId) + " (SHARD_RATE)");
    }

    /**
     * Counts an admitted duplicate as a failure of the address, because it may be a replay of a captured certificate.
     * Does nothing if the connection has sent a new signed certificate since its last failure.
     */
    public void known(Submitter sender) {
        if (!sender.showedKey()) {
            takeFailures(sender, 1);
        }
    }

    /**
     * Records a new signed request that is not a certificate: the connection is exempt from the limit of its address
     * until its next failure.
     */
    public void sentSigned(Submitter sender) {
        sender.sentNew();
    }

    private void takeFailures(Submitter sender, long count) {
        if (sizes.failuresPerSecond().signum() > 0) {
            RateLimit failures = divided(failuresByAddress.get(
                    sender.network(),
                    unused -> new RateLimit(sizes.failuresPerSecond(), sizes.failureBurst(), nanoTicker)));
            long burst = failures.burst();
            // however long failures have come, the address is served again within the time of two bursts after them
            if (failures.availableTokens() > -burst) {
                failures.takeAnyway(Math.min(count, burst));
            }
        }
    }

    private Optional<Throttled> late(LimitedBy limit, Submitter sender, OptionalLong waitNanos, Supplier<String> what) {
        if (waitNanos.isEmpty()) {
            return Optional.empty();
        }
        all.giveBack();
        metrics.throttledLate.increment();
        return Optional.of(held(limit, sender, waitNanos.getAsLong(), what.get()));
    }

    /**
     * Counts an admitted submission that conflicts with a recorded certificate and is answered 429, because its content
     * can't be kept as evidence at present.
     */
    public void evidenceThrottled() {
        metrics.throttled.increment();
        metrics.throttledBy.increment(LimitedBy.EVIDENCE);
        metrics.throttledLate.increment();
    }

    private Throttled held(LimitedBy limit, Submitter sender, long waitNanos, String what) {
        metrics.throttled.increment();
        metrics.throttledBy.increment(limit);
        lines.say(
                limit.label(),
                leftOut -> LOG.warn(
                        "throttled ({}): the {} was exceeded by a request from {}{}",
                        limit.label(),
                        what,
                        sender.address(),
                        leftOut));
        return new Throttled(limit, waitNanos);
    }

    /** The limit that caused a 429: the label {@code limit} of {@code flk_rate_limited_by_total}. */
    public enum LimitedBy {
        /** The global rate. */
        GLOBAL("global"),
        /** The rate of the key that signed the certificate. */
        KEY("key"),
        /** The rate of the shard. */
        SHARD("shard"),
        /** The failure rate of the address. */
        ADDRESS("address"),
        /**
         * The limit on evidence: a certificate that conflicts with a recorded certificate can't be kept as evidence at
         * present.
         */
        EVIDENCE("evidence");

        private final String label;

        LimitedBy(String label) {
            this.label = label;
        }

        /** Returns the value of the label. */
        public String label() {
            return label;
        }
    }

    /**
     * A throttled submission.
     *
     * @param limit the limit that it exceeds
     * @param waitNanos the nanoseconds until a retry can succeed, above 0
     */
    public record Throttled(LimitedBy limit, long waitNanos) {

        /**
         * Returns the wait in whole seconds for {@code Retry-After}: at least 1. The wait is first rounded down to
         * milliseconds, then up to seconds.
         */
        public long waitSeconds() {
            return seconds(waitNanos);
        }

        /** Returns a wait in whole seconds, as {@link #waitSeconds} does. */
        public static long seconds(long waitNanos) {
            long millis = TimeUnit.NANOSECONDS.toMillis(waitNanos);
            return Math.max(1, (millis + 999) / 1000);
        }
    }

    private static final class LimitMetrics extends Metrics.Feature {
        private final Count throttled = counter("flk_rate_limited_total", "Submissions answered 429.");
        private final Counts<LimitedBy> throttledBy = counter(
                "flk_rate_limited_by_total",
                "Submissions answered 429, by limit; a batch that is refused as a whole is one.",
                "limit",
                List.of(LimitedBy.values()),
                LimitedBy::label);
        private final Count throttledLate = counter(
                "flk_rate_limited_late_total",
                "Submissions answered 429 after the global limit had admitted them; they are in flk_ingest_total.");
        private final Count connectionsRefused = counter(
                "flk_address_connections_refused_total",
                "Connections closed at once because their address had too many.");
        private final Gauge heldAddresses =
                gauge("flk_held_addresses", "Addresses whose requests are refused unread because of failures.");
        private final Gauge share = gauge(
                "flk_rate_share",
                "The part of the rate limits that this backend applies: 1, or with RATE_SHARED 1 / live backends.");
        private final Gauge connectedAddresses =
                gauge("flk_connected_addresses", "Addresses that have open connections.");

        LimitMetrics(Metrics metrics) {
            super(metrics);
        }
    }
}
