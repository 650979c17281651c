// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import dev.flk.state.Committed;
import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.Storage;
import dev.flk.state.Version;
import dev.flk.state.postgres.DatabaseCalls.Locked;
import dev.flk.state.postgres.KnownHistory.Known;
import dev.flk.state.postgres.KnownHistory.Touches;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.PrimitiveIterator;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * State in PostgreSQL, shared by several backends. A commit locks the single row that contains the head of the history,
 * so that all commits have one order. Commits are as durable as the server's {@code synchronous_commit} promises. A
 * read whose connection broke is retried once; a commit is not retried, because it may have taken effect.
 */
public final class PostgresStorage implements Storage, Storage.Reads {
    private static final int FORMAT = 1;
    private static final int REVISIONS_AT_ONCE = 1_000;
    private static final int CHANGES_AT_ONCE = 5_000;
    private static final long RESTORED_BYTES_AT_ONCE = 4 << 20;
    private static final int MOST_RESTORE_MILLIS = 600_000;

    private static final long LARGE_BATCH_BYTES = 64 << 10;
    private static final int MEBIBYTE_MILLIS = 3_000;

    /** A text that sorts after every name. */
    private static final String HIGHEST = "\uDBFF\uDFFF".repeat(257);

    private final DatabaseCalls calls;
    private final Duration statementTimeout;
    private final Supplier<String> newHistoryId;
    private final Notices notices;
    private final DocumentIndex documents;
    private final KnownHistory known;
    private volatile Consumer<String> onMissing = cause -> {};
    private volatile String server = KnownHistory.NONE;

    /**
     * The head of the history in the database.
     *
     * @param contradiction how the database contradicts the known state; empty if it does not. After a contradiction,
     *     the history gets a new id. If the head was read with a lock, {@code head} has the new id already; otherwise,
     *     {@code head} still has the old id
     * @param since the known state before the database was read
     * @param clockMicros the server's time
     */
    private record Found(Head head, Touches touches, Optional<String> contradiction, Known since, long clockMicros) {}

    /**
     * Creates a storage that is not connected yet.
     *
     * @param database the database, which this storage owns and closes
     * @param newHistoryId generates the id of a new history
     * @param knownHistory the file that records the newest known revision; null to keep this revision only in memory
     */
    public PostgresStorage(StateDatabase database, Supplier<String> newHistoryId, @Nullable Path knownHistory) {
        this.known = new KnownHistory(knownHistory);
        this.calls = new DatabaseCalls(database);
        this.statementTimeout = database.statementTimeout();
        this.newHistoryId = newHistoryId;
        this.notices = new Notices(database);
        this.documents = new DocumentIndex(database);
    }

    @Override
    public void open() {
        known.open();
        calls.open(connection -> {
            begin(connection);
            server = server(connection);
            return connection;
        });
        head();
        known.isAt(server);
        notices.start();
    }

    /**
     * Returns the identity of the server, or {@code -} if it can't be read. The identity only helps to explain why
     * commits are missing; missing commits are detected without it.
     */
    private static String server(Connection connection) {
        try {
            return Jdbc.one(connection, Sql.SERVER, row -> row.getString(1)).orElse(KnownHistory.NONE);
        } catch (SQLException e) {
            return KnownHistory.NONE;
        }
    }

    private void begin(Connection connection) throws SQLException {
        Jdbc.update(connection, Sql.BEGIN, FORMAT, newHistoryId.get());
        int format = Jdbc.one(connection, Sql.FORMAT, row -> row.getInt(1)).orElseThrow();
        if (format != FORMAT) {
            throw Reason.STORE_DOWN.because("the state in Postgres has format " + format + ", this version reads "
                    + FORMAT + ": run the version that wrote it");
        }
    }

    @Override
    public void whenOthersCommit(LongConsumer onNewRevision) {
        notices.setListener(onNewRevision);
    }

    @Override
    public void whenAnsweredAreMissing(Consumer<String> callback) {
        onMissing = callback;
    }

    @Override
    public Head head() {
        while (true) {
            Known since = known.known();
            Found found = calls.reading(connection -> found(connection, Sql.HEAD, since));
            if (found.contradiction().isPresent()) {
                locking((connection, head) -> head);
                continue;
            }
            settle(found);
            if (known.known().historyId().equals(found.head().historyId())) {
                return found.head();
            }
        }
    }

    /** Runs a transaction that locks the head. */
    private <T> T locking(Locked<Head, T> use) {
        return lockingHead((connection, found) -> use.with(connection, found.head()))
                .result();
    }

    private <T> Done<T> lockingHead(Locked<Found, T> use) {
        Done<T> done = calls.inTransaction(
                this::locked, (connection, found) -> new Done<>(found, use.with(connection, found)));
        settle(done.found());
        return done;
    }

