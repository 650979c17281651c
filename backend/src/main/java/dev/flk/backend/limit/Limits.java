// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import dev.flk.backend.metrics.LimitedBy;
import dev.flk.backend.metrics.Meters;
import io.github.bucket4j.ConsumptionProbe;
import java.math.BigDecimal;
import java.security.SecureRandom;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Who may send how much: one bucket for all, a share of it for each shard, a rate for a key that has one, and for each address how much
 * of it may be refused. A submission meets them in the order of the methods; each that holds it back counts it, and says so now and then.
 * Lock-free but for those lines and for connections; safe for any thread.
 */
public final class Limits {
    /** A connection that sent so many of one account in a row is believed to go on with it. */
    private static final int SURE_AFTER = 256;
    /** Of those that are refused on that belief alone, one in so many is looked at. */
    private static final int LOOK_EVERY = 16;

    /** A usual failure takes a tenth of a millisecond; to unpack a MiB, look through it or parse it takes one to three. */
    private static final long BYTES_PER_FAILURE = 64 << 10;

    private final RateLimit all;
    private final @Nullable FairShares shares;
    private final @Nullable AddressFailures failures;
    private final Connections connections;
    private final ToldToWait impatience;
    private final long burstTokens;
    private final LongSupplier nanoTicker;
    private final Meters meters;
    private final HeldLines lines = new HeldLines();

    /** What to do when there is less than all want. */
    public enum Sharing {
        /** Each shard has its share. */
        FAIR,
        /** Who comes first has it. */
        NONE
    }

    /**
     * How much.
     *
     * @param tokensPerSecond certificates a second
     * @param burstTokens certificates that may come at once
     * @param failuresPerSecond of an address, of what takes no key to send; 0: any number
     * @param failureBurst of an address, that may come at once
     * @param connectionsPerAddress that may be open at once
     */
    public record Sizes(
            BigDecimal tokensPerSecond,
            long burstTokens,
            Sharing sharing,
            BigDecimal failuresPerSecond,
            long failureBurst,
            int connectionsPerAddress) {}

    /** @param nanoTicker monotonic time */
    public Limits(Sizes sizes, LongSupplier nanoTicker, Meters meters) {
        this(sizes, nanoTicker, meters, true);
    }

    /** For a port that only operators reach: as many connections as there may be at all. Nothing of it is watched. */
    public static Limits none(LongSupplier nanoTicker, Meters meters) {
        Sizes sizes = new Sizes(BigDecimal.ONE, 1, Sharing.NONE, BigDecimal.ZERO, 1, Integer.MAX_VALUE);
        return new Limits(sizes, nanoTicker, meters, false);
    }

    private Limits(Sizes sizes, LongSupplier nanoTicker, Meters meters, boolean isWatched) {
        SecureRandom secrets = new SecureRandom();
        long now = nanoTicker.getAsLong();
        this.all = new RateLimit(sizes.tokensPerSecond(), sizes.burstTokens(), nanoTicker);
        this.burstTokens = sizes.burstTokens();
        this.shares = sizes.sharing() == Sharing.NONE
                ? null
                : new FairShares(sizes.tokensPerSecond().doubleValue(), burstTokens, now, secrets.nextLong());
        this.failures = sizes.failuresPerSecond().signum() == 0
                ? null
                : new AddressFailures(sizes.failuresPerSecond(), sizes.failureBurst(), now, secrets.nextLong());
        this.impatience = new ToldToWait(now, secrets.nextLong());
        this.connections = new Connections(sizes.connectionsPerAddress());
        this.nanoTicker = nanoTicker;
        this.meters = meters;
        if (isWatched) {
            watch();
        }
    }

    private void watch() {
        FairShares watched = shares;
        AddressFailures watchedFailures = failures;
        meters.activeShards.watch(() -> watched == null ? 0 : watched.active(nanoTicker.getAsLong()));
        meters.heldAddresses.watch(() -> watchedFailures == null ? 0 : watchedFailures.held(nanoTicker.getAsLong()));
        meters.connectedAddresses.watch(connections::addresses);
    }

    /** A connection is opened; false if its address has as many as it may. */
    public boolean connect(Sender sender) {
        return connections.open(sender.network());
    }

    /** Counts a connection once more, whether there may be another or not. */
    public void connectOnceMore(Sender sender) {
        connections.add(sender.network());
    }

    /** A connection is gone that {@link #connect} had counted. */
    public void disconnect(Sender sender) {
        connections.close(sender.network());
    }

    /** Before anything is read: may this address send something? Takes no token. */
    public Optional<HeldBack> beforeReading(Sender sender) {
        AddressFailures asked = failures;
        if (asked == null || sender.showedKey()) {
            return Optional.empty();
        }
        long now = nanoTicker.getAsLong();
        long waitNanos = asked.waitNanos(sender.network(), now);
        if (waitNanos == 0) {
            return Optional.empty();
        }
        lines.address(now, sender);
        return Optional.of(held(LimitedBy.ADDRESS, sender, now, waitNanos));
    }

