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
import dev.flk.wal.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.rocksdb.Checkpoint;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Status;
import org.rocksdb.WriteBatch;

/**
 * State on RocksDB: each batch is one write that is forced to disk. A failure ends the connection; the next {@link #open} opens the
 * files again, unless they are damaged, which only people can mend.
 */
public final class EmbeddedStorage implements Storage {
    private static final int FORGOTTEN_AT_ONCE = 10_000;
    private static final int LOOKED_AT_AT_ONCE = 10_000;

    private final Path directory;
    private final long cacheBytes;
    private final Supplier<String> newHistoryId;

    // guarded by the lock: changed with it for writing
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    private @Nullable Database open;
    private boolean isClosed;
    private volatile boolean isClosing;

    /** What ended the connection; null while nothing has. */
    private volatile @Nullable Trouble trouble;

    /** Taken by those who change what a commit is decided on: the writer, and those who remove. */
    private final Object commitLock = new Object();

    private volatile @Nullable Head head;
    private final Map<String, Long> trimmed = new ConcurrentHashMap<>();

    /** @param isFinal whether the files must not be used any more */
    private record Trouble(StateException what, boolean isFinal) {}

    /**
     * Nothing is opened yet.
     *
     * @param directory of nothing else; made if it is not there
     * @param cacheBytes of blocks that were read
     * @param newHistoryId draws the id of a new history
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
            Trouble met = trouble;
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
            open = new Database(directory, cacheBytes);
            head = readHead(open);
            trouble = null;
        } catch (RocksDBException | IllegalArgumentException | BufferUnderflowException e) {
            closeFiles();
            throw failed(e);
        } catch (StateException e) {
            closeFiles();
            throw e;
        } catch (IOException | UnsatisfiedLinkError e) {
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
            trouble = new Trouble(what, true);
            throw what;
        }
        byte[] historyId = required(db.rocks().get(db.meta(), Layout.HISTORY_KEY), "the id of the history");
        ByteBuffer floor = ByteBuffer.wrap(required(db.rocks().get(db.meta(), Layout.FLOOR_KEY), "the floor"));
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
        long atMicros = revision == floorRevision ? floorAtMicros : committedAt(db, revision);
        readTrimmed(db);
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
                        + " is half a restore that was broken off: empty the directory and restore again");
                trouble = new Trouble(what, true);
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
            db.rocks().write(db.forced(), batch);
        }
    }

    private static byte[] required(byte @Nullable [] value, String what) {
        if (value == null) {
            throw new IllegalArgumentException(what + " is missing");
        }
        return value;
    }

    private static long committedAt(Database db, long revision) throws RocksDBException {
        byte[] header = db.rocks().get(db.events(), Layout.event(revision, 0));
        return Header.decode(required(header, "revision " + revision)).committedAtMicros();
    }

    @Override
    public Head head() {
        return using(db -> requireHead());
    }

    @Override
    public void commit(Set<Key> keys, Set<RequestKey> requests, Function<Standing, Batch> decide) {
        Object unused = using(db -> {
            synchronized (commitLock) {
                Batch batch = decide.apply(standing(db, keys, requests));
                if (!batch.events().isEmpty()) {
                    write(db, batch);
                    for (Event event : batch.events()) {
                        head = requireHead().next(event.committedAtMicros());
                    }
                }
                return batch;
            }
        });
    }

    private Standing standing(Database db, Set<Key> keys, Set<RequestKey> requests) throws RocksDBException {
        Map<Key, Newest> newest = new HashMap<>();
        for (Key key : keys) {
            byte[] pointer = db.rocks().get(db.latest(), Layout.latest(key));
            if (pointer != null) {
                Pointer found = Pointer.decode(pointer);
                newest.put(key, new Newest(found.version(), found.exists()));
            }
        }
        Map<RequestKey, Answered> answered = new HashMap<>();
        for (RequestKey request : requests) {
            byte[] answer = db.rocks().get(db.requests(), Layout.request(request));
            if (answer != null) {
                answered.put(request, Layout.answered(answer));
            }
        }
        return new Standing(requireHead(), newest, answered);
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
        return using(db -> {
            List<Optional<Version>> found = new ArrayList<>(keys.size());
            for (Key key : keys) {
                Pointer pointer = newest(db, key, upToRevision);
                found.add(
                        pointer == null
                                ? Optional.empty()
                                : Optional.ofNullable(version(db, key, pointer, upToRevision)));
            }
            return found;
        });
    }

    private static @Nullable Pointer newest(Database db, Key key, long upToRevision) throws RocksDBException {
        byte[] latest = db.rocks().get(db.latest(), Layout.latest(key));
        if (latest == null) {
            return null;
        }
        Pointer pointer = Pointer.decode(latest);
        if (pointer.revision() <= upToRevision) {
            return pointer;
        }
        try (Scan versions = new Scan(db, db.versions(), prefixOf(key))) {
            return versions.seek(Layout.version(key, upToRevision, -1)) ? Pointer.decode(versions.value()) : null;
        }
    }

    private static byte[] prefixOf(Key key) {
        return Layout.path(key.namespace(), key.agentId(), key.name(), "");
    }

    /** Null if it was removed since its pointer was read. */
    private @Nullable Version version(Database db, Key key, Pointer pointer, long upToRevision)
            throws RocksDBException {
        if (!pointer.exists()) {
            return new Version(pointer.version(), pointer.revision(), pointer.committedAtMicros(), null);
        }
        byte[] change = db.rocks().get(db.events(), Layout.event(pointer.revision(), pointer.place()));
        if (change == null) {
            if (upToRevision < requireHead().floor()
                    || pointer.revision() <= trimmed.getOrDefault(key.namespace(), 0L)) {
                return null;
            }
            throw new IllegalArgumentException("revision " + pointer.revision() + " lacks change " + pointer.place());
        }
        return new Version(pointer.version(), pointer.revision(), pointer.committedAtMicros(), Layout.json(change));
    }

