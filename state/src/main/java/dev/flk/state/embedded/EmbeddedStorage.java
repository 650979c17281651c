// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.Key;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage;
import dev.flk.state.Version;
import dev.flk.state.embedded.Layout.Header;
import dev.flk.state.embedded.Layout.Pointer;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.rocksdb.Checkpoint;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Status;
import org.rocksdb.WriteBatch;

/**
 * State on RocksDB: each batch is one write that is forced to disk. A failure closes the storage; the next {@link
 * #open} reopens the files, unless they are damaged and need repair by an operator.
 */
public final class EmbeddedStorage implements Storage {
    private static final int FORGOTTEN_AT_ONCE = 10_000;
    /** The name of RocksDB's lock file. */
    private static final String LOCK = "LOCK";

    private final Path directory;
    private final long cacheBytes;
    private final Supplier<String> newHistoryId;

    // guarded by the lock: modified only while it is held for writing
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private @Nullable Database open;
    private @Nullable AnsweredFile answeredFile;
    /** The identity of the lock file when the database was opened. */
    private @Nullable Object lockKey;

    private boolean isClosed;
    private volatile boolean isClosing;

    /** The problem that closed the storage; null if none existed. */
    private volatile @Nullable Problem problem;

    /** Held by the threads that change the state on which commits are decided: the writer and removals. */
    private final Object commitLock = new Object();

    private volatile @Nullable Head head;
    private final Map<String, Long> trimmed = new ConcurrentHashMap<>();
    private volatile Consumer<String> onMissing = cause -> {};

    /** @param isFinal whether the files must not be used any more */
    private record Problem(StateException what, boolean isFinal) {}

    /**
     * Creates a storage that is not open yet.
     *
     * @param directory a directory for this storage only; created if missing
     * @param cacheBytes the size of the block cache
     * @param newHistoryId generates the id of a new history
     */
    public EmbeddedStorage(Path directory, long cacheBytes, Supplier<String> newHistoryId) {
        this.directory = directory;
        this.cacheBytes = cacheBytes;
        this.newHistoryId = newHistoryId;
    }

    @Override
    public void open() {
        lock.writeLock().lock();
        try {
            Problem met = problem;
            if (isClosed) {
                throw closed();
            }
            if (open != null && met == null) {
                return;
            }
            if (met != null && met.isFinal()) {
                throw met.what();
            }
            closeFiles();
            Files.createDirectories(directory, OwnerOnly.directory(directory));
            NativeLibrary.load(directory.resolve(NativeLibrary.DIRECTORY));
            LogFiles.requireWhole(directory);
            Database db = new Database(directory, cacheBytes);
            open = db;
            lockKey = lockKey();
            head = withAnswered(db, readHead(db));
            problem = null;
        } catch (RocksDBException | IllegalArgumentException | BufferUnderflowException e) {
            closeFiles();
            throw failed(e);
        } catch (StateException e) {
            closeFiles();
            throw e;
        } catch (IOException | UnsatisfiedLinkError e) {
            closeFiles();
            throw StateException.down("the state in " + directory + " can't be opened: " + e, e);
        } finally {
            lock.writeLock().unlock();
        }
    }

    private Head readHead(Database db) throws RocksDBException {
        byte[] format = db.rocks().get(db.meta(), Layout.FORMAT_KEY);
        if (format == null) {
            return create(db);
        }
        int found = ByteBuffer.wrap(format).getInt();
        if (found != Layout.FORMAT) {
            StateException what = Reason.STORE_DOWN.because("the state in " + directory + " has format " + found
                    + ", this version reads " + Layout.FORMAT + ": run the version that wrote it");
            problem = new Problem(what, true);
            throw what;
        }
        byte[] historyId = db.required(db.meta(), Layout.HISTORY_KEY, "the id of the history");
        ByteBuffer floor = ByteBuffer.wrap(db.required(db.meta(), Layout.FLOOR_KEY, "the floor"));
        long floorRevision = floor.getLong();
        long floorAtMicros = floor.getLong();
        long revision = floorRevision;
        try (RocksIterator events = db.rocks().newIterator(db.events())) {
            events.seekToLast();
            if (events.isValid()) {
                revision = Math.max(revision, ByteBuffer.wrap(events.key()).getLong());
            }
            events.status();
        }
        long atMicros = revision == floorRevision ? floorAtMicros : db.committedAt(revision);
        readTrimmed(db);
        if (db.rocks().get(db.meta(), Layout.REMOVED_KEY) == null) { // written by version 0.1
            long removed = Math.max(
                    floorRevision,
                    trimmed.values().stream().mapToLong(upTo -> upTo).max().orElse(0));
            db.rocks().put(db.meta(), db.forced(), Layout.REMOVED_KEY, Layout.revision(removed));
        }
        return new Head(Layout.text(historyId, 0, historyId.length), revision, atMicros, floorRevision, floorAtMicros);
    }

