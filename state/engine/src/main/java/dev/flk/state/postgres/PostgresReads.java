// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.Storage;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.LimitedList;
import dev.flk.state.Storage.Page;
import dev.flk.state.Storage.Place;
import dev.flk.state.Storage.Search;
import dev.flk.state.Version;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.PrimitiveIterator;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import java.util.function.ToLongFunction;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The reads of {@link PostgresStorage}. A read whose connection broke is retried once.
 *
 * @param readHead reads the head and records it in {@code known}
 */
record PostgresReads(DatabaseCalls calls, KnownHistory known, Runnable readHead) implements Storage.Reads {
    private static final int REVISIONS_AT_ONCE = 1_000;

    /** A text that sorts after every name. */
    private static final String HIGHEST = "\uDBFF\uDFFF".repeat(257);

    private <T> List<T> all(String sql, Jdbc.Row<T> row, Object... values) {
        return calls.reading(connection -> Jdbc.all(connection, sql, row, values));
    }

    private long number(String sql, Object... values) {
        return calls.reading(connection ->
                Jdbc.one(connection, sql, row -> row.getLong(1), values).orElseThrow());
    }

    /** Reads rows until their total size reaches a maximum. */
    private <T> List<T> limited(long maxBytes, ToLongFunction<T> size, String sql, Jdbc.Row<T> row, Object... values) {
        return calls.reading(connection -> {
            LimitedList<T> page = new LimitedList<>(maxBytes);
            Jdbc.each(
                    connection,
                    sql,
                    found -> {
                        T entry = row.of(found);
                        return page.add(entry, size.applyAsLong(entry));
                    },
                    values);
            return page.entries();
        });
    }

    /**
     * Reads and records the current head if a read has returned a revision above the known revision, so that no caller
     * receives an unrecorded revision.
     */
    private void settle(Stream<Version> read) {
        long newest = read.mapToLong(Version::revision).max().orElse(0);
        if (newest > known.known().revision()) {
            readHead.run();
        }
    }

    @Override
    public List<Optional<Version>> newest(List<StateKey> keys, long upToRevision) {
        List<Optional<Version>> newest = calls.reading(connection -> {
            List<Optional<Version>> found = new ArrayList<>(Collections.nCopies(keys.size(), Optional.empty()));
            Jdbc.each(
                    connection,
                    Sql.NEWEST,
                    row -> {
                        found.set(row.getInt(1) - 1, Optional.of(version(row, 2)));
                        return true;
                    },
                    Jdbc.keys(keys),
                    upToRevision);
            return found;
        });
        settle(newest.stream().flatMap(Optional::stream));
        return newest;
    }

    @Override
    public long newestBytes(List<StateKey> keys, long upToRevision, long enough) {
        return number(Sql.NEWEST_BYTES, Jdbc.keys(keys), upToRevision);
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

    /** Reads a value of a namespace from the columns agent and name, and those of a version. */
    static Document document(String namespace, ResultSet row) throws SQLException {
        return new Document(new StateKey(namespace, row.getString(1), row.getString(2)), version(row, 3));
    }

    @Override
    public List<Version> history(StateKey key, long below, int limit, long maxBytes) {
        List<Version> versions = limited(
                maxBytes,
                Version::jsonBytes,
                Sql.HISTORY,
                row -> version(row, 1),
                key.namespace(),
                key.agentId(),
                key.name(),
                below,
                limit);
        settle(versions.stream());
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
        List<String> found = all(
                sql,
                row -> row.getString(1),
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
            if (reading.isGap
                    && missing
                            > Jdbc.one(connection, Sql.FLOOR, row -> row.getLong(1))
                                    .orElseThrow()) {
                throw Reason.STORE_DOWN.because("the state in Postgres is damaged: revision " + missing
                        + " is missing; restore a dump into an empty database");
            }
            return page;
        });
    }

    @Override
    public List<Place> places(String namespace, String agentId, long from, long to, int limit) {
        return all(Sql.PLACES, row -> new Place(row.getLong(1), row.getInt(2)), namespace, agentId, from, to, limit);
    }

    @Override
    public List<Event> events(String namespace, String agentId, List<Place> places, long maxBytes) {
        return calls.reading(connection -> {
            Reading reading = new Reading(
                    maxBytes,
                    places.stream().mapToLong(Place::revision).distinct().iterator());
            Jdbc.each(
                    connection,
                    Sql.EVENTS_AT_PLACES,
                    reading::add,
                    Jdbc.bigints(places, Place::revision),
                    Jdbc.ints(places, Place::number));
            return reading.end();
        });
    }

    @Override
    public long changes(long from, long to, long enough) {
        return number(Sql.CHANGES, from, to);
    }

    @Override
    public OptionalLong committedAt(long revision) {
        return all(Sql.COMMITTED_AT, row -> row.getLong(1), revision).stream()
                .mapToLong(Long::longValue)
                .findFirst();
    }

    /**
     * A reader that assembles events from rows of changes, until an expected revision is missing or the page is full.
     */
    private static final class Reading {
        private final LimitedList<Event> page;
        private final PrimitiveIterator.OfLong expected;
        private boolean isGap;
        private @Nullable Event event;

        Reading(long maxBytes, PrimitiveIterator.OfLong expected) {
            this.page = new LimitedList<>(maxBytes);
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
            if (event != null && !page.isFull()) {
                page.add(event, event.bytes());
            }
            return page.entries();
        }
    }

    @Override
    public long revisionAt(long micros) {
        return number(Sql.REVISION_AT, micros);
    }

    @Override
    public Page<Document> find(
            String namespace, String agentId, Search search, @Nullable String after, int limit, long maxBytes) {
        Page<Document> found = calls.reading(
                connection -> PostgresSearch.find(connection, namespace, agentId, search, after, limit, maxBytes));
        settle(found.entries().stream().map(Document::version));
        return found;
    }

    @Override
    public boolean isChanged(
            String namespace, String agentId, Predicate<StateKey> wanted, long afterRevision, long upToRevision) {
        return calls.reading(connection -> {
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
        return limited(
                maxBytes,
                found -> found.version().jsonBytes(),
                Sql.STOOD,
                row -> new Document(
                        new StateKey(row.getString(1), row.getString(2), row.getString(3)), version(row, 4)),
                revision,
                namespace,
                namespace,
                agentId,
                agentId,
                after == null ? "" : after.namespace(),
                after == null ? "" : after.agentId(),
                after == null ? "" : after.name(),
                limit);
    }

    @Override
    public List<Document> values(
            String namespace, String agentPrefix, @Nullable StateKey after, int limit, long maxBytes) {
        List<Document> values = limited(
                maxBytes,
                found -> found.version().jsonBytes(),
                Sql.VALUES,
                row -> document(namespace, row),
                namespace,
                agentPrefix,
                end(agentPrefix),
                after == null ? "" : after.agentId(),
                after == null ? "" : after.name(),
                limit);
        settle(values.stream().map(Document::version));
        return values;
    }

    @Override
    public List<StateKey> expired(long micros, int limit) {
        return all(
                Sql.EXPIRED, row -> new StateKey(row.getString(1), row.getString(2), row.getString(3)), micros, limit);
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
                    (Object) Jdbc.keys(keys));
            return expiries;
        });
        if (touches.get() > known.known().touches().number()) {
            readHead.run(); // records the touches before the caller receives what they changed
        }
        return read;
    }
}
