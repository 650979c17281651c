// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import dev.flk.state.Committed;
import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Answered;
import dev.flk.state.Storage.Batch;
import dev.flk.state.Storage.Head;
import dev.flk.state.Storage.Newest;
import dev.flk.state.Storage.RequestKey;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** The statements of a commit or a restore, within a transaction that has locked the head. */
record CommitStatements(Connection connection) {
    private static final long RESTORED_BYTES_AT_ONCE = 4 << 20;

    Map<StateKey, Newest> existing(Set<StateKey> keys) throws SQLException {
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
                (Object) Jdbc.keys(asked));
        return existing;
    }

    Map<RequestKey, Answered> answered(Set<RequestKey> requests) throws SQLException {
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

    void insert(Batch batch) throws SQLException {
        insertAnswers(batch.answered());
        if (!batch.events().isEmpty()) {
            insertEvents(batch.events());
            insertVersions(batch.events(), -1);
            Event last = batch.events().get(batch.events().size() - 1);
            Jdbc.update(connection, Sql.RAISE, last.revision(), last.committedAtMicros());
        }
        if (!batch.expiries().isEmpty()) {
            Jdbc.update(
                    connection,
                    Sql.PUT_EXPIRIES,
                    Jdbc.keys(batch.expiries().keySet()),
                    Jdbc.bigints(batch.expiries().values(), Function.identity()));
        }
    }

    private void insertEvents(List<Event> events) throws SQLException {
        Jdbc.update(
                connection,
                Sql.INSERT_EVENTS,
                Jdbc.bigints(events, Event::revision),
                Jdbc.bigints(events, Event::committedAtMicros),
                Jdbc.ints(events, Event::operationsTotal));
    }

    /**
     * @param placesTaken -1 to number the changes of each event from 1. Any other value is the number of changes that
     *     earlier calls have numbered; the changes of all events are then numbered consecutively from there, because
     *     several events may have the same revision
     */
    private void insertVersions(List<Event> events, int placesTaken) throws SQLException {
        List<Change> changes = new ArrayList<>();
        List<Long> revisions = new ArrayList<>();
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
        Jdbc.update(
                connection,
                Sql.INSERT_VERSIONS,
                Jdbc.keys(changes.stream().map(Change::key).toList()),
                Jdbc.bigints(changes, Change::version),
                new Jdbc.Values("bigint", revisions),
                new Jdbc.Values("int", places),
                new Jdbc.Values("bigint", times),
                Jdbc.texts(changes, Change::json),
                Jdbc.bigints(changes, change -> change.ttlMicros() == 0 ? null : change.ttlMicros()));
        Collection<Integer> at = last.values();
        Jdbc.update(
                connection,
                Sql.PUT_NEWEST,
                Jdbc.keys(last.keySet()),
                Jdbc.bigints(at, i -> changes.get(i).version()),
                Jdbc.bigints(at, revisions::get),
                Jdbc.texts(at, i -> changes.get(i).json()));
    }

    private void insertAnswers(Map<RequestKey, Answered> answers) throws SQLException {
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

    /** Inserts events into an empty database; see {@link dev.flk.state.Storage#restore}. */
    Head restore(long floor, long floorAtMicros, Iterator<Event> events, long nowMicros, String historyId)
            throws SQLException {
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
                insertVersions(existing, numbered);
                numbered += existing.stream()
                        .mapToInt(each -> each.changes().size())
                        .sum();
                insertEvents(some);
                insertVersions(some, -1);
                existing.clear();
                some.clear();
                bytes = 0;
            }
        }
        Jdbc.update(connection, Sql.BEGIN_LIFETIMES, nowMicros);
        Jdbc.update(connection, Sql.RESTORED, historyId, revision, atMicros, floor, floorAtMicros, floor);
        return new Head(historyId, revision, atMicros, floor, floorAtMicros);
    }
}