    private void readTrimmed(Database db) throws RocksDBException {
        try (Scan all = new Scan(db, db.meta(), Layout.trimmed(""))) {
            for (boolean isThere = all.seek(Layout.trimmed("")); isThere; isThere = all.next()) {
                String namespace = Layout.text(all.key(), Layout.TRIMMED.length(), all.key().length);
                trimmed.put(namespace, ByteBuffer.wrap(all.value()).getLong());
            }
        }
    }

    private Head create(Database db) throws RocksDBException {
        try (RocksIterator events = db.rocks().newIterator(db.events())) {
            events.seekToFirst();
            if (events.isValid()) {
                StateException what = Reason.STORE_DOWN.because("the state in " + directory
                        + " is an interrupted restore: empty the directory and restore again");
                problem = new Problem(what, true);
                throw what;
            }
            events.status();
        }
        Head created = new Head(newHistoryId.get(), 0, 0, 0, 0);
        putMeta(db, created.historyId(), 0, 0);
        return created;
    }

    private static void putMeta(Database db, String historyId, long floor, long floorAtMicros) throws RocksDBException {
        try (WriteBatch batch = new WriteBatch()) {
            batch.put(
                    db.meta(),
                    Layout.FORMAT_KEY,
                    ByteBuffer.allocate(Integer.BYTES).putInt(Layout.FORMAT).array());
            batch.put(db.meta(), Layout.HISTORY_KEY, Layout.utf8(historyId));
            batch.put(db.meta(), Layout.FLOOR_KEY, Layout.longs(floor, floorAtMicros));
            batch.put(db.meta(), Layout.REMOVED_KEY, Layout.revision(floor));
            db.rocks().write(db.forced(), batch);
        }
    }

    /** Gives the history a new id if answered commits are missing, or may be. */
    private Head withAnswered(Database db, Head found) throws RocksDBException, IOException {
        boolean isExpected = db.rocks().get(db.meta(), Layout.ANSWERED_KEY) != null;
        Optional<String> missing = AnsweredFile.contradiction(directory, found, isExpected);
        Head now = found;
        if (missing.isPresent()) {
            now = found.ofHistory(newHistoryId.get());
            db.rocks().put(db.meta(), db.forced(), Layout.HISTORY_KEY, Layout.utf8(now.historyId()));
        }
        answeredFile = AnsweredFile.create(directory, now);
        if (!isExpected) {
            db.rocks().put(db.meta(), db.forced(), Layout.ANSWERED_KEY, new byte[0]);
        }
        if (missing.isPresent()) {
            onMissing.accept(missing.get() + "; the history is now " + now.historyId()
                    + ", so that clients that follow a replay start over");
        }
        return now;
    }

    /** Returns the identity of the lock file; null if the file system has none. */
    private @Nullable Object lockKey() throws IOException {
        return Files.readAttributes(directory.resolve(LOCK), BasicFileAttributes.class)
                .fileKey();
    }

    /**
     * Requires that the lock file is unchanged. RocksDB excludes other processes with it: if it was removed or
     * replaced, another process may open the same files.
     */
    private void requireLocked() {
        String what;
        try {
            if (Objects.equals(lockKey(), lockKey)) {
                return;
            }
            what = "was replaced by another file";
        } catch (IOException e) {
            what = "can't be read: " + e;
        }
        StateException lost = Reason.STORE_DOWN.because(
                "the lock of the state, " + directory.resolve(LOCK) + ", " + what
                        + "; another process may use this state, so this one has stopped: find out which directory is"
                        + " the right one, and start the backend again",
                Map.of("cause", "LOCK_LOST"));
        problem = new Problem(lost, true);
        throw lost;
    }

    @Override
    public void whenAnsweredAreMissing(Consumer<String> callback) {
        onMissing = callback;
    }

    @Override
    public Head head() {
        return using(db -> requireHead());
    }

    @Override
    public void commit(Set<Key> keys, Set<RequestKey> requests, Function<Existing, Batch> decide) {
        using(db -> {
            synchronized (commitLock) {
                Batch batch = decide.apply(new Reads(db, this::requireHead, trimmed).existing(keys, requests));
                if (!batch.isEmpty()) {
                    write(db, batch);
                    for (Event event : batch.events()) {
                        head = requireHead().next(event.committedAtMicros());
                    }
                    Objects.requireNonNull(answeredFile, "open")
                            .write(requireHead().revision());
                }
                requireLocked();
                return batch;
            }
        });
    }