    @Override
    public List<Version> history(Key key, long below, int limit, long maxBytes) {
        return using(db -> {
            List<Version> page = new ArrayList<>();
            long bytes = 0;
            try (Scan versions = new Scan(db, db.versions(), prefixOf(key))) {
                boolean isThere = versions.seek(firstBelow(versions, key, below));
                for (; isThere && page.size() < limit; isThere = versions.next()) {
                    Pointer pointer = Pointer.decode(versions.value());
                    if (pointer.version() >= below) {
                        continue;
                    }
                    // one that is compacted meanwhile ends the list as if it had been before
                    Version version = version(db, key, pointer, pointer.revision());
                    bytes += version == null ? 0 : version.jsonBytes();
                    if (version == null || (bytes > maxBytes && !page.isEmpty())) {
                        break;
                    }
                    page.add(version);
                }
            }
            return page;
        });
    }

    /** Versions rise with revisions, so that a few looks find where to begin. */
    private static byte[] firstBelow(Scan versions, Key key, long below) throws RocksDBException {
        byte[] newestFirst = prefixOf(key);
        if (!versions.seek(newestFirst) || Pointer.decode(versions.value()).version() < below) {
            return newestFirst;
        }
        long tooLow = 0;
        long notLower = Pointer.decode(versions.value()).revision();
        while (notLower - tooLow > 1) {
            long middle = (tooLow + notLower) >>> 1;
            if (!versions.seek(Layout.version(key, middle, -1))) {
                tooLow = middle;
                continue;
            }
            Pointer pointer = Pointer.decode(versions.value());
            if (pointer.version() < below) {
                tooLow = middle;
            } else {
                notLower = pointer.revision();
            }
        }
        // one transaction may have made several
        return Layout.version(key, notLower, -1);
    }

    @Override
    public Page<KeyAt> keys(
            String namespace, String agentId, String prefix, @Nullable String after, long atRevision, int limit) {
        return using(db -> {
            List<KeyAt> page = new ArrayList<>();
            byte[] from = Layout.path(namespace, agentId, after == null ? prefix : after);
            try (Scan latest = new Scan(db, db.latest(), Layout.path(namespace, agentId, prefix))) {
                int looked = 0;
                for (boolean isThere = latest.seek(from); isThere; isThere = latest.next()) {
                    String name = Layout.parts(latest.key())[2];
                    if (name.equals(after)) {
                        continue;
                    }
                    Pointer pointer = Pointer.decode(latest.value());
                    if (pointer.revision() > atRevision) {
                        pointer = newest(db, new Key(namespace, agentId, name), atRevision);
                    }
                    if (pointer != null && pointer.exists()) {
                        page.add(new KeyAt(name, pointer.version(), pointer.revision()));
                    }
                    looked++;
                    if (page.size() == limit || looked == LOOKED_AT_AT_ONCE) {
                        return new Page<>(page, name);
                    }
                }
            }
            return new Page<>(page, null);
        });
    }

    @Override
    public Page<String> agents(String namespace, String prefix, @Nullable String after, int limit) {
        return distinct(1, Layout.path(namespace, prefix), after == null ? null : Layout.path(namespace, after), limit);
    }

    @Override
    public Page<String> namespaces(String prefix, @Nullable String after, int limit) {
        return distinct(0, Layout.path(prefix), after == null ? null : Layout.path(after), limit);
    }