    private record Done<T>(Found found, T result) {}

    /**
     * Locks the head. If the database contradicts the known state, gives the history a new id in the same transaction.
     */
    private Found locked(Connection connection) throws SQLException {
        Found found = found(connection, Sql.HEAD + Sql.LOCKED, known.known());
        if (found.contradiction().isEmpty()) {
            return found;
        }
        Head head = found.head();
        String newId = newHistoryId.get();
        Jdbc.update(connection, Sql.RENAME, newId, head.historyId());
        return new Found(
                new Head(newId, head.revision(), head.committedAtMicros(), head.floor(), head.floorAtMicros()),
                found.touches(),
                found.contradiction(),
                found.since(),
                found.clockMicros());
    }

    private Found found(Connection connection, String sql, Known since) throws SQLException {
        return Jdbc.one(
                        connection,
                        sql,
                        row -> {
                            Head head = new Head(
                                    row.getString(1), row.getLong(2), row.getLong(3), row.getLong(4), row.getLong(5));
                            Touches touches = new Touches(row.getLong(8), row.getLong(9));
                            Long sinceMicros = number(row, 6);
                            Long touchedAtMicros = number(row, 10);
                            return new Found(
                                    head,
                                    touches,
                                    known.damage()
                                            .or(() -> since.contradiction(head, sinceMicros, touches, touchedAtMicros)),
                                    since,
                                    row.getLong(7));
                        },
                        since.revision(),
                        since.revision(),
                        since.touches().number(),
                        since.touches().number())
                .orElseThrow(() -> new SQLException("the table flk_state has no row"));
    }

    private static @Nullable Long number(ResultSet row, int column) throws SQLException {
        long number = row.getLong(column);
        return row.wasNull() ? null : number;
    }

    private Head head(Connection connection, String sql) throws SQLException {
        return found(connection, sql, Known.NOTHING).head();
    }

    /**
     * Records a head that was read, before any caller receives it. Reports missing commits if the history is no longer
     * the known history.
     */
    private void settle(Found found) {
        Head head = found.head();
        Known before = found.since();
        if (known.begin(head, found.touches(), before)) {
            if (found.contradiction().isPresent() || before.revision() > 0) {
                String cause = found.contradiction()
                        .orElseGet(() -> "Postgres has history " + head.historyId()
                                + ", revision " + head.revision() + ", instead of history " + before.historyId()
                                + ", whose revision " + before.revision() + " was committed");
                onMissing.accept(cause + before.movedTo(server) + "; the history is now " + head.historyId()
                        + ", and clients that follow a replay must start over");
            }
        } else {
            known.reached(head, found.touches());
        }
    }

    /**
     * Reads and records the current head if a read has returned a revision above the known revision, so that no caller
     * receives an unrecorded revision.
     */
    private void settleRead(Stream<Version> read) {
        long newest = read.mapToLong(Version::revision).max().orElse(0);
        if (newest > known.known().revision()) {
            head();
        }
    }

    @Override
    public void commit(Set<StateKey> keys, Set<RequestKey> requests, Function<Existing, Batch> decide) {
        Done<Stored> done = lockingHead((connection, found) -> {
            Batch batch = decide.apply(new Existing(
                    found.head(), existing(connection, keys), answered(connection, requests), found.clockMicros()));
            insertAnswers(connection, batch.answered());
            if (!batch.events().isEmpty()) {
                allowTime(connection, bytes(batch));
                insertEvents(connection, batch.events());
                insertVersions(connection, batch.events(), -1);
                Event last = batch.events().get(batch.events().size() - 1);
                Jdbc.update(connection, Sql.RAISE, last.revision(), last.committedAtMicros());
            }
            putExpiries(connection, batch.expiries());
            Touches touches = found.touches();
            if (batch.events().isEmpty() && !batch.expiries().isEmpty()) {
                touches = touches.next(found.clockMicros());
                Jdbc.update(connection, Sql.COUNT_TOUCH, touches.number(), touches.atMicros());
            }
            return new Stored(batch, touches);
        });
        Stored stored = done.result();
        Head head = done.found().head();
        for (Event event : stored.batch().events()) {
            head = head.next(event.committedAtMicros());
        }
        known.reached(head, stored.touches());
        if (!stored.batch().events().isEmpty()) {
            notices.give();
            documents.added(bytes(stored.batch()));
        }
    }

    /**
     * A batch that was committed, and the touches after it. A batch is counted as a touch only if it has no revision,
     * because a loss of the batch could not be noticed otherwise.
     */
    private record Stored(Batch batch, Touches touches) {}