    private static void write(Database db, Batch batch) throws RocksDBException {
        try (WriteBatch writes = new WriteBatch()) {
            for (Event event : batch.events()) {
                put(db, writes, event);
            }
            for (Map.Entry<RequestKey, Answered> answer : batch.answered().entrySet()) {
                byte[] key = Layout.request(answer.getKey());
                writes.put(db.requests(), key, Layout.answered(answer.getValue()));
                writes.put(db.requests(), Layout.expiry(answer.getValue().expiresAtMicros(), key), new byte[0]);
            }
            db.rocks().write(db.forced(), writes);
        }
    }

    private static void put(Database db, WriteBatch writes, Event event) throws RocksDBException {
        List<Change> changes = event.changes();
        writes.put(
                db.events(),
                Layout.event(event.revision(), 0),
                new Header(event.committedAtMicros(), event.operationsTotal(), changes.size()).encode());
        for (int i = 0; i < changes.size(); i++) {
            put(db, writes, event, changes.get(i), i + 1);
        }
    }

    private static void put(Database db, WriteBatch writes, Event event, Change change, int place)
            throws RocksDBException {
        byte[] pointer = new Pointer(
                        change.version(), event.revision(), place, event.committedAtMicros(), change.json() != null)
                .encode();
        writes.put(db.events(), Layout.event(event.revision(), place), Layout.change(change));
        writes.put(db.versions(), Layout.version(change.key(), event.revision(), place), pointer);
        writes.put(db.latest(), Layout.latest(change.key()), pointer);
    }

    @Override
    public List<Optional<Version>> newest(List<Key> keys, long upToRevision) {
        return reading(reads -> reads.newest(keys, upToRevision));
    }

    @Override
    public List<Version> history(Key key, long below, int limit, long maxBytes) {
        return reading(reads -> reads.history(key, below, limit, maxBytes));
    }

    @Override
    public Page<KeyAt> keys(
            String namespace, String agentId, String prefix, @Nullable String after, long atRevision, int limit) {
        return reading(reads -> reads.keys(namespace, agentId, prefix, after, atRevision, limit));
    }

    @Override
    public Page<String> agents(String namespace, String prefix, @Nullable String after, int limit) {
        return reading(reads -> reads.agents(namespace, prefix, after, limit));
    }

    @Override
    public Page<String> namespaces(String prefix, @Nullable String after, int limit) {
        return reading(reads -> reads.namespaces(prefix, after, limit));
    }

    @Override
    public List<Event> events(long from, long maxBytes) {
        return reading(reads -> reads.events(from, maxBytes));
    }

    @Override
    public long revisionAt(long micros) {
        return reading(reads -> reads.revisionAt(micros));
    }

    @Override
    public boolean isChanged(
            String namespace, String agentId, Predicate<Key> wanted, long afterRevision, long upToRevision) {
        return reading(reads -> reads.isChanged(namespace, agentId, wanted, afterRevision, upToRevision));
    }

    @Override
    public List<Document> existing(
            String namespace, String agentId, long floor, @Nullable Key after, int limit, long maxBytes) {
        return reading(reads -> reads.existing(namespace, agentId, floor, after, limit, maxBytes));
    }

    @Override
    public void compact(long floor) {
        long before = head().floor();
        if (!using(db -> raiseFloor(db, floor))) {
            return;
        }
        removeAll((db, from) -> Removal.ofVersions(db, from, floor), new byte[0]);
        removeAll((db, from) -> Removal.ofHeaders(db, from, floor), new byte[0]);
        freeSpace(before, floor);
    }

    @Override
    public void trim(String namespace, long upTo) {
        long done = using(db -> raiseTrimmed(db, namespace, upTo));
        if (done >= upTo) {
            return;
        }
        if (!removeAll(new Removal.Trim(namespace, upTo), Layout.event(done + 1, 0))) {
            return; // the next trim continues it
        }
        using(db -> {
            db.rocks().put(db.meta(), Layout.trimmed(namespace), Layout.longs(upTo, upTo));
            return db;
        });
        freeSpace(done, upTo);
    }

    /**
     * Raises the trim position durably, as {@link #raiseFloor} does for the floor; returns the revision up to which
     * trimming is complete.
     */
    private long raiseTrimmed(Database db, String namespace, long upTo) throws RocksDBException {
        byte[] stored = db.rocks().get(db.meta(), Layout.trimmed(namespace));
        long done = stored == null ? 0 : ByteBuffer.wrap(stored).getLong(Long.BYTES);
        if (done < upTo) {
            db.rocks().put(db.meta(), db.forced(), Layout.trimmed(namespace), Layout.longs(upTo, done));
            trimmed.put(namespace, upTo);
        }
        return done;
    }