    /** The values of one part of names that exist. */
    private Page<String> distinct(int part, byte[] prefix, byte @Nullable [] after, int limit) {
        return using(db -> {
            List<String> page = new ArrayList<>();
            try (Scan latest = new Scan(db, db.latest(), prefix)) {
                boolean isThere = latest.seek(after == null ? prefix : behind(after));
                while (isThere) {
                    if (!Pointer.decode(latest.value()).exists()) {
                        isThere = latest.next();
                        continue;
                    }
                    String[] parts = Layout.parts(latest.key());
                    if (page.size() == limit) {
                        return new Page<>(page, page.get(page.size() - 1));
                    }
                    page.add(parts[part]);
                    isThere = latest.seek(behind(part == 0 ? Layout.path(parts[0]) : Layout.path(parts[0], parts[1])));
                }
            }
            return new Page<>(page, null);
        });
    }

    /** Behind everything that begins with a part and its end. */
    private static byte[] behind(byte[] part) {
        return ByteBuffer.allocate(part.length + 1).put(part).put((byte) 1).array();
    }

    @Override
    public List<Event> events(long from, long maxBytes) {
        return using(db -> {
            List<Event> page = new ArrayList<>();
            long bytes = 0;
            try (Scan events = new Scan(db, db.events(), new byte[0])) {
                long revision = from;
                for (boolean isThere = events.seek(Layout.event(from, 0)); isThere; isThere = events.next()) {
                    ByteBuffer key = ByteBuffer.wrap(events.key());
                    List<Change> changes = null;
                    Header header = Header.decode(events.value());
                    if (key.getLong() == revision && key.getInt() == 0) {
                        changes = changes(events, revision, header.kept());
                    }
                    if (changes == null) {
                        if (revision <= requireHead().floor()) {
                            break; // removed since the caller looked, who will see it
                        }
                        throw new IllegalArgumentException("revision " + revision + " is not whole");
                    }
                    Event event = new Event(revision, header.committedAtMicros(), changes, header.total());
                    bytes += event.bytes();
                    if (bytes > maxBytes && !page.isEmpty()) {
                        break;
                    }
                    page.add(event);
                    revision++;
                }
            }
            return page;
        });
    }

    /** Null if one is missing. */
    private static @Nullable List<Change> changes(Scan events, long revision, int count) throws RocksDBException {
        List<Change> changes = new ArrayList<>(count);
        while (changes.size() < count) {
            if (!events.next() || ByteBuffer.wrap(events.key()).getLong() != revision) {
                return null;
            }
            changes.add(Layout.change(events.value()));
        }
        return changes;
    }

    @Override
    public long revisionAt(long micros) {
        return using(db -> {
            Head now = requireHead();
            long atOrBefore = now.floor();
            long later = now.revision() + 1;
            while (later - atOrBefore > 1) {
                long middle = (atOrBefore + later) >>> 1;
                byte[] header = db.rocks().get(db.events(), Layout.event(middle, 0));
                if (header == null && middle <= requireHead().floor()) {
                    atOrBefore = middle; // removed meanwhile, which the caller will see
                } else if (Header.decode(required(header, "revision " + middle)).committedAtMicros() <= micros) {
                    atOrBefore = middle;
                } else {
                    later = middle;
                }
            }
            return atOrBefore;
        });
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
        removeAll(new Removal.Trim(namespace, upTo), Layout.event(done + 1, 0));
        Object unused = using(db -> {
            db.rocks().put(db.meta(), Layout.trimmed(namespace), Layout.longs(upTo, upTo));
            return db;
        });
        freeSpace(done, upTo);
    }

    /** As {@link #raiseFloor}; up to where it is done. */
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

    private void removeAll(Removal removal, byte[] first) {
        Optional<byte[]> next = Optional.of(first);
        while (next.isPresent() && !isClosing) {
            byte[] from = next.get();
            next = using(db -> {
                synchronized (commitLock) {
                    return removal.some(db, from);
                }
            });
        }
    }

