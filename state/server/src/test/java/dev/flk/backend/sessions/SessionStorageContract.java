// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.sessions.SessionStorage.Change;
import dev.flk.backend.sessions.SessionStorage.Changes;
import dev.flk.backend.sessions.SessionStorage.ConflictException;
import dev.flk.backend.sessions.SessionStorage.Found;
import dev.flk.backend.sessions.SessionStorage.Page;
import dev.flk.backend.sessions.SessionStorage.Updated;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The contract of a session storage that two backends share. */
public abstract class SessionStorageContract {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final long ANY = SessionStorage.ANY_VERSION;

    /** Returns the storage of one backend. */
    protected abstract SessionStorage storage();

    /** Returns the storage of another backend that shares the sessions. */
    protected abstract SessionStorage other();

    /** Returns a storage whose sessions expire after a short time. */
    protected abstract SessionStorage shortLived();

    private static <T> T now(CompletionStage<T> stage) {
        return stage.toCompletableFuture()
                .orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS)
                .join();
    }

    private static Updated put(SessionStorage storage, String id, String json, long ifVersion) {
        return now(storage.put(id, json, ifVersion));
    }

    private static ConflictException conflict(CompletionStage<?> stage) {
        Throwable thrown = catchThrowable(() -> now(stage));
        assertThat(thrown).hasCauseInstanceOf(ConflictException.class);
        return (ConflictException) thrown.getCause();
    }

    private static Session present(SessionStorage storage, String id) {
        assertThat(storage.get(id)).isInstanceOf(Found.Present.class);
        return ((Found.Present) storage.get(id)).session();
    }

    private static List<String> ids(Page page) {
        return page.sessions().stream().map(Session::id).toList();
    }

    @Test
    void put_newSession_isStoredUnchanged() {
        Updated created = put(storage(), "pump/ä 7", "{ \"b\": 1.50, \"a\":\"\\u00df\\n\" }", 0);
        assertThat(created.version()).isEqualTo(1);

        Session session = present(storage(), "pump/ä 7");
        assertThat(session.json()).isEqualTo("{\"b\":1.50,\"a\":\"\\u00df\\n\"}");
        assertThat(session.version()).isEqualTo(1);
        assertThat(session.updatedAt()).isEqualTo(created.at());
        assertThat(session.remaining()).isBetween(Duration.ofMinutes(59), Duration.ofMinutes(61));
    }

    @Test
    void put_withConditions_comparesAndSets() {
        assertThat(conflict(storage().put("a", "{}", 1)).actual()).isZero();
        put(storage(), "a", "{\"n\":1}", 0);
        assertThat(conflict(storage().put("a", "{}", 0)).actual()).isEqualTo(1);
        assertThat(put(storage(), "a", "{\"n\":2}", 1).version()).isEqualTo(2);
        ConflictException stale = conflict(other().put("a", "{}", 1));
        assertThat(stale.expected()).isEqualTo(1);
        assertThat(stale.actual()).isEqualTo(2);
        assertThat(put(storage(), "a", "{\"n\":3}", ANY).version()).isEqualTo(3);
        assertThat(present(storage(), "a").json()).isEqualTo("{\"n\":3}");
    }

    @Test
    void delete_session_isReportedAsDeletedAndKeepsTheVersionCount() {
        put(storage(), "a", "{}", 0);
        assertThat(conflict(storage().delete("a", 7)).actual()).isEqualTo(1);
        Updated deleted = now(storage().delete("a", 1));
        assertThat(deleted.version()).isEqualTo(2);
        assertThat(storage().get("a")).isEqualTo(new Found.Deleted(deleted.at()));
        assertThat(conflict(storage().put("a", "{}", 1)).actual()).isEqualTo(2);
        assertThat(now(storage().delete("a", ANY))).isEqualTo(new Updated(2, null));
        assertThat(put(storage(), "a", "{}", 0).version()).isEqualTo(3);
        present(storage(), "a");
    }

    @Test
    void get_unknownSession_saysSo() {
        assertThat(storage().get("never")).isEqualTo(new Found.Unknown());
        assertThat(now(storage().delete("never", ANY))).isEqualTo(new Updated(0, null));
    }

    @Test
    void put_notAnObject_isRefused() {
        for (String text : List.of("", "7", "[]", "\"text\"", "{", "{\"a\":1,}", "{}{}", "null")) {
            assertThatThrownBy(() -> now(storage().put("a", text, ANY)))
                    .as(text)
                    .hasCauseInstanceOf(StateException.class)
                    .cause()
                    .matches(e -> ((StateException) e).reason() == Reason.INVALID);
        }
        assertThat(storage().get("a")).isEqualTo(new Found.Unknown());
    }

    @Test
    void session_notUpdatedInTime_expires() {
        SessionStorage storage = shortLived();
        Changes changes = storage.changes("", null);
        put(storage, "a", "{}", 0);
        List<Change> seen = new ArrayList<>();
        await().atMost(PATIENCE).until(() -> {
            seen.addAll(changes.next());
            return seen.size() == 2;
        });
        assertThat(seen.get(1).version()).isEqualTo(2);
        assertThat(seen.get(1).json()).isNull();
        assertThat(storage.get("a")).isInstanceOf(Found.Expired.class);
        assertThat(storage.list("", Duration.ZERO, null, 10).sessions()).isEmpty();
        assertThat(put(storage, "a", "{}", 0).version()).isEqualTo(3);
    }

    @Test
    void list_isOrderedByAgentAndEndsAtTheLimit() {
        for (String id : List.of("b", "a/2", "a", "a-1", "a/1", "c")) {
            put(storage(), id, "{\"id\":\"" + id + "\"}", 0);
        }
        assertThat(ids(storage().list("", Duration.ZERO, null, 10)))
                .containsExactly("a", "a/1", "a/2", "a-1", "b", "c");
        Page first = storage().list("a", Duration.ZERO, null, 2);
        assertThat(ids(first)).containsExactly("a", "a/1");
        assertThat(first.next()).isEqualTo("a/1");
        Page rest = storage().list("a", Duration.ZERO, first.next(), 2);
        assertThat(ids(rest)).containsExactly("a/2", "a-1");
        assertThat(rest.next()).isNull();
        assertThat(ids(storage().list("a/", Duration.ZERO, null, 10))).containsExactly("a/1", "a/2");
        assertThat(storage().list("", Duration.ofMinutes(5), null, 10).sessions())
                .isEmpty();
        assertThat(storage().count(Duration.ofMinutes(5))).isEqualTo(new SessionStorage.Counts(6, 0));
        now(storage().delete("b", ANY));
        assertThat(storage().count(Duration.ofMinutes(5)).sessions()).isEqualTo(5);
    }

    @Test
    void update_isVisibleOnTheOtherBackend() {
        for (int i = 1; i <= 20; i++) {
            long version = put(i % 2 == 0 ? storage() : other(), "a", "{\"n\":" + i + "}", ANY)
                    .version();
            SessionStorage reader = i % 2 == 0 ? other() : storage();
            await().pollInterval(Duration.ofMillis(2))
                    .atMost(PATIENCE)
                    .until(() -> reader.get("a") instanceof Found.Present found
                            && found.session().version() == version);
            assertThat(present(reader, "a").json()).isEqualTo("{\"n\":" + i + "}");
        }
    }

    @Test
    void changes_areReportedOnceInOrderAndCanBeResumed() {
        Changes all = storage().changes("", null);
        Changes some = other().changes("pump", null);
        put(storage(), "pump-1", "{\"n\":1}", 0);
        put(other(), "fan", "{}", 0);
        put(storage(), "pump-1", "{\"n\":2}", 1);
        now(other().delete("pump-1", ANY));

        List<Change> seen = read(all, 4);
        assertThat(seen.stream().map(change -> change.id() + " " + change.version() + " " + change.json()))
                .containsExactly("pump-1 1 {\"n\":1}", "fan 1 {}", "pump-1 2 {\"n\":2}", "pump-1 3 null");
        assertThat(read(some, 3).stream().map(Change::id)).containsOnly("pump-1");

        Changes resumed = other().changes("", seen.get(1).token());
        assertThat(read(resumed, 2)).isEqualTo(seen.subList(2, 4));
    }

    private static List<Change> read(Changes changes, int count) {
        List<Change> seen = new ArrayList<>();
        await().atMost(PATIENCE).until(() -> {
            seen.addAll(changes.next());
            return seen.size() >= count;
        });
        assertThat(changes.next()).isEmpty();
        assertThat(seen).hasSize(count);
        return seen;
    }

    @Test
    void changes_afterAnUnknownPosition_areRefused() {
        put(storage(), "a", "{}", 0);
        for (String token : List.of("7", "", "0-0.0")) {
            assertThatThrownBy(() -> storage().changes("", token)).isInstanceOf(StateException.class);
        }
    }

    @Test
    void changes_whenMore_isCalledOnceForTheNextChange() throws InterruptedException {
        Changes changes = storage().changes("", null);
        assertThat(changes.next()).isEmpty();
        AtomicInteger calls = new AtomicInteger();
        Runnable unused = changes.whenMore(calls::incrementAndGet);
        put(other(), "a", "{}", 0);
        await().atMost(PATIENCE).until(() -> calls.get() > 0);
        assertThat(read(changes, 1).get(0).id()).isEqualTo("a");

        CountDownLatch missed = new CountDownLatch(1);
        put(storage(), "b", "{}", 0);
        Runnable cancel = changes.whenMore(missed::countDown);
        assertThat(missed.await(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
        cancel.run();
        assertThat(calls).hasValue(1);
    }

    @Test
    void update_manyWritersWithConditions_losesNoUpdate() throws Exception {
        int writers = 16;
        int updates = 20;
        put(storage(), "a", "{\"n\":0}", 0);
        ExecutorService threads = Executors.newFixedThreadPool(writers);
        try {
            List<Future<?>> all = IntStream.range(0, writers)
                    .<Future<?>>mapToObj(writer -> threads.submit(() -> {
                        SessionStorage storage = writer % 2 == 0 ? storage() : other();
                        for (int i = 0; i < updates; i++) {
                            increment(storage);
                        }
                    }))
                    .toList();
            for (Future<?> each : all) {
                each.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            }
        } finally {
            threads.shutdownNow();
        }
        int total = writers * updates;
        await().atMost(PATIENCE).until(() -> present(storage(), "a").version() == total + 1);
        assertThat(present(storage(), "a").json()).isEqualTo("{\"n\":" + total + "}");
    }

    private static void increment(SessionStorage storage) {
        while (true) {
            Session read = present(storage, "a");
            int n = Integer.parseInt(read.json().replaceAll("[^0-9]", ""));
            try {
                put(storage, "a", "{\"n\":" + (n + 1) + "}", read.version());
                return;
            } catch (CompletionException e) {
                assertThat(e).hasCauseInstanceOf(ConflictException.class);
            }
        }
    }

    @Test
    void update_timeOfUpdateIsNotInTheFuture() {
        Instant before = Instant.now().minusSeconds(1);
        assertThat(put(storage(), "a", "{}", 0).at())
                .isBetween(before, Instant.now().plusSeconds(1));
    }
}