    @Override
    public long trimmedUpTo(String namespace) {
        return using(db -> trimmed.getOrDefault(namespace, 0L));
    }

    /** Runs a removal in parts; returns whether it finished before {@link #close}. */
    private boolean removeAll(Removal removal, byte[] first) {
        Optional<byte[]> next = Optional.of(first);
        while (next.isPresent() && !isClosing) {
            byte[] from = next.get();
            next = using(db -> {
                synchronized (commitLock) {
                    return removal.some(db, from);
                }
            });
        }
        return next.isEmpty();
    }

    /**
     * Frees the space of events up to a revision; other removed entries disappear as RocksDB rewrites its files. {@link
     * #close} interrupts this.
     */
    private void freeSpace(long from, long upTo) {
        using(db -> {
            try {
                db.rocks().compactRange(db.events(), Layout.event(from, 0), Layout.event(upTo + 1, 0));
            } catch (RocksDBException e) {
                if (!isClosing) {
                    throw e;
                }
            }
            return db;
        });
    }

    @Override
    public Path backup() {
        return using(db -> {
            String name = directory.getFileName() + "-backup-" + requireHead().revision();
            Path copy = directory.resolveSibling(name);
            for (int n = 2; Files.exists(copy); n++) {
                copy = directory.resolveSibling(name + "-" + n);
            }
            Path unfinished = copy.resolveSibling(copy.getFileName() + "-tmp");
            try {
                if (Files.exists(unfinished)) {
                    throw Reason.INVALID.because("a backup was interrupted: remove " + unfinished);
                }
                try (Checkpoint checkpoint = Checkpoint.create(db.rocks())) {
                    checkpoint.createCheckpoint(unfinished.toString());
                }
                try (Database made = new Database(unfinished, cacheBytes)) {
                    // commits to the copy belong to another history
                    made.rocks().put(made.meta(), made.forced(), Layout.HISTORY_KEY, Layout.utf8(newHistoryId.get()));
                    made.rocks().delete(made.meta(), made.forced(), Layout.ANSWERED_KEY);
                }
                Files.move(unfinished, copy, StandardCopyOption.ATOMIC_MOVE);
            } catch (RocksDBException | IOException e) {
                throw Reason.INVALID.because("the backup failed, " + unfinished + " is incomplete: " + e.getMessage());
            }
            return copy;
        });
    }

    @Override
    public void restore(long floor, long floorAtMicros, Iterator<Event> events) {
        using(db -> {
            synchronized (commitLock) {
                requireEmpty(requireHead());
                db.rocks().delete(db.meta(), db.forced(), Layout.FORMAT_KEY); // until the restore is complete
                long revision = floor;
                long atMicros = floorAtMicros;
                int place = 0;
                while (events.hasNext()) {
                    Event event = events.next();
                    try (WriteBatch writes = new WriteBatch()) {
                        if (event.revision() > floor) {
                            put(db, writes, event);
                            revision = event.revision();
                            atMicros = event.committedAtMicros();
                        } else {
                            for (Change change : event.changes()) {
                                put(db, writes, event, change, ++place);
                            }
                        }
                        db.rocks().write(db.unforced(), writes);
                    }
                }
                String historyId = newHistoryId.get();
                putMeta(db, historyId, floor, floorAtMicros);
                Head restored = new Head(historyId, revision, atMicros, floor, floorAtMicros);
                head = restored;
                Objects.requireNonNull(answeredFile, "open").begin(restored);
            }
            return db;
        });
    }

    /** Raises the floor durably, before anything is removed; from then on nothing below it is promised. */
    private boolean raiseFloor(Database db, long floor) throws RocksDBException {
        synchronized (commitLock) {
            Head now = requireHead();
            if (floor <= now.floor()) {
                return false;
            }
            long atMicros = db.committedAt(floor);
            try (WriteBatch batch = new WriteBatch()) {
                batch.put(db.meta(), Layout.FLOOR_KEY, Layout.longs(floor, atMicros));
                db.rocks().write(db.forced(), batch);
            }
            head = new Head(now.historyId(), now.revision(), now.committedAtMicros(), floor, atMicros);
            return true;
        }
    }