    private static long bytes(Batch batch) {
        return batch.events().stream().mapToLong(Event::bytes).sum();
    }

    /**
     * Raises the timeout for the statements of a large batch in proportion to its size, so that a transaction within
     * the limits does not fail because it is large.
     */
    private void allowTime(Connection connection, long bytes) throws SQLException {
        if (bytes > LARGE_BATCH_BYTES) {
            int millis = (int) (statementTimeout.toMillis() + MEBIBYTE_MILLIS * bytes / (1 << 20));
            Jdbc.execute(connection, "SET LOCAL statement_timeout = " + millis);
            connection.setNetworkTimeout(Runnable::run, millis + millis / 4);
        }
    }

    private static Map<StateKey, Newest> existing(Connection connection, Set<StateKey> keys) throws SQLException {
        List<StateKey> asked = List.copyOf(keys);
        Map<StateKey, Newest> existing = new HashMap<>();
        Jdbc.each(
                connection,
                Sql.STANDING,
                row -> {
                    existing.put(
                            asked.get(row.getInt(1) - 1),
                            new Newest(row.getLong(2), row.getBoolean(3), row.getLong(4)));
                    return true;
                },
                (Object[]) keyArrays(asked));
        return existing;
    }

    private static Map<RequestKey, Answered> answered(Connection connection, Set<RequestKey> requests)
            throws SQLException {
        Map<RequestKey, Answered> answered = new HashMap<>();
        if (requests.isEmpty()) {
            return answered;
        }
        List<RequestKey> asked = List.copyOf(requests);
        Jdbc.each(
                connection,
                Sql.ANSWERED,
                row -> {
                    Long[] versions = (Long[]) row.getArray(5).getArray();
                    answered.put(
                            asked.get(row.getInt(1) - 1),
                            new Answered(
                                    row.getString(2),
                                    new Committed(row.getLong(3), row.getLong(4), List.of(versions)),
                                    row.getLong(6)));
                    return true;
                },
                new Jdbc.Values(
                        "bytea",
                        asked.stream().map(request -> bytes(request.caller())).toList()),
                new Jdbc.Values(
                        "bytea",
                        asked.stream()
                                .map(request -> bytes(request.requestId()))
                                .toList()));
        return answered;
    }

    private static void insertEvents(Connection connection, List<Event> events) throws SQLException {
        Jdbc.update(
                connection,
                Sql.INSERT_EVENTS,
                new Jdbc.Values("bigint", events.stream().map(Event::revision).toList()),
                new Jdbc.Values(
                        "bigint", events.stream().map(Event::committedAtMicros).toList()),
                new Jdbc.Values(
                        "int", events.stream().map(Event::operationsTotal).toList()));
    }

    /**
     * @param placesTaken -1 to number the changes of each event from 1. Any other value is the number of changes that
     *     earlier calls have numbered; the changes of all events are then numbered consecutively from there, because
     *     several events may have the same revision
     */
    private static void insertVersions(Connection connection, List<Event> events, int placesTaken) throws SQLException {
        List<Change> changes = new ArrayList<>();
        List<Object> revisions = new ArrayList<>();
        List<Object> times = new ArrayList<>();
        List<Object> places = new ArrayList<>();
        Map<StateKey, Integer> last = new LinkedHashMap<>();
        for (Event event : events) {
            int place = placesTaken < 0 ? 0 : placesTaken + changes.size();
            for (Change change : event.changes()) {
                last.put(change.key(), changes.size());
                changes.add(change);
                revisions.add(event.revision());
                times.add(event.committedAtMicros());
                places.add(++place);
            }
        }
        Jdbc.Values[] keys = keyArrays(changes.stream().map(Change::key).toList());
        Jdbc.update(
                connection,
                Sql.INSERT_VERSIONS,
                keys[0],
                keys[1],
                keys[2],
                new Jdbc.Values("bigint", changes.stream().map(Change::version).toList()),
                new Jdbc.Values("bigint", revisions),
                new Jdbc.Values("int", places),
                new Jdbc.Values("bigint", times),
                new Jdbc.Values("text", changes.stream().map(Change::json).toList()),
                new Jdbc.Values(
                        "bigint",
                        changes.stream()
                                .map(change -> change.ttlMicros() == 0 ? null : change.ttlMicros())
                                .toList()));
        Jdbc.Values[] newest = keyArrays(last.keySet());
        Collection<Integer> at = last.values();
        Jdbc.update(
                connection,
                Sql.PUT_NEWEST,
                newest[0],
                newest[1],
                newest[2],
                new Jdbc.Values(
                        "bigint", at.stream().map(i -> changes.get(i).version()).toList()),
                new Jdbc.Values("bigint", at.stream().map(revisions::get).toList()),
                new Jdbc.Values(
                        "text", at.stream().map(i -> changes.get(i).json()).toList()));
    }

