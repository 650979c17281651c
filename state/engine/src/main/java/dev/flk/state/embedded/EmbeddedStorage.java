// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Event;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.Storage;
import dev.flk.state.embedded.Database.Failure;
import dev.flk.state.embedded.Tables.Changes;
import dev.flk.state.embedded.Tables.Table;
import dev.flk.view.NativeLibrary;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.DamagedLogException;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Iterator;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.rocksdb.Status;

/**
 * State in a log and RocksDB. A batch is on disk in the {@link CommitLog} before it is answered. RocksDB is a view of
 * this log and writes no log of its own. RocksDB gets each batch together with the position in the log up to which
 * RocksDB is complete; a start replays the records after this position. A segment of the log is removed once RocksDB
 * has the segment's batches on disk. A failure closes the storage. The next {@link #open} reopens the files, unless an
 * operator must first look at them.
 */
public final class EmbeddedStorage implements Storage {
    /** The name of the directory of the log, inside the directory of the state. */
    public static final String LOG_DIRECTORY = "log";

    /** The prefix of the names of the log's segments. */
    public static final String LOG_PREFIX = "state";

    private final Path directory;
    private final long cacheBytes;
    private final Supplier<String> newHistoryId;
    private final FileOps files;
    private final LogSizes logSizes;

    // guarded by the lock; these fields change only while the lock is held for writing
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private @Nullable Database open;
    private @Nullable CommitLog log;
    private @Nullable AnsweredFile answeredFile;

    private boolean isClosed;
    private volatile boolean isClosing;

    /** The problem that closed the storage; null before the first problem and after a successful {@link #open}. */
    private volatile @Nullable Problem problem;

    /** The lock that is held while a commit, a removal or a restore changes the state on which commits are decided. */
    private final Object commitLock = new Object();

    private volatile @Nullable Head head;
    private final Map<String, Long> trimmed = new ConcurrentHashMap<>();
    private volatile Consumer<String> onMissing = cause -> {};

    /**
     * @param isFinal whether {@link #open} refuses to use the files again, because an operator must look at them first
     */
    private record Problem(StateException what, boolean isFinal) {}

    /**
     * Creates a storage that is not open yet.
     *
     * @param directory a directory for this storage only; created if missing
     * @param cacheBytes the size of the block cache
     * @param newHistoryId generates the id of a new history
     */
    public EmbeddedStorage(Path directory, long cacheBytes, Supplier<String> newHistoryId) {
        this(directory, cacheBytes, newHistoryId, new DiskFiles(), CommitLog.sizes());
    }

