// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.embedded;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.DedupStore;
import dev.flk.backend.outcomes.WriteMark;
import dev.flk.backend.outcomes.embedded.StoreFormat.Position;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.view.OpenDatabase;
import dev.flk.view.RocksView;
import dev.flk.view.RocksView.Owner;
import dev.flk.view.RocksView.Use;
import dev.flk.view.ViewUnavailableException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteBatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Outcomes in a RocksDB that may have other users, in the format of {@link StoreFormat}. A write is durable only once
 * its memtable has been flushed. Outcomes and position are written in one batch to one column family. After a crash, the
 * data is therefore complete up to the stored position, and the next start decides all later submissions in the inbox
 * log again.
 *
 * <p>After any failure, and after another user has opened the files again, every call fails until {@link #connect},
 * which opens the files if necessary. In three cases, the files are set aside ({@link RocksView}) and an empty store is
 * opened, which is then rebuilt from the log: the store is damaged, reading it failed twice within a minute, or it
 * belongs to another log. A log that is new and empty takes the store over instead: its outcomes have been answered, and
 * nothing in the log contradicts them.
 *
 * <p>An expired outcome is ignored when it is read; {@link #sweep} removes it. Reads may run on any thread; writes
 * exclude each other.
 */
public final class EmbeddedStore implements DedupStore {
    private static final Logger LOG = LoggerFactory.getLogger(EmbeddedStore.class);
    /** The buffer size for reading an outcome; a longer outcome needs a second call. */
    private static final int USUAL_BYTES = 1_024;

    /** The index of the family of the ids. */
    private static final int IDS = 0;

    private static final int SWEPT_AT_ONCE = 500;
    private static final long LEAST_SWEPT_A_SECOND = 2_000;
    private static final long SWEPT_ROUND_SECONDS = TimeUnit.HOURS.toSeconds(6);

    private final RocksView view;
    private final SecureRandom random = new SecureRandom();

    private volatile @Nullable String logId;
    private volatile boolean isLogEmpty;
    private volatile InstantSource clock = InstantSource.system();

    /** The number of the opening that the store is connected to; 0 before the first connection. */
    private volatile long connected;

    // guarded by this
    private byte[] sweptTo = {};
    private @Nullable Position written;

    /** The position and the id of the log in the store, and the number of the opening from which they were read. */
    private record Found(long number, Optional<Position> position, Optional<String> logId) {
        static Found in(OpenDatabase open) throws RocksDBException {
            Optional<Position> position = Optional.ofNullable(open.rocks().get(StoreFormat.POSITION_KEY))
                    .map(Position::decode);
            Optional<String> id = Optional.ofNullable(open.rocks().get(StoreFormat.LOG_ID_KEY))
                    .map(StoreFormat::decodeLogId);
            return new Found(
                    open.number(), position, position.flatMap(Position::logId).or(() -> id));
        }
    }

    /** Creates a store in an open view, which {@link #close} closes. */
    public EmbeddedStore(RocksView view) {
        this.view = view;
    }

    /**
     * Opens or creates the files of a store in a directory that no other process uses. Unreadable files are not an
     * error: the next {@link #connect} opens them again or sets them aside.
     *
     * @param keepFreeBytes the free disk space below which no copy of a store that was set aside is kept
     * @param nanoTicker monotonic time
     * @param whenSetAside called on any thread whenever a store was set aside
     * @throws StoreUnavailableException if the store can't be opened for a reason other than unreadable files, for
     *     example because another process uses it; the message names the directory and the problem
     */
    public static RocksView openView(
            Path directory, long keepFreeBytes, LongSupplier nanoTicker, Runnable whenSetAside) {
        try {
            return RocksView.open(directory, owner(whenSetAside), StoreTuning::tune, keepFreeBytes, nanoTicker);
        } catch (ViewUnavailableException e) {
            throw unavailable(e);
        }
    }

    /**
     * Returns the files of a store that no process uses yet, for a record without an embedded store; the record opens
     * them, and tries again if that fails. Otherwise like {@link #openView}.
     */
    public static RocksView unopenedView(
            Path directory, long keepFreeBytes, LongSupplier nanoTicker, Runnable whenSetAside) {
        return RocksView.unopened(directory, owner(whenSetAside), StoreTuning::tune, keepFreeBytes, nanoTicker);
    }

    private static Owner owner(Runnable whenSetAside) {
        return new Owner("the embedded store", "DEDUP_DIR", LOG, whenSetAside);
    }

    /**
     * Sets the log that the store belongs to. Must be called before the first {@link #connect}.
     *
     * @param id the id of the log, 32 hex digits
     * @param isEmpty whether the log is new and has no records; it then takes over the store of another log
     * @param expiry the clock by which outcomes expire
     */
    public void belongsTo(String id, boolean isEmpty, InstantSource expiry) {
        clock = expiry;
        isLogEmpty = isEmpty;
        logId = id;
    }

    /**
     * Returns the id of the log that the store was written for; empty if the store is new, has no id yet, or is
     * damaged.
     *
     * @throws StoreUnavailableException if the store can't be read at the moment, but may be readable later
     */
    public Optional<String> logId() {
        try {
            return view.use(Found::in).logId();
        } catch (ViewUnavailableException e) {
            if (view.isSpoiled()) {
                return Optional.empty();
            }
            throw unavailable(e);
        }
    }

    @Override
    public synchronized CompletionStage<OptionalLong> connect() {
        try {
            String id = Objects.requireNonNull(logId, "the log of the store is not set");
            view.reopenIfNeeded();
            Found found = view.use(Found::in);
            boolean isForeign =
                    found.logId().isPresent() && !found.logId().get().equals(id);
            if (isForeign && isLogEmpty) {
                LOG.warn(
                        "the embedded store belongs to log {}; log {} is new and empty, so it takes the store over: the"
                                + " outcomes in it stay valid",
                        found.logId().get(),
                        id);
                found = new Found(found.number(), Optional.empty(), Optional.empty());
            } else if (isForeign) {
                view.spoil(
                        found.number(),
                        "it belongs to another log (" + found.logId().get() + ", this one is " + id + ")");
                view.reopenIfNeeded();
                found = view.use(Found::in);
            }
            written = new Position(0, Optional.of(id), WriteMark.drawn(random, Position.INCARNATION_BYTES));
            connected = found.number();
            if (found.logId().isEmpty()) {
                belongTo(id, found.position());
            }
            return CompletableFuture.completedFuture(
                    found.position().stream().mapToLong(Position::completeUpTo).findAny());
        } catch (ViewUnavailableException e) {
            return CompletableFuture.failedFuture(unavailable(e));
        }
    }

    /**
     * Makes durable to which log the store belongs, before it has an outcome of it. A start without that log is refused
     * from then on; and after a crash, a log that took the store over is not empty any more, and could not do so again.
     *
     * @param position the position in this log; empty if the store has none, or that of another log
     */
    private void belongTo(String id, Optional<Position> position) {
        view.use(used -> {
            view.requireOpening(connected, used);
            try (WriteBatch batch = new WriteBatch()) {
                batch.put(StoreFormat.LOG_ID_KEY, StoreFormat.encodeLogId(id));
                if (position.isEmpty()) {
                    batch.delete(StoreFormat.POSITION_KEY);
                }
                used.write(batch);
            }
            used.flush(List.of(used.family(IDS)));
            return used;
        });
    }

    @Override
    public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        return use(used -> {
            long now = clock.millis();
            List<Optional<StoredOutcome>> found = new ArrayList<>(ids.size());
            for (PcsId id : ids) {
                found.add(existing(id, read(used.rocks(), id), now));
            }
            return found;
        });
    }

    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo) {
        return putIfAbsent(decisions, new BitSet(), completeUpTo);
    }

    @Override
    public synchronized CompletionStage<List<StoredOutcome>> putIfAbsent(
            List<StoredOutcome> decisions, BitSet first, long completeUpTo) {
        return use(used -> {
            Position next = Objects.requireNonNull(written, "connected before").next(completeUpTo);
            long now = clock.millis();
            List<StoredOutcome> existing = new ArrayList<>(decisions.size());
            try (WriteBatch batch = new WriteBatch()) {
                for (int i = 0; i < decisions.size(); i++) {
                    StoredOutcome decision = decisions.get(i);
                    PcsId id = decision.id();
                    Optional<StoredOutcome> earlier =
                            first.get(i) ? Optional.empty() : existing(id, read(used.rocks(), id), now);
                    if (earlier.isEmpty()) {
                        batch.put(id.toBytes(), decision.encode());
                    }
                    existing.add(earlier.orElse(decision));
                }
                batch.put(StoreFormat.POSITION_KEY, next.encode());
                used.write(batch);
            }
            written = next;
            return existing;
        });
    }

    /**
     * Reads the value of one key; returns null if the key is absent. RocksDB's Java call for several keys is not used,
     * because it returns null also for a key that it failed to read. The calls that allocate the array for the value
     * are not used either, because they throw an exception internally for each absent key, and nearly all keys are
     * absent.
     */
    private static byte @Nullable [] read(RocksDB used, PcsId id) throws RocksDBException {
        byte[] key = id.toBytes();
        byte[] value = new byte[USUAL_BYTES];
        int length = used.get(key, value);
        while (length > value.length) {
            value = new byte[length];
            length = used.get(key, value);
        }
        return length == RocksDB.NOT_FOUND ? null : Arrays.copyOf(value, length);
    }

    private static Optional<StoredOutcome> existing(PcsId id, byte @Nullable [] value, long nowMillis) {
        return value == null
                ? Optional.empty()
                : Optional.of(StoreFormat.outcome(id, value)).filter(recorded -> !recorded.isExpired(nowMillis));
    }

    @Override
    public boolean isOwn() {
        return true;
    }

    @Override
    public synchronized void sync() {
        useNow(used -> {
            view.requireOpening(connected, used);
            used.flush(List.of(used.family(IDS)));
            return true;
        });
    }

    /**
     * Examines at most {@code entries} entries and removes the expired ones. Each call continues where the previous
     * call ended; after the last entry, the next call begins with the first entry.
     *
     * @return the number of removed entries
     */
    public synchronized int sweep(int entries) {
        return useNow(used -> {
            long now = clock.millis();
            int removed = 0;
            try (ReadOptions uncached = new ReadOptions().setFillCache(false);
                    RocksIterator iterator = used.rocks().newIterator(uncached);
                    WriteBatch batch = new WriteBatch()) {
                iterator.seek(sweptTo);
                for (int i = 0; i < entries && iterator.isValid(); i++) {
                    if (StoreFormat.expiryMillis(iterator.key(), iterator.value()) <= now) {
                        batch.delete(iterator.key());
                        removed++;
                    }
                    iterator.next();
                }
                iterator.status();
                sweptTo = iterator.isValid() ? iterator.key() : new byte[0];
                used.write(batch);
            }
            return removed;
        });
    }

    /**
     * Sweeps one second's share of the entries; a complete round takes at most about six hours. If the disk is nearly
     * full, also deletes the copy of a store that was set aside.
     */
    public void sweepStretch(BooleanSupplier continues) {
        view.dropSetAsideIfShort();
        long entries = Math.max(LEAST_SWEPT_A_SECOND, estimatedEntries() / SWEPT_ROUND_SECONDS);
        for (long swept = 0; swept < entries && continues.getAsBoolean(); swept += SWEPT_AT_ONCE) {
            sweep(SWEPT_AT_ONCE);
        }
    }

    /** Returns the approximate number of entries. */
    private long estimatedEntries() {
        return useNow(used -> used.rocks().getLongProperty("rocksdb.estimate-num-keys"));
    }

    @Override
    public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return use(used -> {
            byte[] expiry = used.rocks().get(StoreFormat.evidenceKey(id, digest));
            return expiry != null && StoreFormat.decode(expiry) > clock.millis();
        });
    }

    @Override
    public synchronized CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return use(used -> {
            try (WriteBatch batch = new WriteBatch()) {
                batch.put(StoreFormat.evidenceKey(id, digest), StoreFormat.encode(expiresAtMillis));
                used.write(batch);
            }
            return true;
        });
    }

    @Override
    public void close() {
        try {
            view.close();
        } catch (ViewUnavailableException e) {
            throw unavailable(e);
        }
    }

    /** Uses the opening that the store is connected to. */
    private <T> CompletionStage<T> use(Use<T> use) {
        try {
            return CompletableFuture.completedFuture(useNow(open -> {
                view.requireOpening(connected, open);
                return use.with(open);
            }));
        } catch (StoreUnavailableException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private <T> T useNow(Use<T> use) {
        try {
            return view.use(use);
        } catch (ViewUnavailableException e) {
            throw unavailable(e);
        }
    }

    private static StoreUnavailableException unavailable(ViewUnavailableException e) {
        return new StoreUnavailableException(String.valueOf(e.getMessage()), e);
    }
}