    @Override
    public boolean forgetAnswers(long nowMicros) {
        return using(db -> {
            requireLocked(); // checked here too, because there may be no commits
            try (Scan expiries = new Scan(db, db.requests(), Layout.expiriesPrefix());
                    WriteBatch removed = new WriteBatch()) {
                for (boolean isThere = expiries.seek(Layout.expiriesPrefix());
                        isThere && removed.count() < FORGOTTEN_AT_ONCE;
                        isThere = expiries.next()) {
                    byte[] expiry = expiries.key();
                    if (Layout.expiresAtMicros(expiry) > nowMicros) {
                        break;
                    }
                    byte[] request = Layout.requestOf(expiry);
                    byte[] answer = db.rocks().get(db.requests(), request);
                    // the same request may have been answered again since
                    if (answer != null && Layout.answered(answer).expiresAtMicros() <= nowMicros) {
                        removed.delete(db.requests(), request);
                    }
                    removed.delete(db.requests(), expiry);
                }
                db.rocks().write(db.unforced(), removed);
                return removed.count() >= FORGOTTEN_AT_ONCE;
            }
        });
    }

    @Override
    public long lastExpiryMicros() {
        return using(db -> {
            try (RocksIterator requests = db.rocks().newIterator(db.requests())) {
                requests.seekToLast(); // expiries are the last keys of the family
                boolean isExpiry = requests.isValid() && Layout.startsWith(requests.key(), Layout.expiriesPrefix());
                requests.status();
                return isExpiry ? Layout.expiresAtMicros(requests.key()) : 0;
            }
        });
    }

    @Override
    public long keys() {
        return using(db -> db.rocks().getLongProperty(db.latest(), "rocksdb.estimate-num-keys"));
    }

    @Override
    public long bytes() {
        return using(db -> {
            try (Stream<Path> files = Files.list(directory)) {
                return files.mapToLong(EmbeddedStorage::bytes).sum();
            } catch (IOException e) {
                throw StateException.down("the files of the state in " + directory + " can't be listed: " + e, e);
            }
        });
    }

    /** Returns the size of a file; 0 if it was removed meanwhile. */
    private static long bytes(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            return 0;
        }
    }

    private Head requireHead() {
        return Objects.requireNonNull(head, "open");
    }

    private interface Use<T> {
        T with(Database db) throws RocksDBException, IOException;
    }

    private interface Reading<T> {
        T of(Reads reads) throws RocksDBException;
    }

    private <T> T reading(Reading<T> reading) {
        return using(db -> reading.of(new Reads(db, this::requireHead, trimmed)));
    }

    private <T> T using(Use<T> use) {
        lock.readLock().lock();
        try {
            if (isClosed) {
                throw closed();
            }
            Problem met = problem;
            if (met != null) {
                throw met.what();
            }
            if (open == null) {
                throw Reason.STARTING.because("the state in " + directory + " is being opened");
            }
            return use.with(open);
        } catch (RocksDBException | IllegalArgumentException | BufferUnderflowException | IOException e) {
            throw failed(e);
        } finally {
            lock.readLock().unlock();
        }
    }

    /**
     * Returns the error for a failure. If a value can't be decoded, or RocksDB reports corruption, the files are
     * damaged; any other failure may be temporary.
     */
    private StateException failed(Exception e) {
        Status status = e instanceof RocksDBException rocks ? rocks.getStatus() : null;
        boolean isDamage =
                !(e instanceof IOException) && (status == null || status.getCode() == Status.Code.Corruption);
        String cause = String.valueOf(e.getMessage());
        // RocksDB names its LOCK file also if it can't be opened, for example without permission
        boolean isLocked = cause.contains("While lock file") || cause.contains("lock hold by");
        StateException what = StateException.down(
                isDamage
                        ? "the state in " + directory + " is damaged: " + e.getMessage()
                                + "; restore a backup or a dump into an empty directory"
                        : "the state in " + directory
                                + (isLocked ? " is used by another process: " : " failed: ")
                                + cause,
                e);
        Problem met = problem;
        if (met == null || !met.isFinal()) {
            problem = new Problem(what, isDamage);
        }
        return what;
    }

    private StateException closed() {
        return Reason.STORE_DOWN.because("the state in " + directory + " is closed");
    }

    private void closeFiles() {
        Database db = open;
        open = null;
        if (db != null) {
            db.close();
        }
        AnsweredFile file = answeredFile;
        answeredFile = null;
        if (file != null) {
            file.close();
        }
    }

    @Override
    public void close() {
        isClosing = true;
        lock.readLock().lock();
        try {
            if (open != null) {
                open.rocks().cancelAllBackgroundWork(false);
            }
        } finally {
            lock.readLock().unlock();
        }
        lock.writeLock().lock();
        try {
            isClosed = true;
            closeFiles();
        } finally {
            lock.writeLock().unlock();
        }
    }
}