    /** @param files the access to the disk for the log; RocksDB does not use it */
    EmbeddedStorage(Path directory, long cacheBytes, Supplier<String> newHistoryId, FileOps files, LogSizes logSizes) {
        this.directory = directory;
        this.cacheBytes = cacheBytes;
        this.newHistoryId = newHistoryId;
        this.files = files;
        this.logSizes = logSizes;
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
            // the log is locked first, so that its lock protects RocksDB as well
            CommitLog commits = new CommitLog(files, logDirectory(), logSizes, commitLock, this::flushOpen);
            log = commits;
            Database db = new Database(directory, cacheBytes);
            open = db;
            StateRecovery recovery = new StateRecovery(directory, newHistoryId, db, commits);
            Head recovered = recovery.run();
            trimmed.putAll(recovery.trimmed());
            answeredFile = AnsweredFile.create(directory, recovered);
            recovery.answeredFileExists();
            recovery.missing().ifPresent(onMissing);
            head = recovered;
            commits.removeBelow(db.nextRecordOnDisk());
            problem = null;
        } catch (Failure e) {
            closeFiles();
            throw failed(e.failure());
        } catch (StateException e) {
            closeFiles();
            problem = new Problem(e, true);
            throw e;
        } catch (RocksDBException | RuntimeException | IOException e) {
            closeFiles();
            throw failed(e);
        } catch (Error e) { // such as a library that can't be linked, or a lack of memory
            closeFiles();
            throw StateException.down("the state in " + directory + " can't be opened: " + e, e);
        } finally {
            lock.writeLock().unlock();
        }
    }

    private Path logDirectory() {
        return directory.resolve(LOG_DIRECTORY);
    }

    /** Makes all batches durable in RocksDB, because a segment of the log has vanished. */
    private void flushOpen() throws IOException {
        Database db = open;
        if (db == null) {
            return; // closeFiles() closes RocksDB, which flushes it
        }
        try {
            db.flush();
        } catch (RocksDBException e) {
            throw new IOException("a segment of the log has vanished, and RocksDB can't be flushed: " + e, e);
        }
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
    public void commit(Set<StateKey> keys, Set<RequestKey> requests, Function<Existing, Batch> decide) {
        using(db -> {
            synchronized (commitLock) {
                CommitLog commits = Objects.requireNonNull(log, "open");
                Batch batch = decide.apply(reads(db).existing(keys, requests));
                if (batch.isEmpty()) {
                    commits.requireOwned();
                    return batch;
                }
                long sequence = commits.append(requireHead().historyId(), batch);
                try {
                    StateRecovery.write(db, batch, sequence);
                    for (Event event : batch.events()) {
                        head = requireHead().next(event.committedAtMicros());
                    }
                    Objects.requireNonNull(answeredFile, "open")
                            .write(requireHead().revision());
                } catch (Failure e) {
                    throw e;
                } catch (RuntimeException | Error e) {
                    // makes the next open() replay the record; otherwise, the next commit would get the same revision
                    throw new IOException("a commit is in the log but could not be applied: " + e, e);
                }
                if (commits.isSegmentNew()) {
                    commits.removeBelow(db.nextRecordOnDisk());
                }
                return batch;
            }
        });
    }

    @Override
    public <T> T read(Function<Reads, T> reading) {
        return using(db -> reading.apply(reads(db)));
    }

    private TableReads reads(Database db) {
        return new TableReads(db, this::requireHead);
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
        if (!removeAll(new Removal.Trim(namespace, upTo), StateLayout.event(done + 1, 0))) {
            return; // close() interrupted the trim; the next trim continues it
        }
        using(db -> {
            putTrimmed(db, namespace, trimmedTo(namespace), upTo);
            return db;
        });
        freeSpace(done, upTo);
    }

    /**
     * Raises the trim position of a namespace durably, before anything is removed. Returns the revision up to which
     * earlier trims of the namespace are complete.
     */
    private long raiseTrimmed(Database db, String namespace, long upTo) throws RocksDBException {
        byte[] stored = db.get(Table.META, StateLayout.trimmed(namespace));
        long done = stored == null ? 0 : ByteBuffer.wrap(stored).getLong(Long.BYTES);
        if (done < upTo) {
            // an interrupted trim may have removed events up to a later revision
            long raised = Math.max(upTo, trimmedTo(namespace));
            putTrimmed(db, namespace, raised, done);
            db.flush();
            trimmed.put(namespace, raised);
        }
        return done;
    }

    private static void putTrimmed(Database db, String namespace, long readers, long done) {
        db.write(new Changes().put(Table.META, StateLayout.trimmed(namespace), StateLayout.longs(readers, done)));
    }

    private long trimmedTo(String namespace) {
        return trimmed.getOrDefault(namespace, 0L);
    }

    @Override
    public long trimmedUpTo(String namespace) {
        return using(db -> trimmedTo(namespace));
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
     * Frees the disk space of removed events up to a revision. RocksDB frees the space of other removed entries later,
     * when it rewrites its files. {@link #close} interrupts this method.
     */
    private void freeSpace(long from, long upTo) {
        using(db -> {
            try {
                db.rocks()
                        .compactRange(
                                db.family(Table.EVENTS), StateLayout.event(from, 0), StateLayout.event(upTo + 1, 0));
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
                    throw Reason.INVALID.because("an earlier backup was interrupted or is still running; if none is"
                            + " running, remove its incomplete copy " + unfinished + " and try again");
                }
                db.checkpoint(unfinished);
                try (Database made = new Database(unfinished, cacheBytes)) {
                    // the copy gets a new history id, because commits to the copy belong to another history
                    Changes renamed = new Changes()
                            .put(Table.META, StateLayout.HISTORY_KEY, StateLayout.utf8(newHistoryId.get()));
                    renamed.delete(Table.META, StateLayout.NEXT_RECORD_KEY);
                    made.write(renamed);
                    made.flush();
                }
                Files.move(unfinished, copy, StandardCopyOption.ATOMIC_MOVE);
            } catch (Failure e) {
                throw backupFailed(unfinished, e.failure()); // a write of the copy failed, so this storage stays open
            } catch (RocksDBException | IOException e) {
                throw backupFailed(unfinished, e);
            }
            return copy;
        });
    }

    private static StateException backupFailed(Path unfinished, Exception e) {
        return Reason.INVALID.because(
                "the backup failed: " + e.getMessage() + "; remove the incomplete copy " + unfinished);
    }

    @Override
    public void restore(long floor, long floorAtMicros, Iterator<Event> events, long nowMicros) {
        using(db -> {
            synchronized (commitLock) {
                requireEmpty(requireHead());
                // the restore writes the format last: a start refuses a directory that has events but no format, and
                // thus a partly restored state
                Changes begun = new Changes();
                begun.delete(Table.META, StateLayout.FORMAT_KEY);
                db.write(begun);
                db.flush();
                Head restored = TableWrites.restore(db, newHistoryId.get(), floor, floorAtMicros, events, nowMicros);
                db.write(TableWrites.history(restored));
                db.flush();
                head = restored;
                Objects.requireNonNull(answeredFile, "open").begin(restored);
            }
            return db;
        });
    }

    /**
     * Raises the floor durably, before anything is removed. From then on, reads below the floor are not guaranteed to
     * work. Returns false if the floor is already at {@code floor} or later.
     */
    private boolean raiseFloor(Database db, long floor) throws RocksDBException {
        synchronized (commitLock) {
            Head now = requireHead();
            if (floor <= now.floor()) {
                return false;
            }
            long atMicros = db.committedAt(floor);
            db.write(new Changes().put(Table.META, StateLayout.FLOOR_KEY, StateLayout.longs(floor, atMicros)));
            db.flush();
            head = new Head(now.historyId(), now.revision(), now.committedAtMicros(), floor, atMicros);
            return true;
        }
    }

    @Override
    public boolean forgetAnswers(long nowMicros) {
        return using(db -> {
            // this call detects that the log's lock is lost, even if nothing is committed
            Objects.requireNonNull(log, "open").requireOwned();
            return Removal.ofAnswers(db, nowMicros);
        });
    }

    @Override
    public long lastExpiryMicros() {
        return using(db -> reads(db).lastExpiryMicros());
    }

    @Override
    public long keys() {
        return using(db -> db.rocks().getLongProperty(db.family(Table.LATEST), "rocksdb.estimate-num-keys"));
    }

    @Override
    public long bytes() {
        return using(db -> {
            AtomicLong bytes = new AtomicLong();
            Files.walkFileTree(directory, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                    bytes.addAndGet(attributes.isRegularFile() ? attributes.size() : 0);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFileFailed(Path file, IOException e) {
                    return FileVisitResult.CONTINUE; // RocksDB and the log remove files at any time
                }

                @Override
                public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException e) {
                    return FileVisitResult.CONTINUE;
                }
            });
            return bytes.get();
        });
    }

    private Head requireHead() {
        return Objects.requireNonNull(head, "open");
    }

    private interface Use<T> {
        T with(Database db) throws RocksDBException, IOException;
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
        } catch (Failure e) {
            throw failed(e.failure());
        } catch (RocksDBException | IllegalArgumentException | BufferUnderflowException | IOException e) {
            throw failed(e);
        } finally {
            lock.readLock().unlock();
        }
    }

    /**
     * Records a failure and returns its error. All calls then fail until the storage is opened again. The failure is
     * final if the lock is lost, a value can't be decoded, or RocksDB or the log reports damage; a final failure needs
     * an operator. Any other failure may be temporary.
     */
    private StateException failed(Exception e) {
        StateException what;
        boolean isFinal = true;
        if (e instanceof LockLostException) {
            what = Reason.STORE_DOWN.because(
                    "the state in " + directory + " has stopped: " + e.getMessage(), Map.of("cause", "LOCK_LOST"));
        } else if (e instanceof DamagedLogException) {
            what = StateException.down(
                    "the log of the state in " + logDirectory() + " is damaged: " + e.getMessage()
                            + "; restore a backup or a dump into an empty directory, or give up the damaged commits and"
                            + " all later ones: stop the backend and run 'flk-backend wal repair --dir "
                            + logDirectory()
                            + "'",
                    e);
        } else if (isDamage(e)) {
            what = StateException.down(
                    "the state in " + directory + " is damaged: " + e.getMessage()
                            + "; restore a backup or a dump into an empty directory",
                    e);
        } else {
            isFinal = false;
            String cause = String.valueOf(e.getMessage());
            // the file name LOCK in the message does not prove that another process holds the lock: RocksDB also names
            // this file if it lacks permission to open it
            boolean isLocked = e instanceof LogLockedException
                    || cause.contains("While lock file")
                    || cause.contains("lock hold by");
            what = StateException.down(
                    "the state in " + directory + (isLocked ? " is used by another process: " : " failed: ") + cause,
                    e);
        }
        Problem met = problem;
        if (met == null || !met.isFinal()) {
            problem = new Problem(what, isFinal);
        }
        return what;
    }

    private static boolean isDamage(Exception e) {
        Status status = e instanceof RocksDBException rocks ? rocks.getStatus() : null;
        return !(e instanceof IOException) && (status == null || status.getCode() == Status.Code.Corruption);
    }

    private StateException closed() {
        return Reason.STORE_DOWN.because("the state in " + directory + " is closed");
    }

    private void closeFiles() {
        Database db;
        synchronized (commitLock) { // a flushOpen() in progress ends first
            db = open;
            open = null;
        }
        if (db != null) {
            db.close(); // close() flushes RocksDB; if the flush fails, the log still has the batches
        }
        CommitLog commits = log;
        log = null;
        if (commits != null) {
            try {
                commits.close();
            } catch (IOException e) {
                // all answered batches are on disk; the next start completes the segment
            }
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