    private static void putExpiries(Connection connection, Map<StateKey, Long> expiries) throws SQLException {
        if (!expiries.isEmpty()) {
            Jdbc.Values[] keys = keyArrays(expiries.keySet());
            Jdbc.update(
                    connection,
                    Sql.PUT_EXPIRIES,
                    keys[0],
                    keys[1],
                    keys[2],
                    new Jdbc.Values("bigint", List.copyOf(expiries.values())));
        }
    }

    private static void insertAnswers(Connection connection, Map<RequestKey, Answered> answers) throws SQLException {
        if (answers.isEmpty()) {
            return;
        }
        try (PreparedStatement statement = connection.prepareStatement(Sql.PUT_ANSWER)) {
            for (Map.Entry<RequestKey, Answered> entry : answers.entrySet()) {
                Answered answer = entry.getValue();
                Jdbc.bind(
                        statement,
                        bytes(entry.getKey().caller()),
                        bytes(entry.getKey().requestId()),
                        answer.content(),
                        answer.committed().revision(),
                        answer.committed().committedAtMicros(),
                        new Jdbc.Values("bigint", answer.committed().versions()),
                        answer.expiresAtMicros());
                statement.addBatch();
            }
            statement.executeBatch();
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Jdbc.Values[] keyArrays(Collection<StateKey> keys) {
        return new Jdbc.Values[] {
            new Jdbc.Values("text", keys.stream().map(StateKey::namespace).toList()),
            new Jdbc.Values("text", keys.stream().map(StateKey::agentId).toList()),
            new Jdbc.Values("text", keys.stream().map(StateKey::name).toList())
        };
    }

    @Override
    public <T> T read(Function<Reads, T> reading) {
        return reading.apply(this);
    }

    @Override
    public List<Optional<Version>> newest(List<StateKey> keys, long upToRevision) {
        List<Optional<Version>> newest = calls.reading(connection -> {
            List<Optional<Version>> found = new ArrayList<>(Collections.nCopies(keys.size(), Optional.empty()));
            Jdbc.Values[] names = keyArrays(keys);
            Jdbc.each(
                    connection,
                    Sql.NEWEST,
                    row -> {
                        found.set(row.getInt(1) - 1, Optional.of(version(row, 2)));
                        return true;
                    },
                    names[0],
                    names[1],
                    names[2],
                    upToRevision);
            return found;
        });
        settleRead(newest.stream().flatMap(Optional::stream));
        return newest;
    }

    /** Reads a version from five columns, beginning at column {@code from}. */
    private static Version version(ResultSet row, int from) throws SQLException {
        return new Version(
                row.getLong(from),
                row.getLong(from + 1),
                row.getLong(from + 2),
                row.getString(from + 4),
                row.getLong(from + 3));
    }

    @Override
    public List<Version> history(StateKey key, long below, int limit, long maxBytes) {
        List<Version> versions = calls.reading(connection -> {
            Limited<Version> page = new Limited<>(maxBytes);
            Jdbc.each(
                    connection,
                    Sql.HISTORY,
                    row -> {
                        Version version = version(row, 1);
                        return page.add(version, version.jsonBytes());
                    },
                    key.namespace(),
                    key.agentId(),
                    key.name(),
                    below,
                    limit);
            return page.entries;
        });
        settleRead(versions.stream());
        return versions;
    }

    @Override
    public Page<KeyAt> keys(
            String namespace, String agentId, String prefix, @Nullable String after, long atRevision, int limit) {
        return calls.reading(connection -> {
            List<KeyAt> found = new ArrayList<>();
            AtomicReference<@Nullable String> next = new AtomicReference<>();
            Jdbc.each(
                    connection,
                    Sql.KEYS,
                    row -> {
                        String name = row.getString(1);
                        boolean exists = row.getBoolean(4);
                        if (exists && found.size() == limit) {
                            next.set(found.get(limit - 1).name());
                            return false;
                        }
                        if (exists) {
                            found.add(new KeyAt(name, row.getLong(2), row.getLong(3)));
                        }
                        if (row.getBoolean(5)) {
                            next.set(name);
                        }
                        return true;
                    },
                    namespace,
                    agentId,
                    from(prefix, after),
                    except(after),
                    end(prefix),
                    atRevision,
                    limit + 1);
            return new Page<>(found, next.get());
        });
    }

    @Override
    public Page<String> agents(String namespace, String prefix, @Nullable String after, int limit) {
        return names(Sql.AGENTS, namespace, prefix, after, limit);
    }

    @Override
    public Page<String> namespaces(String prefix, @Nullable String after, int limit) {
        return names(Sql.NAMESPACES, "", prefix, after, limit);
    }

    private Page<String> names(String sql, String scope, String prefix, @Nullable String after, int limit) {
        return calls.reading(connection -> {
            List<String> found = new ArrayList<>();
            Jdbc.each(
                    connection,
                    sql,
                    row -> found.add(row.getString(1)),
                    scope,
                    from(prefix, after),
                    except(after),
                    end(prefix),
                    scope,
                    end(prefix),
                    limit + 1);
            return found.size() > limit
                    ? new Page<>(found.subList(0, limit), found.get(limit - 1))
                    : new Page<>(found, null);
        });
    }

    private static String from(String prefix, @Nullable String after) {
        return after != null && StateKey.compareBytes(after, prefix) > 0 ? after : prefix;
    }

    private static String except(@Nullable String after) {
        return after == null ? "" : after;
    }

    /** Returns the first name after all names with a prefix, or {@link #HIGHEST} if no name follows them. */
    private static String end(String prefix) {
        int length = prefix.length();
        while (length > 0) {
            int last = prefix.codePointBefore(length);
            length -= Character.charCount(last);
            if (last < Character.MAX_CODE_POINT) {
                int next = last + 1 == Character.MIN_SURROGATE ? Character.MAX_SURROGATE + 1 : last + 1;
                return prefix.substring(0, length) + Character.toString(next);
            }
        }
        return HIGHEST;
    }

    @Override
    public List<Event> events(long from, long maxBytes) {
        return calls.reading(connection -> {
            Reading reading = new Reading(
                    maxBytes, LongStream.iterate(from, revision -> revision + 1).iterator());
            Jdbc.each(connection, Sql.EVENTS, reading::add, from, from + REVISIONS_AT_ONCE);
            List<Event> page = reading.end();
            long missing = from + page.size();
            // a gap at or below the floor is no damage: a removal raised the floor after the caller had read it; the
            // caller detects this when it reads the floor again
            if (reading.isGap && missing > head(connection, Sql.HEAD).floor()) {
                throw Reason.STORE_DOWN.because("the state in Postgres is damaged: revision " + missing
                        + " is missing; restore a dump into an empty database");
            }
            return page;
        });
    }

    @Override
    public List<Place> places(String namespace, String agentId, long from, long to, int limit) {
        return calls.reading(connection -> {
            List<Place> places = new ArrayList<>();
            Jdbc.each(
                    connection,
                    Sql.PLACES,
                    row -> places.add(new Place(row.getLong(1), row.getInt(2))),
                    namespace,
                    agentId,
                    from,
                    to,
                    limit);
            return places;
        });
    }

    @Override
    public List<Event> events(String namespace, String agentId, List<Place> places, long maxBytes) {
        List<Long> revisions = places.stream().map(Place::revision).toList();
        return calls.reading(connection -> {
            Reading reading = new Reading(
                    maxBytes,
                    revisions.stream().mapToLong(Long::longValue).distinct().iterator());
            Jdbc.each(
                    connection,
                    Sql.EVENTS_AT_PLACES,
                    reading::add,
                    new Jdbc.Values("bigint", revisions),
                    new Jdbc.Values("int", places.stream().map(Place::number).toList()));
            return reading.end();
        });
    }

    @Override
    public long changes(long from, long to, long enough) {
        return calls.reading(connection -> Jdbc.one(connection, Sql.CHANGES, row -> row.getLong(1), from, to)
                .orElseThrow());
    }

    @Override
    public OptionalLong committedAt(long revision) {
        return calls.reading(connection -> Jdbc.one(connection, Sql.COMMITTED_AT, row -> row.getLong(1), revision)
                .map(OptionalLong::of)
                .orElseGet(OptionalLong::empty));
    }

    /**
     * A reader that assembles events from rows of changes, until an expected revision is missing or the page is full.
     */
    private static final class Reading {
        private final Limited<Event> page;
        private final PrimitiveIterator.OfLong expected;
        private boolean isGap;
        private @Nullable Event event;

        Reading(long maxBytes, PrimitiveIterator.OfLong expected) {
            this.page = new Limited<>(maxBytes);
            this.expected = expected;
        }

        /** Adds a row; returns whether to read on. */
        boolean add(ResultSet row) throws SQLException {
            long revision = row.getLong(1);
            Event before = event;
            if (before == null || before.revision() != revision) {
                if (before != null && !page.add(before, before.bytes())) {
                    return false;
                }
                isGap = !expected.hasNext() || revision != expected.nextLong();
                event = isGap ? null : new Event(revision, row.getLong(2), new ArrayList<>(), row.getInt(3));
            }
            if (event != null && row.getString(4) != null) {
                event.changes()
                        .add(new Change(
                                new StateKey(row.getString(4), row.getString(5), row.getString(6)),
                                row.getLong(7),
                                row.getString(9),
                                row.getLong(8)));
            }
            return !isGap;
        }

        /** Adds the last event and returns the page. Must be called after the last row. */
        List<Event> end() {
            if (event != null && !page.isFull) {
                page.add(event, event.bytes());
            }
            return page.entries;
        }
    }

    @Override
    public long revisionAt(long micros) {
        return calls.reading(connection -> Jdbc.one(connection, Sql.REVISION_AT, row -> row.getLong(1), micros)
                .orElseThrow());
    }

    @Override
    public Page<Document> find(
            String namespace, String agentId, Search search, @Nullable String after, int limit, long maxBytes) {
        Page<Document> found = calls.reading(connection -> {
            Limited<Document> page = new Limited<>(maxBytes);
            try {
                StringBuilder sql = new StringBuilder(Sql.FIND);
                List<Object> values = new ArrayList<>(List.of(namespace, agentId, agentId));
                addConditions(connection, search, sql, values);
                addOrder(search.order(), after, sql, values);
                values.add(limit + 1);
                Jdbc.each(
                        connection,
                        sql.toString(),
                        row -> {
                            Version version = version(row, 3);
                            StateKey key = new StateKey(namespace, row.getString(1), row.getString(2));
                            return page.entries.size() < limit
                                    && page.add(new Document(key, version), version.jsonBytes());
                        },
                        values.toArray());
            } catch (SQLException e) {
                throw notFound(e, search);
            }
            boolean isAll = page.entries.size() < limit && !page.isFull;
            return new Page<>(
                    page.entries,
                    isAll || page.entries.isEmpty()
                            ? null
                            : position(search.order(), page.entries.get(page.entries.size() - 1)));
        });
        settleRead(found.entries().stream().map(Document::version));
        return found;
    }

    private static void addConditions(Connection connection, Search search, StringBuilder sql, List<Object> values)
            throws SQLException {
        if (!search.jsonPath().isEmpty()) {
            boolean isPredicate = Jdbc.one(connection, Sql.IS_PREDICATE, row -> row.getBoolean(1), search.jsonPath())
                    .orElseThrow();
            sql.append(isPredicate ? Sql.HOLDS : Sql.EXISTS);
            values.add(search.jsonPath());
        }
        if (!search.contains().isEmpty()) {
            sql.append(Sql.CONTAINS);
            values.add(search.contains());
        }
    }

    /** @param after the {@link #position} of the last result of the previous page; null for the first page */
    private static void addOrder(Search.Order order, @Nullable String after, StringBuilder sql, List<Object> values) {
        String[] last = after == null ? new String[0] : after.split("\0", -1);
        if (last.length > 0) {
            switch (order) {
                case BY_KEY -> sql.append(Sql.AFTER_KEY);
                case OLDEST_FIRST -> {
                    sql.append(Sql.AFTER_OLDER);
                    values.add(Long.parseLong(last[0]));
                }
                case NEWEST_FIRST -> {
                    sql.append(Sql.AFTER_NEWER);
                    values.add(Long.parseLong(last[0]));
                    values.add(Long.parseLong(last[0]));
                }
            }
            values.add(last[last.length - 2]);
            values.add(last[last.length - 1]);
        }
        sql.append(
                switch (order) {
                    case BY_KEY -> Sql.BY_KEY;
                    case OLDEST_FIRST -> Sql.OLDEST_FIRST;
                    case NEWEST_FIRST -> Sql.NEWEST_FIRST;
                });
    }

    /**
     * Returns the position of a result in an order: the agent and the key, preceded by the revision unless the order is
     * {@code BY_KEY}.
     */
    private static String position(Search.Order order, Document last) {
        String key = last.key().agentId() + '\0' + last.key().name();
        return order == Search.Order.BY_KEY ? key : last.version().revision() + "\0" + key;
    }

    /**
     * Returns an exception with the reason {@code INVALID} for an error that the caller's search caused; throws any
     * other error.
     */
    private static RuntimeException notFound(SQLException e, Search search) throws SQLException {
        String state = String.valueOf(e.getSQLState());
        if (state.equals(DatabaseCalls.TOOK_TOO_LONG)) {
            return Reason.INVALID.because("the search takes too long; narrow it, or name an agent");
        }
        boolean isOfPath =
                !search.jsonPath().isEmpty() && String.valueOf(e.getMessage()).contains("jsonpath");
        boolean isOfValue = state.startsWith("22P")
                || (state.startsWith("22") && search.jsonPath().isEmpty());
        if (isOfValue && !isOfPath && !search.contains().isEmpty()) {
            return Reason.INVALID.because("contains is not JSON that Postgres understands: " + e.getMessage());
        }
        if (Stream.of("0A", "22", "42", "54").anyMatch(state::startsWith)) {
            return Reason.INVALID.because("json_path is not a path that Postgres understands: " + e.getMessage());
        }
        throw e;
    }

    @Override
    public void compact(long floor) {
        locking((connection, head) -> Jdbc.update(connection, Sql.RAISE_FLOOR, floor, floor, floor) > 0);
        while (locking((connection, head) -> {
            long done = Jdbc.one(connection, Sql.REMOVED, row -> row.getLong(1)).orElseThrow();
            long to = next(connection, done, head.floor());
            Jdbc.update(connection, Sql.REMOVE_VERSIONS, done, to, to);
            Jdbc.update(connection, Sql.REMOVE_EVENTS, done, to);
            Jdbc.update(connection, Sql.NOTE_REMOVED, to);
            return to < head.floor();
        })) {
            // one part per transaction, so that other backends can commit in between
        }
    }

    /**
     * Returns the last revision of the next part of a removal. A part has at most {@link #REVISIONS_AT_ONCE} revisions.
     * It also has at most {@link #CHANGES_AT_ONCE} versions, unless it contains only one revision with versions.
     */
    private static long next(Connection connection, long done, long end) throws SQLException {
        long most = Jdbc.one(connection, Sql.PART, row -> row.getLong(1), done, done, CHANGES_AT_ONCE)
                .orElse(Long.MAX_VALUE);
        return Math.min(Math.min(done + REVISIONS_AT_ONCE, end), Math.max(done, most));
    }

    @Override
    public void trim(String namespace, long upTo) {
        calls.inTransaction(connection -> {
            Jdbc.update(connection, Sql.RAISE_TRIMMED, namespace, upTo);
            return true;
        });
        while (locking((connection, head) -> {
            long done = Jdbc.one(connection, Sql.TRIMMED, row -> row.getLong(2), namespace)
                    .orElse(upTo);
            long to = next(connection, done, upTo);
            if (to > done) {
                Jdbc.update(connection, Sql.TRIM, namespace, done, to, namespace);
                Jdbc.update(connection, Sql.NOTE_TRIMMED, to, namespace);
            }
            return to < upTo;
        })) {
            // one part per transaction, as in compact
        }
    }

    @Override
    public long trimmedUpTo(String namespace) {
        return calls.reading(connection -> Jdbc.one(connection, Sql.TRIMMED, row -> row.getLong(1), namespace)
                .orElse(0L));
    }

    @Override
    public boolean isChanged(
            String namespace, String agentId, Predicate<StateKey> wanted, long afterRevision, long upToRevision) {
        return calls.reading(connection -> {
            if (Jdbc.one(connection, Sql.UNNOTED, row -> row.getLong(1)).orElseThrow() > afterRevision) {
                return true;
            }
            AtomicBoolean isChanged = new AtomicBoolean();
            Jdbc.each(
                    connection,
                    Sql.CHANGED,
                    row -> {
                        isChanged.set(wanted.test(new StateKey(row.getString(1), row.getString(2), "any")));
                        return !isChanged.get();
                    },
                    afterRevision,
                    upToRevision,
                    afterRevision,
                    namespace,
                    namespace,
                    agentId,
                    agentId);
            return isChanged.get();
        });
    }

    @Override
    public List<Document> existing(
            String namespace, String agentId, long revision, @Nullable StateKey after, int limit, long maxBytes) {
        return calls.reading(connection -> {
            Limited<Document> page = new Limited<>(maxBytes);
            Jdbc.each(
                    connection,
                    Sql.STOOD,
                    row -> {
                        Version version = version(row, 4);
                        StateKey key = new StateKey(row.getString(1), row.getString(2), row.getString(3));
                        return page.add(new Document(key, version), version.jsonBytes());
                    },
                    revision,
                    namespace,
                    namespace,
                    agentId,
                    agentId,
                    after == null ? "" : after.namespace(),
                    after == null ? "" : after.agentId(),
                    after == null ? "" : after.name(),
                    limit);
            return page.entries;
        });
    }

    @Override
    public List<Document> values(
            String namespace, String agentPrefix, @Nullable StateKey after, int limit, long maxBytes) {
        List<Document> values = calls.reading(connection -> {
            Limited<Document> page = new Limited<>(maxBytes);
            Jdbc.each(
                    connection,
                    Sql.VALUES,
                    row -> {
                        Version version = version(row, 3);
                        StateKey key = new StateKey(namespace, row.getString(1), row.getString(2));
                        return page.add(new Document(key, version), version.jsonBytes());
                    },
                    namespace,
                    agentPrefix,
                    end(agentPrefix),
                    after == null ? "" : after.agentId(),
                    after == null ? "" : after.name(),
                    limit);
            return page.entries;
        });
        settleRead(values.stream().map(Document::version));
        return values;
    }

    @Override
    public List<StateKey> expired(long micros, int limit) {
        return calls.reading(connection -> {
            List<StateKey> keys = new ArrayList<>();
            Jdbc.each(
                    connection,
                    Sql.EXPIRED,
                    row -> keys.add(new StateKey(row.getString(1), row.getString(2), row.getString(3))),
                    micros,
                    limit);
            return keys;
        });
    }

    @Override
    public Map<StateKey, Long> expiries(List<StateKey> keys) {
        AtomicLong touches = new AtomicLong();
        Map<StateKey, Long> read = calls.reading(connection -> {
            Map<StateKey, Long> expiries = new HashMap<>();
            Jdbc.each(
                    connection,
                    Sql.EXPIRIES,
                    row -> {
                        expiries.put(keys.get(row.getInt(1) - 1), row.getLong(2));
                        touches.set(row.getLong(3));
                        return true;
                    },
                    (Object[]) keyArrays(keys));
            return expiries;
        });
        if (touches.get() > known.known().touches().number()) {
            head(); // records the touches before the caller receives what they changed
        }
        return read;
    }

    @Override
    public void restore(long floor, long floorAtMicros, Iterator<Event> events, long nowMicros) {
        Known since = known.known();
        Head restored = calls.inTransaction(connection -> {
            connection.setNetworkTimeout(Runnable::run, MOST_RESTORE_MILLIS);
            Jdbc.execute(connection, Sql.TAKE_TIME);
            requireEmpty(head(connection, Sql.HEAD + Sql.LOCKED));
            long revision = floor;
            long atMicros = floorAtMicros;
            List<Event> existing = new ArrayList<>();
            List<Event> some = new ArrayList<>();
            long bytes = 0;
            int numbered = 0;
            while (events.hasNext()) {
                Event event = events.next();
                if (event.revision() > floor) {
                    some.add(event);
                    revision = event.revision();
                    atMicros = event.committedAtMicros();
                } else {
                    existing.add(event);
                }
                bytes += event.bytes();
                if (bytes >= RESTORED_BYTES_AT_ONCE || !events.hasNext()) {
                    insertVersions(connection, existing, numbered);
                    numbered += existing.stream()
                            .mapToInt(each -> each.changes().size())
                            .sum();
                    insertEvents(connection, some);
                    insertVersions(connection, some, -1);
                    existing.clear();
                    some.clear();
                    bytes = 0;
                }
            }
            Jdbc.update(connection, Sql.BEGIN_LIFETIMES, nowMicros);
            String newId = newHistoryId.get();
            Jdbc.update(connection, Sql.RESTORED, newId, revision, atMicros, floor, floorAtMicros, floor);
            return new Head(newId, revision, atMicros, floor, floorAtMicros);
        });
        known.begin(restored, Touches.NONE, since);
    }

    @Override
    public boolean forgetAnswers(long nowMicros) {
        return calls.inTransaction(
                connection -> Jdbc.update(connection, Sql.FORGET, nowMicros) == Sql.FORGOTTEN_AT_ONCE);
    }

    @Override
    public long clockMicros() {
        return calls.reading(connection -> found(connection, Sql.HEAD, Known.NOTHING))
                .clockMicros();
    }

    @Override
    public long keys() {
        return calls.reading(connection ->
                Jdbc.one(connection, Sql.KEY_COUNT, row -> row.getLong(1)).orElseThrow());
    }

    @Override
    public long bytes() {
        return calls.reading(connection ->
                Jdbc.one(connection, Sql.BYTES, row -> row.getLong(1)).orElseThrow());
    }

    /** A list that accepts entries up to a total size; the first entry may be larger. */
    private static final class Limited<T> {
        private final List<T> entries = new ArrayList<>();
        private final long maxBytes;
        private long bytes;
        private boolean isFull;

        Limited(long maxBytes) {
            this.maxBytes = maxBytes;
        }

        /**
         * Adds an entry, unless the total size would then exceed the maximum; returns whether it was added. The first
         * entry is always added.
         */
        boolean add(T entry, long size) {
            bytes += size;
            isFull = bytes > maxBytes && !entries.isEmpty();
            return !isFull && entries.add(entry);
        }
    }

    @Override
    public void close() {
        notices.close();
        documents.close();
        calls.close();
        known.close();
    }
}