    /** Of events up to a revision; what else was removed goes as RocksDB rewrites its files. {@link #close} interrupts it. */
    private void freeSpace(long from, long upTo) {
        Object unused = using(db -> {
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
    public List<Document> standing(
            String namespace, String agentId, long floor, @Nullable Key after, int limit, long maxBytes) {
        byte[] prefix = namespace.isEmpty()
                ? new byte[0]
                : agentId.isEmpty() ? Layout.path(namespace, "") : Layout.path(namespace, agentId, "");
        return using(db -> {
            List<Document> page = new ArrayList<>();
            long bytes = 0;
            try (Scan versions = new Scan(db, db.versions(), prefix)) {
                boolean isThere = versions.seek(after == null ? prefix : behind(Layout.latest(after)));
                while (isThere && page.size() < limit) {
                    byte[] at = versions.key();
                    byte[] name = Arrays.copyOf(at, at.length - Layout.PLACE_BYTES);
                    String[] parts = Layout.parts(name);
                    Key key = new Key(parts[0], parts[1], parts[2]);
                    isThere = versions.seek(Layout.version(key, floor, -1));
                    if (isThere && Layout.startsWith(versions.key(), prefixOf(key))) {
                        Pointer pointer = Pointer.decode(versions.value());
                        Version stood = pointer.exists() ? version(db, key, pointer, floor) : null;
                        bytes += stood == null ? 0 : stood.jsonBytes();
                        if (bytes > maxBytes && !page.isEmpty()) {
                            break;
                        }
                        if (stood != null) {
                            page.add(new Document(key, stood));
                        }
                    }
                    isThere = versions.seek(behind(name));
                }
            }
            return page;
        });
    }

    @Override
    public Path backup() {
        return using(db -> {
            Path copy = directory.resolveSibling(
                    directory.getFileName() + "-backup-" + requireHead().revision());
            if (Files.exists(copy)) {
                throw Reason.INVALID.because("there is a backup already: " + copy);
            }
            Path unfinished = copy.resolveSibling(copy.getFileName() + "-tmp");
            try {
                if (Files.exists(unfinished)) {
                    throw Reason.INVALID.because("a backup was broken off: remove " + unfinished);
                }
                try (Checkpoint checkpoint = Checkpoint.create(db.rocks())) {
                    checkpoint.createCheckpoint(unfinished.toString());
                }
                try (Database made = new Database(unfinished, cacheBytes)) {
                    // what is committed behind it will be another history
                    made.rocks().put(made.meta(), made.forced(), Layout.HISTORY_KEY, Layout.utf8(newHistoryId.get()));
                }
                Files.move(unfinished, copy, StandardCopyOption.ATOMIC_MOVE);
            } catch (RocksDBException | IOException e) {
                throw Reason.INVALID.because("the backup failed, " + unfinished + " is no copy: " + e.getMessage());
            }
            return copy;
        });
    }

    @Override
    public void restore(long floor, long floorAtMicros, Iterator<Event> events) {
        Object unused = using(db -> {
            synchronized (commitLock) {
                requireEmpty(requireHead());
                db.rocks().delete(db.meta(), db.forced(), Layout.FORMAT_KEY); // until all is there
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
                head = new Head(historyId, revision, atMicros, floor, floorAtMicros);
            }
            return db;
        });
    }

    /** First of all, durably: from here on nothing below is promised. */
    private boolean raiseFloor(Database db, long floor) throws RocksDBException {
        synchronized (commitLock) {
            Head now = requireHead();
            if (floor <= now.floor()) {
                return false;
            }
            long atMicros = committedAt(db, floor);
            try (WriteBatch batch = new WriteBatch()) {
                batch.put(db.meta(), Layout.FLOOR_KEY, Layout.longs(floor, atMicros));
                db.rocks().write(db.forced(), batch);
            }
            head = new Head(now.historyId(), now.revision(), now.committedAtMicros(), floor, atMicros);
            return true;
        }
    }

    @Override
    public void forgetAnswers(long nowMicros) {
        Object unused = using(db -> {
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
                    // the same request may have been answered anew since
                    if (answer != null && Layout.answered(answer).expiresAtMicros() <= nowMicros) {
                        removed.delete(db.requests(), request);
                    }
                    removed.delete(db.requests(), expiry);
                }
                db.rocks().write(db.forced(), removed);
            }
            return db;
        });
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

    /** Nothing of one that is removed meanwhile. */
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
        T with(Database db) throws RocksDBException;
    }

    private <T> T using(Use<T> use) {
        lock.readLock().lock();
        try {
            if (isClosed) {
                throw closed();
            }
            Trouble met = trouble;
            if (met != null) {
                throw met.what();
            }
            if (open == null) {
                throw Reason.STARTING.because("the state in " + directory + " is being opened");
            }
            return use.with(open);
        } catch (RocksDBException | IllegalArgumentException | BufferUnderflowException e) {
            throw failed(e);
        } finally {
            lock.readLock().unlock();
        }
    }

    /** What was read is none of our values, or RocksDB says so: the files are damaged. All else may pass. */
    private StateException failed(Exception e) {
        Status status = e instanceof RocksDBException rocks ? rocks.getStatus() : null;
        boolean isDamage = status == null || status.getCode() == Status.Code.Corruption;
        StateException what = StateException.down(
                isDamage
                        ? "the state in " + directory + " is damaged: " + e.getMessage()
                                + "; restore a backup or a dump, into an empty directory"
                        : "the state in " + directory
                                + (String.valueOf(e.getMessage()).contains("LOCK")
                                        ? " is used by another process: "
                                        : " failed: ")
                                + e.getMessage(),
                e);
        Trouble met = trouble;
        if (met == null || !met.isFinal()) {
            trouble = new Trouble(what, isDamage);
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
