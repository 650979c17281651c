// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.embedded;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.DedupStore;
import dev.flk.backend.outcomes.embedded.EmbeddedFailures.Failure;
import dev.flk.backend.outcomes.embedded.EmbeddedFailures.Problem;
import dev.flk.backend.outcomes.embedded.StoreFormat.Position;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.view.NativeLibrary;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.rocksdb.FlushOptions;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteBatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Outcomes in RocksDB, in the format of {@link StoreFormat}. RocksDB's own write-ahead log is disabled, so a write is
 * durable only once its memtable has been flushed. Outcomes and position are written in one batch to one column family.
 * After a crash, the data is therefore complete up to the stored position, and the next start decides all later
 * submissions in the inbox log again.
 *
 * <p>After any failure, every call fails until {@link #connect}, which opens the files again. In three cases, {@code
 * connect} sets the store aside ({@link StoreDirectory}) and opens an empty store, which is then rebuilt from the log:
 * the store is damaged, reading it failed twice within a minute, or it belongs to another log.
 *
 * <p>An expired outcome is ignored when it is read; {@link #sweep} removes it. Reads may run on any thread; writes
 * exclude each other.
 */
public final class EmbeddedStore implements DedupStore {
    private static final Logger LOG = LoggerFactory.getLogger(EmbeddedStore.class);
    /** The buffer size for reading an outcome; a longer outcome needs a second call. */
    private static final int USUAL_BYTES = 1_024;

    private static final int SWEPT_AT_ONCE = 500;
    private static final long LEAST_SWEPT_A_SECOND = 2_000;
    private static final long SWEPT_ROUND_SECONDS = TimeUnit.HOURS.toSeconds(6);

    private final StoreDirectory directory;
    private final EmbeddedFailures failures;
    private final SecureRandom random = new SecureRandom();
    private final Runnable whenSetAside;

    /**
     * The lock of the database. Every use of the database holds the read lock. Opening and closing hold the write lock,
     * because a use after the close would crash the process.
     */
    private final ReentrantReadWriteLock open = new ReentrantReadWriteLock();

    // guarded by open
    private @Nullable Tuning tuning;
    private @Nullable RocksDB db;
    private boolean closed;

    private volatile @Nullable String logId;
    private volatile InstantSource clock = InstantSource.system();

    private final FoundAbsent foundAbsent = new FoundAbsent();

    // guarded by this
    private byte[] sweptTo = {};
    private @Nullable Position written;

    /** The refusal of a write by the database. It does not show whether the data can be read. */
    private static final class WriteFailedException extends RuntimeException {
        private static final long serialVersionUID = 1;

        private final transient RocksDBException refusal;

        WriteFailedException(RocksDBException refusal) {
            super(refusal);
            this.refusal = refusal;
        }
    }

    private EmbeddedStore(StoreDirectory directory, LongSupplier nanoTicker, Runnable whenSetAside) {
        this.whenSetAside = whenSetAside;
        this.directory = directory;
        this.failures = new EmbeddedFailures(nanoTicker);
    }

    /**
     * Opens or creates the store in a directory that no other process uses. Unreadable files are not an error: the next
     * {@link #connect} opens them again or sets them aside.
     *
     * @param keepFreeBytes the free disk space below which no copy of a store that was set aside is kept
     * @param nanoTicker monotonic time
     * @param whenSetAside called on any thread whenever a store was set aside
     * @throws StoreUnavailableException if the store can't be opened for a reason other than unreadable files, for
     *     example because another process uses it; the message names the directory and the problem
     */
    public static EmbeddedStore open(
            Path directory, long keepFreeBytes, LongSupplier nanoTicker, Runnable whenSetAside) {
        EmbeddedStore store = new EmbeddedStore(new StoreDirectory(directory, keepFreeBytes), nanoTicker, whenSetAside);
        try {
            Files.createDirectories(directory, OwnerOnly.directory(directory));
            NativeLibrary.load(directory.resolve(NativeLibrary.DIRECTORY));
            if (store.directory.isHeadless()) {
                store.setAsideUnlessInUse("its file CURRENT is missing");
            }
            store.openFiles();
        } catch (RocksDBException e) {
            Failure failure = Failure.of(e);
            Problem met = store.failures.note(e, failure);
            if (failure == Failure.ELSEWHERE) {
                throw new StoreUnavailableException(
                        "can't open the embedded store in " + directory + ": " + reason(e), e);
            }
            LOG.error("the embedded store in {} can't be opened: {}", directory, met.what());
        } catch (IOException | UnsatisfiedLinkError e) {
            throw new StoreUnavailableException("can't open the embedded store in " + directory + ": " + e, e);
        }
        return store;
    }

    private static String reason(RocksDBException e) {
        return String.valueOf(e.getMessage()).contains("/LOCK: ")
                ? "another process uses it; stop that, or choose another DEDUP_DIR"
                : String.valueOf(e.getMessage());
    }

    /**
     * Sets the log that the store belongs to. Must be called before the first {@link #connect}.
     *
     * @param id the id of the log, 32 hex digits
     * @param expiry the clock by which outcomes expire
     */
    public void belongsTo(String id, InstantSource expiry) {
        clock = expiry;
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
            return useNow(used -> position(used).flatMap(Position::logId));
        } catch (StoreUnavailableException e) {
            Problem met = failures.problem();
            if (met != null && met.isSpoiled()) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** Opens the files. The caller holds the write lock, or has not published this object yet. */
    private void openFiles() throws RocksDBException {
        Tuning fresh = new Tuning();
        try {
            db = RocksDB.open(fresh.options(), directory.path().toString());
            tuning = fresh;
        } catch (RocksDBException e) {
            fresh.close();
            throw e;
        }
    }

    private Tuning tuning() {
        return Objects.requireNonNull(tuning, "open");
    }

    private void closeFiles() {
        if (db != null) {
            db.close();
            db = null;
        }
        if (tuning != null) {
            tuning.close();
            tuning = null;
        }
    }

    /**
     * Sets the store aside. Does nothing if another process has locked the files, or if the file CURRENT exists by now.
     * Must be called before this process opens the files, because opening the files locks them.
     */
    private void setAsideUnlessInUse(String why) throws IOException {
        try (FileChannel lock = FileChannel.open(
                        directory.path().resolve("LOCK"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock locked = lock.tryLock()) {
            if (locked != null && directory.isHeadless()) {
                setAside(why);
            }
        }
    }

    private void setAside(String why) throws IOException {
        boolean kept = directory.setAside();
        whenSetAside.run();
        failures.setAside();
        LOG.error(
                "the embedded store in {} can't be used any more: {}. {} A new store is built from the log",
                directory.path(),
                why,
                kept
                        ? "It was moved to " + directory.setAsidePath() + "."
                        : "It was deleted, because the disk has no room to keep it.");
    }

    @Override
    public synchronized CompletionStage<OptionalLong> connect() {
        open.writeLock().lock();
        try {
            if (closed) {
                return CompletableFuture.failedFuture(isClosed());
            }
            foundAbsent.clear();
            reopenIfNeeded();
            Optional<Position> found = position(Objects.requireNonNull(db));
            String id = Objects.requireNonNull(logId, "the log of the store is not set");
            Optional<String> owner = found.flatMap(Position::logId);
            if (owner.isPresent() && !owner.get().equals(id)) {
                failures.end("it belongs to another log (" + owner.get() + ", this one is " + id + ")", true);
                reopenIfNeeded();
                found = Optional.empty();
            }
            // if the store does not contain the id of a log yet, the next write stores the id of this log
            written = new Position(0, Optional.of(id), random.nextLong(), 0);
            return CompletableFuture.completedFuture(
                    found.isPresent() ? OptionalLong.of(found.get().completeUpTo()) : OptionalLong.empty());
        } catch (RocksDBException | IllegalArgumentException e) {
            return CompletableFuture.failedFuture(unavailable(e, Failure.of(e)));
        } catch (IOException e) {
            return CompletableFuture.failedFuture(new StoreUnavailableException(
                    "the embedded store could not be set aside in " + directory.path() + ": " + e, e));
        } finally {
            open.writeLock().unlock();
        }
    }

    /**
     * Opens the files again after a failure. If the files must no longer be used, first sets them aside; if that fails,
     * the next {@link #connect} tries again. The caller holds the write lock.
     */
    private void reopenIfNeeded() throws RocksDBException, IOException {
        Problem met = failures.problem();
        if (met == null && db != null) {
            return;
        }
        closeFiles();
        if (met != null && met.isSpoiled()) {
            setAside(met.what());
        }
        failures.reconnecting();
        openFiles();
    }

    private static Optional<Position> position(RocksDB used) throws RocksDBException {
        byte[] value = used.get(StoreFormat.POSITION_KEY);
        return value == null ? Optional.empty() : Optional.of(Position.decode(value));
    }

    @Override
    public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        return use(used -> {
            long now = clock.millis();
            List<Optional<StoredOutcome>> found = new ArrayList<>(ids.size());
            for (PcsId id : ids) {
                Object look = foundAbsent.begin(id);
                byte[] value = read(used, id);
                foundAbsent.end(id, look, value == null);
                found.add(existing(id, value, now));
            }
            return found;
        });
    }

    @Override
    public synchronized CompletionStage<List<StoredOutcome>> putIfAbsent(
            List<StoredOutcome> decisions, long completeUpTo) {
        return use(used -> {
            Position next = Objects.requireNonNull(written, "connected before").next(completeUpTo);
            long now = clock.millis();
            List<StoredOutcome> existing = new ArrayList<>(decisions.size());
            try (WriteBatch batch = new WriteBatch()) {
                for (StoredOutcome decision : decisions) {
                    PcsId id = decision.id();
                    Optional<StoredOutcome> earlier =
                            foundAbsent.forget(id) ? Optional.empty() : existing(id, read(used, id), now);
                    if (earlier.isEmpty()) {
                        batch.put(id.toBytes(), decision.encode());
                    }
                    existing.add(earlier.orElse(decision));
                }
                batch.put(StoreFormat.POSITION_KEY, next.encode());
                write(used, batch);
            }
            // forgets the ids a second time, because a look-up that read before the write may have marked them as
            // absent since they were forgotten above
            decisions.forEach(decision -> foundAbsent.forget(decision.id()));
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
    public synchronized void sync() {
        useNow(used -> {
            flush(used);
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
                    RocksIterator iterator = used.newIterator(uncached);
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
                write(used, batch);
            }
            return removed;
        });
    }

    /**
     * Sweeps one second's share of the entries; a complete round takes at most about six hours. If the disk is nearly
     * full, also deletes the copy of a store that was set aside.
     */
    public void sweepStretch(BooleanSupplier continues) {
        dropSetAsideIfShort();
        long entries = Math.max(LEAST_SWEPT_A_SECOND, estimatedEntries() / SWEPT_ROUND_SECONDS);
        for (long swept = 0; swept < entries && continues.getAsBoolean(); swept += SWEPT_AT_ONCE) {
            sweep(SWEPT_AT_ONCE);
        }
    }

    private void dropSetAsideIfShort() {
        open.readLock().lock(); // no store can be set aside meanwhile
        try {
            directory.dropSetAsideIfShort();
        } finally {
            open.readLock().unlock();
        }
    }

    /** Returns the approximate number of entries. */
    private long estimatedEntries() {
        return useNow(used -> used.getLongProperty("rocksdb.estimate-num-keys"));
    }

    @Override
    public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return use(used -> {
            byte[] expiry = used.get(StoreFormat.evidenceKey(id, digest));
            return expiry != null && StoreFormat.decode(expiry) > clock.millis();
        });
    }

    @Override
    public synchronized CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return use(used -> {
            try (WriteBatch batch = new WriteBatch()) {
                batch.put(StoreFormat.evidenceKey(id, digest), StoreFormat.encode(expiresAtMillis));
                write(used, batch);
            }
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
                if (db != null && failures.problem() == null) {
                    flush(db);
                }
            } catch (WriteFailedException e) {
                throw unavailable(e.refusal, Failure.ELSEWHERE);
            } finally {
                closeFiles();
            }
        } finally {
            open.writeLock().unlock();
        }
    }

    private void write(RocksDB used, WriteBatch batch) {
        try {
            used.write(tuning().writes(), batch);
        } catch (RocksDBException e) {
            throw new WriteFailedException(e);
        }
    }

    private static void flush(RocksDB used) {
        try (FlushOptions wait = new FlushOptions().setWaitForFlush(true)) {
            used.flush(wait);
        } catch (RocksDBException e) {
            throw new WriteFailedException(e);
        }
    }

    private interface Use<T> {
        T with(RocksDB used) throws RocksDBException;
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
                throw isClosed();
            }
            Problem met = failures.problem();
            RocksDB used = db;
            if (met != null || used == null) {
                throw new StoreUnavailableException(
                        "the embedded store failed: " + (met == null ? "it is not open" : met.what()));
            }
            return use.with(used);
        } catch (WriteFailedException e) {
            throw unavailable(
                    e.refusal, Failure.of(e.refusal) == Failure.DAMAGED ? Failure.DAMAGED : Failure.ELSEWHERE);
        } catch (RocksDBException | IllegalArgumentException e) {
            throw unavailable(e, Failure.of(e));
        } finally {
            open.readLock().unlock();
        }
    }

    private static StoreUnavailableException isClosed() {
        return new StoreUnavailableException("the embedded store is closed");
    }

    private StoreUnavailableException unavailable(Exception e, Failure failure) {
        return new StoreUnavailableException(
                "the embedded store failed: " + failures.note(e, failure).what(), e);
    }

    /**
     * The ids for which a look-up found nothing in the store. The put that usually follows need not read these ids
     * again. A look-up adds an id only if no put has written the id since the look-up began. To ensure this, a put
     * forgets the id before it writes, and again afterwards. Bounded; it is always safe to forget an id. Safe for any
     * thread.
     */
    private static final class FoundAbsent {
        private static final int MOST = 1 << 15;
        private static final Object ABSENT = new Object();

        /** The ids, each with either {@link #ABSENT} or its last look-up in flight. */
        private final ConcurrentHashMap<PcsId, Object> ids = new ConcurrentHashMap<>();

        Object begin(PcsId id) {
            if (ids.size() >= MOST) {
                ids.clear();
            }
            Object look = new Object();
            ids.put(id, look);
            return look;
        }

        void end(PcsId id, Object look, boolean isAbsent) {
            if (isAbsent) {
                ids.replace(id, look, ABSENT);
            } else {
                ids.remove(id, look);
            }
        }

        /** Forgets an id; returns whether the id was known to be absent from the store. */
        boolean forget(PcsId id) {
            return ids.remove(id) == ABSENT;
        }

        void clear() {
            ids.clear();
        }
    }
}
