// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.embedded;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.wal.OwnerOnly;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BooleanSupplier;
import org.rocksdb.FlushOptions;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * Outcomes in RocksDB, laid out as {@link Layout} says. RocksDB's own log is off: a write is durable once its memtable was
 * flushed. Outcomes and position go into one write batch of one column family, so that what a crash leaves is always complete up
 * to its position, and a start decides the rest from the inbox log again.
 *
 * <p>Expiry is tested at reading; {@link #sweep} gives the space back. Reads may run on any thread; writes exclude each other.
 */
public final class EmbeddedStore implements DedupStore {
    private static final Path NATIVE = Path.of("native");
    private static final int SWEPT_AT_ONCE = 500;
    private static final long LEAST_SWEPT_A_SECOND = 2_000;
    private static final long SWEPT_ROUND_SECONDS = TimeUnit.HOURS.toSeconds(6);

    private final InstantSource clock;
    private final Tuning tuning;
    private final RocksDB db;
    private final WriteOptions writeOptions = new WriteOptions().setDisableWAL(true);

    /** Held for reading by every use of the database, for writing by its end: a use after it would crash the process. */
    private final ReentrantReadWriteLock open = new ReentrantReadWriteLock();

    private boolean closed;

    // guarded by this
    private byte[] sweptTo = {};

    private EmbeddedStore(Tuning tuning, RocksDB db, InstantSource clock) {
        this.tuning = tuning;
        this.db = db;
        this.clock = clock;
    }

    /**
     * Opens or creates the store in a directory that no other process uses.
     *
     * @throws StoreUnavailableException saying which directory, and what is wrong
     */
    public static EmbeddedStore open(Path directory, InstantSource clock) {
        Tuning tuning = null;
        try {
            Files.createDirectories(directory, OwnerOnly.directory(directory));
            NativeLibrary.load(directory.resolve(NATIVE));
            tuning = new Tuning();
            return new EmbeddedStore(tuning, RocksDB.open(tuning.options(), directory.toString()), clock);
        } catch (RocksDBException | IOException | UnsatisfiedLinkError e) {
            if (tuning != null) {
                tuning.close();
            }
            throw new StoreUnavailableException("can't open the embedded store in " + directory + ": " + reason(e), e);
        }
    }

    private static String reason(Throwable e) {
        if (e instanceof RocksDBException locked
                && String.valueOf(locked.getMessage()).contains("/LOCK: ")) {
            return "another process uses it; stop that, or choose another DEDUP_DIR";
        }
        if (e instanceof RocksDBException) {
            return e.getMessage() + "; it can be removed while the backend is stopped: the log rebuilds it";
        }
        return e.toString();
    }

    @Override
    public CompletionStage<List<Optional<Recorded>>> get(List<PcsId> ids) {
        return use(() -> read(ids));
    }

    @Override
    public synchronized CompletionStage<List<Recorded>> putIfAbsent(List<Recorded> decisions, long completeUpTo) {
        return use(() -> {
            List<Optional<Recorded>> earlier =
                    read(decisions.stream().map(Recorded::id).toList());
            List<Recorded> standing = new ArrayList<>(decisions.size());
            try (WriteBatch batch = new WriteBatch()) {
                for (int i = 0; i < decisions.size(); i++) {
                    Recorded decision = decisions.get(i);
                    if (earlier.get(i).isEmpty()) {
                        batch.put(decision.id().toBytes(), decision.encode());
                    }
                    standing.add(earlier.get(i).orElse(decision));
                }
                batch.put(Layout.POSITION_KEY, Layout.encode(completeUpTo));
                db.write(writeOptions, batch);
            }
            return standing;
        });
    }

    private List<Optional<Recorded>> read(List<PcsId> ids) throws RocksDBException {
        if (ids.isEmpty()) {
            return List.of(); // RocksDB takes no empty list
        }
        long now = clock.millis();
        List<byte[]> values = db.multiGetAsList(ids.stream().map(PcsId::toBytes).toList());
        List<Optional<Recorded>> found = new ArrayList<>(values.size());
        for (byte[] value : values) {
            found.add(
                    value == null
                            ? Optional.empty()
                            : Optional.of(Recorded.decode(value)).filter(recorded -> !recorded.isExpired(now)));
        }
        return found;
    }

    @Override
    public CompletionStage<OptionalLong> connect() {
        return use(() -> {
            byte[] value = db.get(Layout.POSITION_KEY);
            return value == null ? OptionalLong.empty() : OptionalLong.of(Layout.decode(value));
        });
    }

    @Override
    public synchronized void sync() {
        useNow(() -> {
            flush();
            return true;
        });
    }

    /**
     * Looks at up to {@code entries} outcomes, going round through all of them from call to call, and removes those that have
     * expired.
     *
     * @return how many were removed
     */
    public synchronized int sweep(int entries) {
        return useNow(() -> {
            long now = clock.millis();
            int removed = 0;
            try (ReadOptions uncached = new ReadOptions().setFillCache(false);
                    RocksIterator iterator = db.newIterator(uncached);
                    WriteBatch batch = new WriteBatch()) {
                iterator.seek(sweptTo);
                for (int i = 0; i < entries && iterator.isValid(); i++) {
                    if (Layout.expiryMillis(iterator.key(), iterator.value()) <= now) {
                        batch.delete(iterator.key());
                        removed++;
                    }
                    iterator.next();
                }
                iterator.status();
                sweptTo = iterator.isValid() ? iterator.key() : new byte[0];
                db.write(writeOptions, batch);
            }
            return removed;
        });
    }

    /** What a {@link Sweeper} does in one second: all entries are looked at in about six hours. */
    public void sweepStretch(BooleanSupplier goesOn) {
        long entries = Math.max(LEAST_SWEPT_A_SECOND, estimatedEntries() / SWEPT_ROUND_SECONDS);
        for (long swept = 0; swept < entries && goesOn.getAsBoolean(); swept += SWEPT_AT_ONCE) {
            sweep(SWEPT_AT_ONCE);
        }
    }

    /** About how many entries there are. */
    private long estimatedEntries() {
        return useNow(() -> db.getLongProperty("rocksdb.estimate-num-keys"));
    }

    @Override
    public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return use(() -> {
            byte[] expiry = db.get(Layout.evidenceKey(id, digest));
            return expiry != null && Layout.decode(expiry) > clock.millis();
        });
    }

    @Override
    public synchronized CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return use(() -> {
            db.put(writeOptions, Layout.evidenceKey(id, digest), Layout.encode(expiresAtMillis));
            return true;
        });
    }

    @Override
    public void close() {
        open.writeLock().lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            try {
                flush();
            } catch (RocksDBException e) {
                throw unavailable(e);
            } finally {
                writeOptions.close();
                db.close();
                tuning.close();
            }
        } finally {
            open.writeLock().unlock();
        }
    }

    private void flush() throws RocksDBException {
        try (FlushOptions wait = new FlushOptions().setWaitForFlush(true)) {
            db.flush(wait);
        }
    }

    private interface Use<T> {
        T with() throws RocksDBException;
    }

    private <T> CompletionStage<T> use(Use<T> use) {
        try {
            return CompletableFuture.completedFuture(useNow(use));
        } catch (StoreUnavailableException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private <T> T useNow(Use<T> use) {
        open.readLock().lock();
        try {
            if (closed) {
                throw new StoreUnavailableException(
                        "the embedded store is closed", new IllegalStateException("closed"));
            }
            return use.with();
        } catch (RocksDBException | IllegalArgumentException e) {
            throw unavailable(e);
        } finally {
            open.readLock().unlock();
        }
    }

    private StoreUnavailableException unavailable(Exception e) {
        return new StoreUnavailableException("the embedded store failed: " + e.getMessage(), e);
    }
}