    /** Before it is parsed: takes a token of all. */
    public Admission admit(Sender sender) {
        Optional<HeldBack> held = beforeReading(sender);
        if (held.isPresent()) {
            return Admission.held(held.get());
        }
        long now = nanoTicker.getAsLong();
        boolean isImpatient = impatience.isTold(sender.network(), now);
        FairShares asked = shares;
        int account = sender.accountOfLast(SURE_AFTER);
        if (asked != null && account != FairShares.NOBODY) {
            long left = all.availableTokens();
            if (asked.isOver(account, sender.network(), left, now, isImpatient) && !sender.isDue(LOOK_EVERY)) {
                LimitedBy limit = account == FairShares.KNOWN ? LimitedBy.KNOWN : LimitedBy.SHARD;
                return Admission.held(held(limit, sender, now, asked.waitNanos(account, left, now)));
            }
        }
        ConsumptionProbe taken = all.take();
        if (taken.isConsumed()) {
            return new Admission(null, taken.getRemainingTokens(), isImpatient);
        }
        lines.global(now, sender);
        // the bucket rounds down, and a wait that is a nanosecond short would be refused once more
        return Admission.held(held(LimitedBy.GLOBAL, sender, now, taken.getNanosToWaitForRefill() + 1));
    }

    /**
     * A certificate, or a body, was refused that it takes no key to send. That counts as one failure, and as one more for each 64 KiB of what was looked
     * at in vain.
     */
    public void failed(Sender sender, long bytes) {
        sender.failed();
        AddressFailures asked = failures;
        if (asked != null) {
            long now = nanoTicker.getAsLong();
            asked.failed(sender.network(), now, 1);
            if (bytes >= BYTES_PER_FAILURE) {
                asked.owes(sender.network(), now, bytes / BYTES_PER_FAILURE);
            }
        }
    }

    /**
     * So many bytes took work while it is not known yet what they are good for: they count as a failure for each 64 KiB, unless the connection
     * has shown a key. Returns whether they count.
     */
    public boolean unpacked(Sender sender, long bytes) {
        AddressFailures asked = failures;
        if (asked == null || sender.showedKey()) {
            return false;
        }
        asked.owes(sender.network(), nanoTicker.getAsLong(), Math.max(1, bytes / BYTES_PER_FAILURE));
        return true;
    }

    /**
     * What was admitted is new, and signed: only now it counts for its key and its shard, so that nobody uses up what is theirs by sending again
     * what they signed. If it is held back, its token of all is given back.
     *
     * @param keyRate of the key that signed it; null: it has none
     */
    public Optional<HeldBack> takeNew(
            Sender sender, Admission admission, String shardId, String keyId, @Nullable RateLimit keyRate) {
        long now = nanoTicker.getAsLong();
        FairShares asked = shares;
        int account = asked == null ? FairShares.NOBODY : asked.account(shardId);
        sender.sent(account);
        if (asked != null) {
            long left = leftTokens(admission);
            if (asked.isOver(account, sender.network(), left, now, admission.isImpatient())) {
                lines.shard(now, sender, shardId, asked.perSecond(account, now));
                return givenBack(LimitedBy.SHARD, sender, now, asked.waitNanos(account, left, now));
            }
        }
        OptionalLong waitNanos = keyRate == null ? OptionalLong.empty() : keyRate.tryTake();
        if (waitNanos.isPresent()) {
            lines.key(now, sender, keyId);
            return givenBack(LimitedBy.KEY, sender, now, waitNanos.getAsLong());
        }
        if (asked != null) {
            asked.charge(account, sender.network(), now);
        }
        return Optional.empty();
    }

    /** What was admitted is known already: all of that, whoever sends it, has one share. If it is held back, its token is given back. */
    public Optional<HeldBack> takeKnown(Sender sender, Admission admission) {
        FairShares asked = shares;
        sender.sent(FairShares.KNOWN);
        if (asked == null) {
            return Optional.empty();
        }
        long now = nanoTicker.getAsLong();
        long left = leftTokens(admission);
        if (asked.isOver(FairShares.KNOWN, sender.network(), left, now, admission.isImpatient())) {
            lines.known(now, sender, asked.perSecond(FairShares.KNOWN, now));
            return givenBack(LimitedBy.KNOWN, sender, now, asked.waitNanos(FairShares.KNOWN, left, now));
        }
        asked.charge(FairShares.KNOWN, sender.network(), now);
        return Optional.empty();
    }

    /** Whether {@code more} would leave less than half of the bucket: then shares count. */
    public boolean isShortOf(int more) {
        return shares != null && 2.0 * (all.availableTokens() - more) < burstTokens;
    }

    /** With its own; what came later may have taken some meanwhile, and what came earlier have given some back. */
    private long leftTokens(Admission admission) {
        return Math.max(admission.leftTokens(), all.availableTokens()) + 1;
    }

    private Optional<HeldBack> givenBack(LimitedBy limit, Sender sender, long nowNanos, long waitNanos) {
        all.giveBack();
        meters.rateLimitedLate(limit);
        return Optional.of(toldToWait(sender, nowNanos, waitNanos));
    }

    private HeldBack held(LimitedBy limit, Sender sender, long nowNanos, long waitNanos) {
        meters.rateLimited(limit);
        return toldToWait(sender, nowNanos, waitNanos);
    }

    /** What it is told is whole seconds. */
    private HeldBack toldToWait(Sender sender, long nowNanos, long waitNanos) {
        HeldBack held = new HeldBack(waitNanos);
        impatience.tell(sender.network(), nowNanos + TimeUnit.SECONDS.toNanos(held.waitSeconds()));
        return held;
    }
}
