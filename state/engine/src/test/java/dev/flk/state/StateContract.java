// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static dev.flk.state.EngineHarness.ME;
import static dev.flk.state.EngineHarness.delete;
import static dev.flk.state.EngineHarness.key;
import static dev.flk.state.RandomStates.reasonOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.state.Event.Change;
import dev.flk.state.History.At;
import dev.flk.state.History.Events;
import dev.flk.state.History.Token;
import dev.flk.state.StateEngine.Begun;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateReads.Found;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Reads;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests of the promises that an engine keeps on every storage. */
abstract class StateContract {
    private static final Settings SMALL = new Settings(1_000, Duration.ofSeconds(30), 3, 5_000, 100);

    private EngineHarness state;

    /** Returns a supplier that gives access to the same storage each time; the engine opens the storage. */
    abstract Supplier<Storage> storages();

    /** Returns another storage, which is empty at first and the same on each call. */
    abstract Storage emptyStorage();

    @BeforeEach
    void start() {
        restart(Settings.defaults());
    }

    /** Sets the clock that engines on the same storage share; does nothing by default. */
    void setServerClock(Instant now) {}

    @AfterEach
    void close() {
        state.close();
    }

    private void restart(Settings settings) {
        if (state != null) {
            state.close();
        }
        state = new EngineHarness(storages(), settings, this::setServerClock);
    }

    @Test
    void versions_countDeletionsAndContinueAfterThem() {
        assertThat(state.apply(state.write("a", "k", "1")).versions()).containsExactly(1L);
        assertThat(state.apply(state.write("a", "k", "2")).versions()).containsExactly(2L);
        assertThat(state.apply(delete("a", "k")).versions()).containsExactly(3L);
        assertThat(state.get("a", "k")).isInstanceOf(Found.Deleted.class);

        Committed fourth = state.apply(state.write("a", "k", "4"));

        assertThat(fourth.revision()).isEqualTo(4);
        assertThat(fourth.versions()).containsExactly(4L);
        assertThat(state.engine.reads().history(key("a", "k"), Long.MAX_VALUE, 10))
                .extracting(Version::version, Version::json)
                .containsExactly(tuple(4L, "4"), tuple(3L, null), tuple(2L, "2"), tuple(1L, "1"));
    }

    @Test
    void newestBytes_isTheSizeOfTheNewestValues() {
        String value = "\"" + "\u00e4".repeat(3_000_000 / 8) + "\"";
        state.apply(state.write("a", "k", "1"), state.write("a", "deleted", value));
        state.apply(state.write("a", "k", value), delete("a", "deleted"), write("ttl", value, Duration.ofHours(1)));
        state.apply(state.write("a", "k", "1"));
        List<StateKey> keys = List.of(key("a", "k"), key("a", "deleted"), key("a", "ttl"), key("a", "absent"));
        long bytes = 2 + 2 * 3_000_000 / 8;

        assertThat(newestBytes(keys, 2)).isBetween(2 * bytes - 16, 2 * bytes);
        assertThat(newestBytes(keys, 3)).isBetween(bytes - 16, bytes + 1);
        assertThat(newestBytes(keys.subList(1, 2), 3)).isZero();
    }

    private long newestBytes(List<StateKey> keys, long revision) {
        return state.engine.reading(reads -> reads.newestBytes(keys, revision, Long.MAX_VALUE));
    }

    @Test
    void conflict_changesNothingAndNamesKeyExpectedAndActual() {
        state.apply(state.write("a", "k", "1"));

        assertThatThrownBy(() -> state.apply(state.write("a", "other", "1"), state.engine.write(key("a", "k"), "2", 7)))
                .isInstanceOfSatisfying(
                        StateException.class,
                        e -> assertThat(e.details())
                                .containsEntry("key", "k")
                                .containsEntry("agent_id", "a")
                                .containsEntry("expected", "7")
                                .containsEntry("actual", "1"));

        assertThat(state.get("a", "other")).isInstanceOf(Found.Absent.class);
        assertThat(state.engine.head().revision()).isEqualTo(1);
    }

    @Test
    void schema_appliesToLaterWrites_andIsAVersionedKey() {
        state.apply(state.write("a", "k", "1"));
        state.apply(state.engine.schemas().set("default", "2", 0));

        assertThatThrownBy(() -> state.apply(state.write("a", "k2", "2"), state.write("a", "k", "3")))
                .hasMessage("default/a/k: the value violates the schema of the namespace: /x must be 2")
                .isInstanceOfSatisfying(
                        StateException.class, e -> assertThat(e.details()).containsEntry("path", "/x"));
        assertThat(state.get("a", "k2")).isInstanceOf(Found.Absent.class);
        assertThat(state.apply(state.write("a", "k", "2")).versions()).containsExactly(2L);
        assertThat(state.apply(state.engine.write(new StateKey("other", "a", "k"), "9", Operation.ANY_VERSION)))
                .isNotNull();
        Begun begun = state.engine.begin(ME, null);
        state.engine.stage(ME, begun.txId(), state.write("a", "k", "7"));
        assertThat(reasonOf(() -> state.commit(begun.txId(), ""))).isEqualTo(Reason.INVALID);

        assertThat(state.engine.schemas().check("default", "5", null).violating())
                .extracting(Schemas.Violating::key)
                .containsExactly(key("a", "k"));
        assertThat(state.engine.schemas().check("default", "", null).violating())
                .isEmpty();
        assertThat(reasonOf(() -> state.engine.schemas().set("default", "\"none\"", -1)))
                .isEqualTo(Reason.INVALID);
        assertThat(reasonOf(() -> state.engine.schemas().set("flk.review", "1", -1)))
                .isEqualTo(Reason.INVALID);

        state.restart();
        assertThat(reasonOf(() -> state.apply(state.write("a", "k", "3")))).isEqualTo(Reason.INVALID);
        assertThat(state.apply(state.engine.schemas().set("default", "3", 1)).versions())
                .containsExactly(2L);
        assertThat(state.apply("r", state.write("a", "k", "3")).versions()).containsExactly(3L);
        assertThat(state.apply(state.engine.schemas().delete("default", 2)).versions())
                .containsExactly(3L);
        assertThat(state.engine.schemas().get("default")).isEmpty();
        assertThat(state.apply("r", state.write("a", "k", "3")).versions()).containsExactly(3L);
        assertThat(state.apply(state.write("a", "k", "4")).versions()).containsExactly(4L);
        assertThat(reasonOf(() -> state.engine.schemas().check("default", "", null)))
                .isEqualTo(Reason.INVALID);
    }

    @Test
    void schema_setWithAnotherVersion_isRefusedAtOnce() {
        state.apply(state.engine.schemas().set("default", "1", 0));

        assertThatThrownBy(() -> state.engine
                        .apply(
                                ME,
                                List.of(state.engine.schemas().set("default", "2", 7)),
                                "",
                                task -> fail("it is checked again"))
                        .toCompletableFuture()
                        .get(30, TimeUnit.SECONDS))
                .hasCauseInstanceOf(StateException.class)
                .hasMessageContaining("default");
    }

    private Operation.Write other(String namespace, String json) {
        return state.engine.write(new StateKey(namespace, "a", "k"), json, Operation.ANY_VERSION);
    }

    @Test
    void schema_storedOneNoLongerCompiles_refusesOnlyWritesOfItsNamespace() {
        state.apply(state.engine.schemas().set("default", EngineHarness.LATER_INVALID, 0));
        EngineHarness.hasBecomeInvalid = true;
        try {
            state.restart();

            assertThatThrownBy(() -> state.apply(state.write("a", "k", "1")))
                    .hasMessageContaining("version 1 of the schema of namespace default can't be used")
                    .hasMessageContaining("not a schema");
            assertThat(state.apply(other("other", "1")).revision()).isEqualTo(2);
            state.apply(state.engine.schemas().set("default", "5", 1));
            assertThat(state.apply(state.write("a", "k", "5")).revision()).isEqualTo(4);
        } finally {
            EngineHarness.hasBecomeInvalid = false;
        }
    }

    /** Submits writes and schemas concurrently; each write that is committed after a schema must match it. */
    @Test
    void schema_concurrentWriters_appliesToEachLaterRevision() throws Exception {
        List<CompletableFuture<Committed>> commits = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            if (i == 100) {
                all(commits).get(30, TimeUnit.SECONDS); // otherwise a newer schema could reject every write
            }
            commits.add(state.engine
                    .apply(ME, List.of(state.write("a", "k" + i, "" + i % 3)), "")
                    .toCompletableFuture()
                    .exceptionally(refused -> new Committed(0, 0, List.of())));
            if (i % 20 == 10) {
                commits.add(state.engine
                        .apply(ME, List.of(state.engine.schemas().set("default", "" + i / 20 % 3, -1)), "")
                        .toCompletableFuture());
            }
        }
        all(commits).get(30, TimeUnit.SECONDS);
        String schema = null;
        int checked = 0;
        for (Event event : state.replay(1)) {
            for (Change change : event.changes()) {
                if (change.key().namespace().equals(Schemas.NAMESPACE)) {
                    schema = change.json();
                } else if (schema != null) {
                    assertThat(change.json()).isEqualTo(schema);
                    checked++;
                }
            }
        }
        assertThat(checked).isPositive();
    }

    private static CompletableFuture<Void> all(List<CompletableFuture<Committed>> commits) {
        return CompletableFuture.allOf(commits.toArray(CompletableFuture[]::new));
    }

    @Test
    void removal_deletesTheKeysWithThePrefixInOneCommit() {
        state.apply(state.write("a", "x/1", "1"), state.write("a", "x/2", "2"), state.write("a", "y", "3"));
        state.apply(delete("a", "x/2"), state.write("a", "x/3", "4"), state.write("b", "x/1", "5"));

        Committed removed = state.remove("a", "x/", -1, "");

        assertThat(removed).isEqualTo(new Committed(3, removed.committedAtMicros(), List.of(2L, 2L)));
        assertThat(state.replay(3).get(0).changes())
                .containsExactly(new Change(key("a", "x/1"), 2, null), new Change(key("a", "x/3"), 2, null));
        assertThat(state.json("a", "y")).isEqualTo("3");
        assertThat(state.json("b", "x/1")).isEqualTo("5");
        assertThat(state.remove("a", "x/", -1, "")).isEqualTo(new Committed(0, 0, List.of()));
        assertThat(state.remove("a", "", -1, "").versions()).containsExactly(2L);
        assertThat(state.engine.reads().agents("default", "", null, 10).entries())
                .containsExactly("b");
        state.restart();
        assertThat(state.get("a", "x/1")).isInstanceOf(Found.Deleted.class);
        assertThat(state.apply(state.write("a", "x/1", "6")).versions()).containsExactly(3L);
    }

    @Test
    void removal_ifRevision_protectsLaterWrites() {
        state.apply(state.write("a", "k1", "1"));
        state.apply(state.write("a", "k2", "1"));
        state.apply(state.write("b", "k", "1"));

        assertThatThrownBy(() -> state.remove("a", "", 1, ""))
                .isInstanceOfSatisfying(
                        StateException.class,
                        e -> assertThat(e.details()).containsEntry("key", "k2").containsEntry("actual", "2"));
        assertThat(reasonOf(() -> state.remove("a", "k", 4, ""))).isEqualTo(Reason.INVALID);
        assertThat(reasonOf(() -> state.remove("a", "\n", -1, ""))).isEqualTo(Reason.INVALID);
        assertThat(state.engine.head().revision()).isEqualTo(3);
        assertThat(state.remove("a", "", 2, "").versions()).hasSize(2);
    }

    @Test
    void removal_sameRequestId_sameAnswerWithoutEffect() {
        state.apply(state.write("a", "k", "1"));
        Committed first = state.remove("a", "k", -1, "r1");
        state.apply(state.write("a", "k", "2"));

        assertThat(state.remove("a", "k", -1, "r1")).isEqualTo(first);
        assertThat(state.json("a", "k")).isEqualTo("2");
        assertThat(reasonOf(() -> state.remove("a", "", -1, "r1"))).isEqualTo(Reason.INVALID);
    }

    @Test
    void removal_isLimitedLikeATransaction() {
        restart(SMALL);
        for (int i = 0; i < 4; i++) {
            state.apply(state.write("a", "k" + i + "/" + "x".repeat(1_000), "1"));
            state.apply(state.write("a", "k" + i + "/" + "y".repeat(1_000), "1"));
        }
        for (int i = 0; i < 3_000; i += 5) {
            int from = i;
            state.apply(IntStream.range(from, from + 5)
                    .mapToObj(n -> state.write("b", "z".repeat(1_018) + "%06d".formatted(n), "1"))
                    .toArray(Operation[]::new));
        }
        assertThatThrownBy(() -> state.remove("b", "", -1, "")).hasMessageContaining("remove it in parts");
        assertThat(state.remove("a", "", -1, "").versions()).hasSize(8);
    }

    @Test
    void removal_concurrentWriters_leavesNoKeyThatExisted() throws Exception {
        List<CompletableFuture<Committed>> commits = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            commits.add(state.engine
                    .apply(ME, List.of(state.write("a", "k" + i % 40, "" + i)), "")
                    .toCompletableFuture());
            if (i % 50 == 25) {
                commits.add(state.engine
                        .remove(ME, "default", "a", "k", OptionalLong.empty(), "")
                        .toCompletableFuture());
            }
        }
        CompletableFuture.allOf(commits.toArray(CompletableFuture[]::new)).get(30, TimeUnit.SECONDS);
        Set<StateKey> present = new HashSet<>();
        int removals = 0;
        for (Event event : state.replay(1)) {
            for (Change change : event.changes()) {
                boolean was = change.json() == null ? present.remove(change.key()) : present.add(change.key());
                assertThat(was || change.json() != null).as("%s", change).isTrue();
            }
            if (event.changes().get(0).json() == null) {
                removals++;
                assertThat(present).isEmpty();
            }
        }
        assertThat(removals).isEqualTo(6);
    }

    @Test
    void secondEnd_isReported_alsoAfterAFailedCommit() {
        String committed = begin(state.write("a", "k", "1"));
        state.commit(committed, "");
        assertThatThrownBy(() -> state.commit(committed, "")).isInstanceOfSatisfying(StateException.class, e -> {
            assertThat(e.reason()).isEqualTo(Reason.TX_COMMITTED);
            assertThat(e.details()).containsEntry("revision", "1");
        });
        assertThat(reasonOf(() -> {
                    state.abort(committed);
                    return "aborted";
                }))
                .isEqualTo(Reason.TX_COMMITTED);

        String failed = begin(state.engine.write(key("a", "k"), "2", 9));
        assertThat(reasonOf(() -> state.commit(failed, ""))).isEqualTo(Reason.VERSION_CONFLICT);
        assertThat(reasonOf(() -> state.commit(failed, ""))).isEqualTo(Reason.TX_ABORTED);
    }

    @Test
    void expired_isReported_alsoAfterARestart_othersAreNotFound() {
        String expired = begin(state.write("a", "k", "1"));
        String open = state.engine.begin(ME, null).txId();
        state.pass(Duration.ofSeconds(30));
        assertThat(reasonOf(() -> state.commit(expired, ""))).isEqualTo(Reason.TX_EXPIRED);
        String later = state.engine.begin(ME, Duration.ofSeconds(20)).txId();

        state.restart();

        assertThat(reasonOf(() -> state.commit(expired, ""))).isEqualTo(Reason.TX_EXPIRED);
        assertThat(reasonOf(() -> state.commit(open, ""))).isEqualTo(Reason.TX_EXPIRED);
        assertThat(reasonOf(() -> state.commit(later, ""))).isEqualTo(Reason.TX_NOT_FOUND);
        assertThat(reasonOf(() -> state.commit("no such thing", ""))).isEqualTo(Reason.TX_NOT_FOUND);
        state.abort(later);
    }

    @Test
    void transactionOfAnotherCaller_isNotFound() {
        String mine = begin(state.write("a", "k", "1"));

        assertThat(reasonOf(() -> state.engine.commit("another", mine, ""))).isEqualTo(Reason.TX_NOT_FOUND);

        assertThat(state.commit(mine, "").revision()).isEqualTo(1);
    }

    @Test
    void sameRequest_forFifteenMinutes_getsTheFirstAnswer_alsoAfterARestart() {
        Committed first = state.apply("r", state.write("a", "k", "1"));
        state.restart();

        assertThat(state.apply("r", state.write("a", "k", "1"))).isEqualTo(first);
        assertThat(reasonOf(() -> state.apply("r", state.write("a", "k", "2")))).isEqualTo(Reason.INVALID);
        assertThat(state.engine
                        .apply("another", List.of(state.write("b", "k", "2")), "r")
                        .toCompletableFuture()
                        .join())
                .extracting(Committed::revision)
                .isEqualTo(2L);

        state.pass(Duration.ofMinutes(15));
        assertThat(state.apply("r", state.write("a", "k", "3")).revision()).isEqualTo(3);
    }

    @Test
    void sameRequest_clockJumps_isRememberedForElapsedTime() {
        Committed first = state.apply("r", state.write("a", "k", "1"));
        for (int days : List.of(20, -40, 20)) {
            state.setClock(Duration.ofDays(days));
            state.pass(Duration.ofMinutes(4));
            state.engine.lifetimes().forgetAnswers();
            assertThat(state.apply("r", state.write("a", "k", "1"))).isEqualTo(first);
        }

        state.setClock(Duration.ofDays(-20));
        state.pass(Duration.ofMinutes(3));

        assertThat(state.apply("r", state.write("a", "k", "2")).revision()).isEqualTo(2);
    }

    @Test
    void transaction_clockSetBack_expiresByElapsedTime() {
        String expired = begin(state.write("a", "k", "1"));
        state.setClock(Duration.ofDays(-20));
        state.pass(Duration.ofSeconds(30));
        state.engine.begin(ME, null);

        assertThat(reasonOf(() -> state.commit(expired, ""))).isEqualTo(Reason.TX_EXPIRED);
        assertThat(reasonOf(() -> state.commit(expired, ""))).isEqualTo(Reason.TX_EXPIRED);
    }

    @Test
    void openTransaction_clockSetAhead_stillCommits() {
        String open = begin(state.write("a", "k", "1"));
        state.setClock(Duration.ofDays(20));

        assertThat(state.commit(open, "").revision()).isEqualTo(1);
    }

    @Test
    void commitRepeatedWithItsRequestId_getsTheFirstAnswer_alsoAfterARestart() {
        String txId = begin(state.write("a", "k", "1"));
        Committed first = state.commit(txId, "r");

        assertThat(state.commit(txId, "r")).isEqualTo(first);
        state.restart();
        assertThat(state.commit(txId, "r")).isEqualTo(first);
        assertThat(reasonOf(() -> state.commit(begin(), "r"))).isEqualTo(Reason.INVALID);
    }

    /** Repeats a request that changed nothing, with a write in between; the repetition must change nothing either. */
    @Test
    void requestThatChangedNothing_getsTheFirstAnswer_alsoAfterARestart() {
        Committed first = state.apply("r", delete("a", "k"));
        String transaction = begin();
        Committed empty = state.commit(transaction, "e");
        state.apply(state.write("a", "k", "1"));

        assertThat(state.apply("r", delete("a", "k"))).isEqualTo(first);
        assertThat(state.commit(transaction, "e")).isEqualTo(empty);
        state.restart();
        assertThat(state.apply("r", delete("a", "k"))).isEqualTo(first);
        assertThat(state.json("a", "k")).isEqualTo("1");
        assertThat(empty.revision()).isZero();
        assertThat(state.engine.head().revision()).isEqualTo(1);
    }

    @Test
    void transactionSize_isMeasuredInUtf8() {
        String value = '"' + "\u6c34".repeat(300_000) + '"'; // 900,000 bytes
        assertThat(reasonOf(() -> state.apply(IntStream.range(0, 4)
                        .mapToObj(i -> state.write("a", "k" + i, value))
                        .toArray(Operation[]::new))))
                .isEqualTo(Reason.TX_TOO_LARGE);
        assertThat(state.engine.head().revision()).isZero();
    }

    /** Checks that reads and replays return random values unchanged except for white space. */
    @Test
    void values_areReturnedUnchanged() {
        Random random = new Random(7);
        for (int part = 0; part < 10; part++) {
            List<String> texts = IntStream.range(0, 1_000)
                    .mapToObj(i -> RandomValues.text(random))
                    .toList();
            List<StateKey> keys = IntStream.range(0, texts.size())
                    .mapToObj(i -> key("a", "k" + i))
                    .toList();
            Committed committed = state.apply(IntStream.range(0, texts.size())
                    .mapToObj(i -> state.write("a", "k" + i, texts.get(i)))
                    .toArray(Operation[]::new));
            List<String> kept =
                    texts.stream().map(text -> ValueText.compact(text, 1 << 20)).toList();

            List<String> read = new ArrayList<>();
            for (int from = 0; from < keys.size(); from += 100) {
                state.engine.reads().get(keys.subList(from, from + 100), new At.Now()).found().stream()
                        .map(found -> ((Found.Present) found).version().json())
                        .forEach(read::add);
            }
            assertThat(read).isEqualTo(kept);
            assertThat(state.replay(committed.revision()).get(0).changes())
                    .extracting(Event.Change::json)
                    .isEqualTo(kept);
        }
    }

    @Test
    void commitThatCannotBeApplied_endsItsTransaction() {
        String txId = begin(state.write("a", "k", "1"));
        assertThat(reasonOf(() -> state.commit(txId, "r".repeat(65)))).isEqualTo(Reason.INVALID);
        assertThat(reasonOf(() -> state.commit(txId, ""))).isEqualTo(Reason.TX_ABORTED);
    }

    @Test
    void get_atTimesAndRevisions_returnsThatVersion() {
        state.apply(state.write("a", "k", "1"));
        state.pass(Duration.ofSeconds(10));
        var between = state.now();
        state.pass(Duration.ofSeconds(10));
        state.apply(delete("a", "k"));

        assertThat(((Found.Present) state.get("a", "k", new At.Time(between)))
                        .version()
                        .json())
                .isEqualTo("1");
        assertThat(state.get("a", "k", new At.Revision(0))).isInstanceOf(Found.Absent.class);
        assertThat(state.get("a", "k", new At.Revision(2))).isInstanceOf(Found.Deleted.class);
        assertThat(reasonOf(() -> state.get("a", "k", new At.Revision(3)))).isEqualTo(Reason.HISTORY_CHANGED);
    }

    @Test
    void lists_areOrderedByBytesAndPagedWithoutDeleted() {
        List<String> inOrder = List.of("a", "a/b", "ab", "\uFF5E", "\uD83D\uDE00");
        for (String name : List.of("\uD83D\uDE00", "ab", "\uFF5E", "a/b", "gone", "a")) {
            state.apply(state.write("agent-" + name, name, "1"), state.write("agent", name, "1"));
        }
        state.apply(delete("agent", "gone"), delete("agent-gone", "gone"));

        List<String> keys = new ArrayList<>();
        List<String> agents = new ArrayList<>();
        for (String after = ""; after != null; ) {
            var page =
                    state.engine.reads().keys("default", "agent", "", after.isEmpty() ? null : after, new At.Now(), 2);
            page.entries().stream().map(KeyAt::name).forEach(keys::add);
            after = page.next();
        }
        for (String after = ""; after != null; ) {
            var page = state.engine.reads().agents("default", "agent-", after.isEmpty() ? null : after, 2);
            agents.addAll(page.entries());
            after = page.next();
        }

        assertThat(keys).isEqualTo(inOrder);
        assertThat(agents)
                .isEqualTo(inOrder.stream().map(name -> "agent-" + name).toList());
        assertThat(state.engine
                        .reads()
                        .keys("default", "agent", "a", null, new At.Now(), 10)
                        .entries())
                .extracting(KeyAt::name)
                .containsExactly("a", "a/b", "ab");
        assertThat(state.engine
                        .reads()
                        .keys("default", "agent", "", null, new At.Revision(5), 10)
                        .entries())
                .extracting(KeyAt::name)
                .contains("gone");
        assertThat(state.engine.reads().namespaces("", null, 10).entries()).containsExactly("default");
    }

    /** The keys after the page do not exist at the revision that is read. */
    @Test
    void keys_restFitsIntoThePage_isTheLastPage() {
        state.apply(state.write("agent", "a", "1"), state.write("agent", "b", "1"));
        state.apply(state.write("agent", "c", "1"), state.write("agent", "d", "1"));
        state.apply(delete("agent", "c"), delete("agent", "d"));

        for (At at : List.of(new At.Revision(1), new At.Now())) {
            assertThat(keys("agent", null, at, 2).next()).isNull();
            assertThat(keys("agent", null, at, 1).next()).isEqualTo("a");
            assertThat(keys("agent", "a", at, 1).next()).isNull();
        }
        assertThat(keys("agent", null, new At.Revision(2), 2).next()).isEqualTo("b");
        assertThat(keys("agent", null, new At.Revision(2), 4).next()).isNull();
        assertThat(keys("agent", null, new At.Revision(0), 2)).isEqualTo(new Storage.Page<>(List.of(), null));
    }

    private Storage.Page<KeyAt> keys(String agentId, String after, At at, int limit) {
        return state.engine.reads().keys("default", agentId, "", after, at, limit);
    }

    /** Deletes more keys than a list examines at a time; the list must continue after them. */
    @Test
    void lists_continueAfterManyDeleted() {
        for (int from = 0; from < 12_000; from += 4_000) {
            List<String> names = IntStream.range(from, from + 4_000)
                    .mapToObj(i -> String.format("k%05d", i))
                    .toList();
            state.apply(names.stream().map(name -> state.write("a", name, "1")).toArray(Operation[]::new));
            state.apply(names.stream()
                    .filter(name ->
                            !Set.of("k00007", "k09999", "k10000", "k11999").contains(name))
                    .map(name -> delete("a", name))
                    .toArray(Operation[]::new));
        }
        state.apply(state.write("b", "k", "1"));

        List<String> keys = new ArrayList<>();
        for (String after = ""; after != null; ) {
            var page = state.engine.reads().keys("default", "a", "", after.isEmpty() ? null : after, new At.Now(), 3);
            page.entries().stream().map(KeyAt::name).forEach(keys::add);
            after = page.next();
        }

        assertThat(keys).containsExactly("k00007", "k09999", "k10000", "k11999");
        assertThat(state.engine.reads().agents("default", "", null, 10).entries())
                .containsExactly("a", "b");
    }

    /** Large commits of others that also change the agent do not slow down its replay. */
    @Test
    void replay_ofOneAgentInLargeCommits_readsOnlyItsChanges() {
        AtomicLong read = new AtomicLong();
        try (EngineHarness counted = new EngineHarness(() -> counting(emptyStorage(), read))) {
            for (int i = 1; i <= 30; i++) {
                Operation[] operations = new Operation[300];
                for (int k = 0; k < operations.length; k++) {
                    operations[k] = counted.write("other", "k" + k, "" + i);
                }
                if (i % 3 == 0) {
                    operations[0] = counted.write("mine", "a", "" + i);
                    operations[150] = delete("mine", "b");
                    operations[299] = counted.write("mine", "b", "" + i);
                }
                counted.apply(operations);
            }
            read.set(0);
            EventReader reader = counted.engine
                    .history()
                    .reader(
                            counted.engine.head().historyId(),
                            "default",
                            "mine",
                            key -> key.agentId().equals("mine"));
            List<Event> mine = new ArrayList<>();
            for (long from = 1; from <= 30; ) {
                Events page = reader.read(from, Long.MAX_VALUE, 100);
                mine.addAll(page.events());
                from = page.next();
            }

            assertThat(mine).extracting(Event::revision).containsExactly(3L, 6L, 9L, 12L, 15L, 18L, 21L, 24L, 27L, 30L);
            assertThat(read.get()).as("changes read").isLessThan(60);

            read.set(0);
            counted.apply(IntStream.range(0, 2_000)
                    .mapToObj(k -> counted.write("other", "k" + k, "31"))
                    .toArray(Operation[]::new));
            Events followed = reader.read(31, Long.MAX_VALUE, StateEngine.MAX_PAGE_BYTES);
            assertThat(followed.events()).isEmpty();
            assertThat(followed.next()).isEqualTo(32);
            assertThat(followed.lastAtMicros()).isEqualTo(counted.engine.head().committedAtMicros());
            assertThat(read.get()).as("changes read by a follower").isZero();
        }
    }

    /** Returns the storage with a wrapper that counts the changes in the events that are read. */
    private static Storage counting(Storage storage, AtomicLong read) {
        return CallInterceptor.wrap(Storage.class, (method, arguments) -> {
            if (!method.getName().equals("read")) {
                return method.invoke(storage, arguments);
            }
            @SuppressWarnings("unchecked")
            Function<Reads, Object> reading = (Function<Reads, Object>) arguments[0];
            return storage.<Object>read(reads -> reading.apply(CallInterceptor.wrap(Reads.class, (of, given) -> {
                Object found = of.invoke(reads, given);
                if (of.getName().equals("events")) {
                    ((List<?>) found)
                            .forEach(event ->
                                    read.addAndGet(((Event) event).changes().size()));
                }
                return found;
            })));
        });
    }

    @Test
    void replay_filtered_returnsMatchesAndTheNumberOfAllOperations() {
        state.apply(state.write("a", "k", "1"), state.write("b", "k", "1"));
        state.apply(state.write("b", "k", "2"));
        state.apply(state.write("a", "k", "3"));

        var events = state.events(1, "", key -> key.agentId().equals("a"));

        assertThat(events.next()).isEqualTo(4);
        assertThat(events.events()).extracting(Event::revision).containsExactly(1L, 3L);
        assertThat(events.events().get(0).operationsTotal()).isEqualTo(2);
        assertThat(events.events().get(0).changes()).hasSize(1);
    }

    @Test
    void watcher_historyBeyondItsRevision_isNotifiedOnce() throws InterruptedException {
        CountDownLatch reported = new CountDownLatch(2);
        Runnable unused = state.engine.history().whenBeyond(historyId(), 1, reported::countDown);
        state.engine
                .history()
                .whenBeyond(historyId(), 1, () -> reported.countDown())
                .run();

        state.apply(state.write("a", "k", "1"));
        assertThat(reported.getCount()).isEqualTo(2);
        state.apply(state.write("a", "k", "2"));

        assertThat(state.engine.history().watches()).isZero();
        assertThat(reported.getCount()).isEqualTo(1);
        state.engine.history().whenBeyond(historyId(), 1, reported::countDown);
        assertThat(reported.await(10, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void watcherThatFails_stopsNoCommit() {
        Runnable unused = state.engine.history().whenBeyond(historyId(), 0, () -> {
            throw new IllegalStateException("a watcher that fails");
        });

        assertThat(state.apply(state.write("a", "k", "1")).revision()).isEqualTo(1);
        assertThat(state.apply(state.write("a", "k", "2")).revision()).isEqualTo(2);
    }

    @Test
    void resume_otherHistoryOrMissingRevision_isRefused() {
        state.apply(state.write("a", "k", "1"));
        String historyId = state.engine.head().historyId();

        assertThat(resume(new Token(historyId, 1), "")).isEqualTo(1);
        assertThat(reasonOf(() -> resume(new Token(historyId, 2), ""))).isEqualTo(Reason.HISTORY_CHANGED);
        assertThat(reasonOf(() -> resume(new Token("other", 1), ""))).isEqualTo(Reason.HISTORY_CHANGED);
    }

    @Test
    void resume_otherCommitWithTheSameRevision_isRefused() {
        long first = state.apply(state.write("a", "k", "1")).committedAtMicros();
        long second = state.apply(state.write("a", "k", "2")).committedAtMicros();

        assertThat(resume(new Token(historyId(), 1, first), "")).isEqualTo(1);
        assertThat(reasonOf(() -> resume(new Token(historyId(), 1, first - 1), "")))
                .isEqualTo(Reason.HISTORY_CHANGED);

        state.engine.history().compact(new At.Now());

        assertThat(resume(new Token(historyId(), 2, second), "")).isEqualTo(2);
        assertThat(reasonOf(() -> resume(new Token(historyId(), 2, second - 1), "")))
                .isEqualTo(Reason.HISTORY_CHANGED);
    }

    @Test
    void resume_nothingOfTheAgentCompacted_continuesAfterTheFloor() {
        state.apply(
                state.write("quiet", "k", "1"), state.write("deleting", "k", "1"), state.write("writing", "k", "1"));
        state.apply(delete("deleting", "k"));
        state.apply(state.write("writing", "k", "2"));
        state.apply(state.write("writing", "k", "3"));
        state.apply(state.write("quiet", "k", "2"));
        state.engine.history().compact(new At.Revision(5));
        state.restart();

        assertThat(resume(token(1), "quiet")).isEqualTo(4);
        assertThat(resume(token(2), "deleting")).isEqualTo(4);
        assertThat(reasonOf(() -> resume(token(1), "deleting"))).isEqualTo(Reason.COMPACTED);
        assertThat(reasonOf(() -> resume(token(3), "writing"))).isEqualTo(Reason.COMPACTED);
        assertThat(reasonOf(() -> resume(token(3), ""))).isEqualTo(Reason.COMPACTED);
        assertThat(resume(token(4), "")).isEqualTo(4);
        assertThat(state.engine
                        .history()
                        .resume(token(2), "default", "", key -> !key.agentId().equals("writing")))
                .isEqualTo(4);
        assertThat(reasonOf(() -> state.engine
                        .history()
                        .resume(token(1), "", "", key -> key.agentId().equals("deleting"))))
                .isEqualTo(Reason.COMPACTED);
    }

    @Test
    void resume_nothingOfTheAgentTrimmed_continuesAfterTheTrimmed() {
        StateKey quiet = new StateKey("flk.x", "quiet", "k");
        StateKey busy = new StateKey("flk.x", "busy", "k");
        state.apply(state.engine.write(quiet, "1", -1));
        state.apply(state.engine.write(busy, "1", -1));
        state.apply(state.engine.write(busy, "2", -1));
        state.engine.history().trim("flk.x", new At.Revision(2));
        state.restart();

        assertThat(state.engine.history().resume(token(1), "flk.x", "quiet", key -> true))
                .isEqualTo(2);
        assertThat(state.engine.history().resume(token(2), "flk.x", "busy", key -> true))
                .isEqualTo(2);
        assertThat(reasonOf(() -> state.engine.history().resume(token(1), "flk.x", "busy", key -> true)))
                .isEqualTo(Reason.COMPACTED);
        assertThat(reasonOf(() -> state.engine.history().resume(token(1), "flk.x", "", key -> true)))
                .isEqualTo(Reason.COMPACTED);
    }

    private Token token(long revision) {
        return new Token(historyId(), revision);
    }

    /** @param agentId the agent; empty for all agents in all namespaces */
    private long resume(Token token, String agentId) {
        return state.engine
                .history()
                .resume(token, agentId.isEmpty() ? "" : StateKey.DEFAULT_NAMESPACE, agentId, key -> true);
    }

    @Test
    void compacted_isRefusedWithTheFloor_andCurrentValuesStay() {
        state.apply(state.write("a", "k", "1"), state.write("a", "gone", "1"));
        state.apply(state.write("a", "k", "2"), delete("a", "gone"));
        state.apply(state.write("b", "k", "1"));
        state.engine.history().compact(new At.Revision(3));
        state.restart();

        assertThat(state.json("a", "k")).isEqualTo("2");
        assertThat(state.get("a", "k", new At.Revision(2))).isInstanceOf(Found.Present.class);
        assertThat(state.engine.reads().get(key("a", "k"), 1).found()).containsExactly(new Found.Compacted());
        assertThat(state.get("a", "gone")).isInstanceOf(Found.Absent.class);
        assertThat(state.replay(3)).extracting(Event::revision).containsExactly(3L);
        assertThatThrownBy(() -> state.replay(2)).isInstanceOfSatisfying(StateException.class, e -> {
            assertThat(e.reason()).isEqualTo(Reason.COMPACTED);
            assertThat(e.details()).containsEntry("oldest_revision", "3");
        });
        assertThat(reasonOf(() -> state.get("a", "k", new At.Revision(1)))).isEqualTo(Reason.COMPACTED);
        assertThat(state.apply(state.write("a", "gone", "\"new\"")).versions()).containsExactly(1L);
    }

    @Test
    void compacted_beforeARevisionOrATime_keepsThatRevision() {
        for (int i = 1; i <= 5; i++) {
            state.apply(state.write("a", "k", "" + i));
            state.pass(Duration.ofSeconds(1));
        }
        var third = StateEngine.time(state.replay(3).get(0).committedAtMicros());

        state.engine.history().compact(new At.Revision(0));
        assertThat(state.engine.history().oldest("")).isEqualTo(1);
        state.engine.history().compact(new At.Revision(2));
        assertThat(state.replay(2)).hasSize(4);
        assertThat(state.engine.history().oldest("")).isEqualTo(2);
        state.engine.history().compact(new At.Time(third));
        assertThat(state.engine.history().oldest("")).isEqualTo(3);
        state.engine.history().compact(new At.Revision(6));
        assertThat(state.engine.history().oldest("")).isEqualTo(6);
        assertThat(state.json("a", "k")).isEqualTo("5");
    }

    @Test
    void times_fromYear1To9999_areValid_andBeforeTheFirstCommitNothingExists() {
        state.apply(state.write("a", "k", "1"));
        List<Instant> before = Stream.of(
                        "0001-01-01T00:00:00Z", "1600-02-29T12:00:00.000001Z", "1969-12-31T23:59:59.999999Z")
                .map(Instant::parse)
                .toList();
        Instant last = Instant.parse("9999-12-31T23:59:59.999999Z");

        for (Instant time : before) {
            assertThat(StateEngine.time(StateEngine.micros(time))).isEqualTo(time);
            assertThat(state.get("a", "k", new At.Time(time))).isInstanceOf(Found.Absent.class);
            assertThat(state.engine.history().firstAt(new At.Time(time))).isEqualTo(1);
        }
        assertThat(StateEngine.time(StateEngine.micros(last))).isEqualTo(last);
        assertThat(state.get("a", "k", new At.Time(last))).isInstanceOf(Found.Present.class);
        assertThat(state.engine.history().firstAt(new At.Time(last))).isEqualTo(2);

        state.engine.history().compact(new At.Now());
        assertThat(reasonOf(() -> state.get("a", "k", new At.Time(before.get(0)))))
                .isEqualTo(Reason.COMPACTED);
    }

    @Test
    void keysWithManyVersions_compacted_keepTheVersionAtTheFloorAndLaterOnes() {
        for (String name : List.of("deleted", "k", "later")) {
            state.apply(IntStream.rangeClosed(1, 2_500)
                    .mapToObj(i -> state.write("a", name, "" + i))
                    .toArray(Operation[]::new));
        }
        state.apply(delete("a", "deleted"));
        state.apply(state.write("a", "k", "\"behind\""));
        state.engine.history().compact(new At.Revision(5));
        state.restart();

        assertThat(state.engine.reads().history(key("a", "k"), Long.MAX_VALUE, 10))
                .extracting(Version::version)
                .containsExactly(2_501L, 2_500L);
        assertThat(state.engine.reads().history(key("a", "later"), Long.MAX_VALUE, 10))
                .extracting(Version::version)
                .containsExactly(2_500L);
        assertThat(state.engine.reads().history(key("a", "deleted"), Long.MAX_VALUE, 10))
                .isEmpty();
        assertThat(state.replay(5)).hasSize(1);
    }

    @Test
    void trimmedNamespace_earlierRevisionsAreRefused_andOtherNamespacesStay() {
        StateKey existing = new StateKey("flk.x", "a", "k");
        state.apply(state.engine.write(existing, "1", -1), state.write("a", "k", "1"));
        state.apply(state.engine.write(existing, "2", -1));
        state.apply(state.engine.write(existing, "3", -1), state.write("a", "k", "2"));
        state.engine.history().trim("flk.x", new At.Revision(2));
        state.restart();

        assertThat(state.engine.reads().get(List.of(existing), new At.Now()).found())
                .first()
                .isInstanceOf(Found.Present.class);
        assertThat(state.engine.reads().get(existing, 1).found()).containsExactly(new Found.Compacted());
        assertThat(state.get("a", "k", new At.Revision(1))).isInstanceOf(Found.Present.class);
        assertThat(reasonOf(() -> state.engine.reads().get(List.of(existing), new At.Revision(1))))
                .isEqualTo(Reason.COMPACTED);
        assertThat(reasonOf(() -> state.events(2, "flk.x", key -> true))).isEqualTo(Reason.COMPACTED);
        assertThat(state.engine.history().oldest("flk.x")).isEqualTo(3);
        assertThat(state.replay(1))
                .extracting(Event::revision, event -> event.changes().size(), Event::operationsTotal)
                .containsExactly(tuple(1L, 1, 2), tuple(3L, 2, 2));

        state.engine.history().trim("flk.x", new At.Revision(3));
        state.restart();

        assertThat(state.engine.reads().get(List.of(existing), new At.Now()).found())
                .containsExactly(new Found.Absent());
        assertThat(state.engine.reads().namespaces("", null, 10).entries()).containsExactly("default");
        assertThat(state.apply(state.engine.write(existing, "3", -1)).versions())
                .containsExactly(1L);
    }

    @Test
    void trimDuringCommits_removesNoCurrentValue() throws Exception {
        Thread removing = new Thread(() -> {
            while (!Thread.currentThread().isInterrupted()
                    && state.engine.head().revision() < 200) {
                state.engine.history().compact(new At.Now());
                state.engine
                        .history()
                        .trim(
                                "flk.x",
                                new At.Revision(Math.max(0, state.engine.head().revision() - 1)));
            }
        });
        AtomicReference<Throwable> failure = new AtomicReference<>();
        removing.setUncaughtExceptionHandler((thread, e) -> failure.set(e));
        StateKey trimmed = new StateKey("flk.x", "a", "k");
        CompletableFuture<Void> reading = CompletableFuture.runAsync(() -> {
            while (removing.getState() != Thread.State.TERMINATED) {
                try {
                    readNow(trimmed);
                    var unused = state.engine.reads().get(trimmed, 1);
                    var unusedToo = state.engine.reads().history(key("a", "k"), Long.MAX_VALUE, 10);
                    long revision = state.engine.history().revision(new At.Time(state.now()));
                    var unusedEvents = state.events(revision, "", key -> true);
                    var unusedOfAgent = state.eventsOfAgent(trimmed);
                } catch (StateException e) {
                    assertThat(e.reason()).isIn(Reason.COMPACTED, Reason.INVALID);
                }
            }
        });
        removing.start();
        for (int i = 0; i < 100; i++) {
            state.apply(state.write("a", "k", "" + i), state.engine.write(trimmed, "" + i, -1));
            assertThat(state.json("a", "k")).isEqualTo("" + i);
            assertThat(state.engine.reads().get(List.of(trimmed), new At.Now()).found())
                    .first()
                    .isInstanceOf(Found.Present.class);
            state.apply(delete("a", "k"));
        }
        removing.join();
        reading.join();
        assertThat(failure).hasNullValue();
        assertThat(state.engine.problem()).isEmpty();
    }

    private void readNow(StateKey trimmed) {
        try {
            var unused = state.engine.reads().get(List.of(key("a", "k"), trimmed), new At.Now());
            var unusedToo = state.engine.reads().keys("default", "a", "", null, new At.Now(), 10);
        } catch (StateException e) {
            throw new AssertionError("a read of now is refused", e);
        }
    }

    private Operation.Write write(String name, String json, Duration ttl) {
        return state.engine.write(key("a", name), json, Operation.ANY_VERSION, ttl.toMillis() * 1_000);
    }

    private static Operation.Touch touch(String name, Duration ttl) {
        return new Operation.Touch(key("a", name), Operation.ANY_VERSION, ttl.toMillis() * 1_000);
    }

    @Test
    void lifetime_expired_deletesOnlyThatKeyInAnEvent() {
        state.apply(write("b", "1", Duration.ofSeconds(20)), write("c", "1", Duration.ofSeconds(10)));
        state.apply(write("longer", "1", Duration.ofSeconds(21)), state.write("a", "ever", "1"));
        state.pass(Duration.ofSeconds(20).minusNanos(1_000));
        state.expire();
        assertThat(state.get("a", "c")).isInstanceOf(Found.Deleted.class);
        assertThat(state.get("a", "b")).isInstanceOf(Found.Present.class);
        state.pass(Duration.ofNanos(1_000));

        state.expire();

        assertThat(state.get("a", "b")).isInstanceOf(Found.Deleted.class);
        assertThat(state.get("a", "longer")).isInstanceOf(Found.Present.class);
        assertThat(state.get("a", "ever")).isInstanceOf(Found.Present.class);
        assertThat(state.get("a", "b", new At.Revision(3))).isInstanceOf(Found.Present.class);
        assertThat(state.replay(1))
                .extracting(Event::changes)
                .startsWith(List.of(
                        new Change(key("a", "b"), 1, "1", 20_000_000), new Change(key("a", "c"), 1, "1", 10_000_000)))
                .endsWith(List.of(new Change(key("a", "c"), 2, null)), List.of(new Change(key("a", "b"), 2, null)));
        assertThat(state.apply(state.write("a", "b", "3")).versions()).containsExactly(3L);
    }

    @Test
    void lifetime_touched_restartsWithoutARevision_alsoAfterARestart() {
        state.apply(write("k", "1", Duration.ofSeconds(10)));
        state.pass(Duration.ofSeconds(9));
        assertThat(state.apply(touch("k", Duration.ofSeconds(30)))).isEqualTo(new Committed(0, 0, List.of(1L)));
        state.restart();
        assertThat(state.engine.reads().expiries(List.of(key("a", "k"), key("a", "absent"))))
                .containsOnlyKeys(key("a", "k"));
        state.pass(Duration.ofSeconds(29));
        state.expire();
        assertThat(state.get("a", "k")).isInstanceOf(Found.Present.class);
        state.pass(Duration.ofSeconds(1));
        state.expire();
        assertThat(state.get("a", "k")).isInstanceOf(Found.Deleted.class);

        assertThat(reasonOf(() -> state.apply(touch("k", Duration.ofSeconds(1)))))
                .isEqualTo(Reason.VERSION_CONFLICT);
        assertThat(reasonOf(() -> state.apply(touch("absent", Duration.ofSeconds(1)))))
                .isEqualTo(Reason.VERSION_CONFLICT);
        state.apply(state.write("a", "ever", "1"));
        assertThat(reasonOf(() -> state.apply(touch("ever", Duration.ofSeconds(1)))))
                .isEqualTo(Reason.INVALID);
    }

    @Test
    void lifetime_ofMoreKeysThanAPage_expiresCompletely() {
        for (int from = 0; from < 2_500; from += 500) {
            state.apply(IntStream.range(from, from + 500)
                    .mapToObj(i -> write("k" + i, "1", Duration.ofSeconds(1)))
                    .toArray(Operation[]::new));
        }
        state.pass(Duration.ofSeconds(1));
        state.expire();

        assertThat(state.engine
                        .reads()
                        .keys("default", "a", "", null, new At.Now(), 10)
                        .entries())
                .isEmpty();
        assertThat(state.engine.head().revision()).isEqualTo(5 + 3);
    }

    @Test
    void values_ofAgentsWithAPrefix_areTheNewestInOrder() {
        for (String agentId : List.of("b", "a/1", "a", "a\uFF5E", "c")) {
            state.apply(state.write(agentId, "k2", "1"), state.write(agentId, "k1", "1"));
        }
        state.apply(state.write("a", "k1", "2"), delete("a/1", "k1"));
        state.engine.history().compact(new At.Revision(6));
        List<Document> all = new ArrayList<>();
        StateKey last = null;
        for (List<Document> page = values("a", last); !page.isEmpty(); page = values("a", last)) {
            all.addAll(page);
            last = page.get(page.size() - 1).key();
        }

        assertThat(all)
                .extracting(Document::key)
                .containsExactly(
                        key("a", "k1"), key("a", "k2"), key("a/1", "k2"), key("a\uFF5E", "k1"), key("a\uFF5E", "k2"));
        assertThat(all.get(0).version().json()).isEqualTo("2");
        assertThat(state.engine.reads().values("default", "", null)).hasSize(9);
        assertThat(state.engine.reads().values("other", "", null)).isEmpty();
    }

    private List<Document> values(String agentPrefix, StateKey after) {
        return state.engine.reading(reads -> reads.values("default", agentPrefix, after, 2, 1_000));
    }

    @Test
    void lifetime_tooShortOrTooLong_isRefused() {
        for (long millis : List.of(-1L, 1L, 999L, Operation.MAX_TTL.toMillis() + 1)) {
            assertThat(reasonOf(() -> write("k", "1", Duration.ofMillis(millis))))
                    .isEqualTo(Reason.INVALID);
            assertThat(reasonOf(() -> touch("k", Duration.ofMillis(millis)))).isEqualTo(Reason.INVALID);
        }
    }

    @Test
    void lifetime_ofARestoredKey_startsAtTheRestore() {
        state.apply(write("k", "1", Duration.ofSeconds(10)), write("ever", "1", Duration.ofSeconds(10)));
        state.apply(state.write("a", "ever", "2"));
        List<Event> events = state.replay(1);
        state.pass(Duration.ofDays(1));
        long now = StateEngine.micros(state.now());
        try (Storage empty = emptyStorage()) {
            empty.open();
            empty.restore(0, 0, events.iterator(), now);

            assertThat(empty.<List<StateKey>>read(reads -> reads.expired(now + 9_999_999, 10)))
                    .isEmpty();
            setServerClock(StateEngine.time(now + 10_000_000));
            assertThat(empty.<List<StateKey>>read(reads -> reads.expired(now + 10_000_000, 10)))
                    .containsExactly(key("a", "k"));
        }
    }

    @Test
    void restored_isEqualUnderANewHistory() {
        for (int i = 0; i < 5; i++) {
            state.apply(state.write("a", "k" + i % 2, "" + i), state.write("b", "k" + i, "" + i));
        }
        List<Event> events = new ArrayList<>();
        long floorAtMicros = state.replay(2).get(0).committedAtMicros();
        List<Event> behind = state.replay(3);
        state.engine.history().compact(new At.Revision(3));
        StateKey last = null;
        for (List<Document> page = existing(last); !page.isEmpty(); page = existing(last)) {
            Version version = page.get(0).version();
            last = page.get(0).key();
            events.add(new Event(
                    version.revision(),
                    version.committedAtMicros(),
                    List.of(new Change(last, version.version(), version.json()))));
        }
        assertThat(events).hasSize(4);
        events.addAll(behind);
        List<Found> before = all(3);
        String historyId = state.engine.head().historyId();
        state.close();
        try (Storage empty = emptyStorage()) {
            empty.open();
            empty.restore(2, floorAtMicros, events.iterator(), 0);
        }
        state = new EngineHarness(this::emptyStorage);

        assertThat(state.engine.head().historyId()).isNotEqualTo(historyId);
        assertThat(state.replay(3)).isEqualTo(events.subList(4, 7));
        assertThat(all(3)).isEqualTo(before);
        assertThat(state.get("a", "k1", new At.Revision(2))).isInstanceOf(Found.Present.class);
        assertThat(reasonOf(() -> state.replay(2))).isEqualTo(Reason.COMPACTED);
        assertThat(state.apply(state.write("b", "k0", "9")))
                .extracting(Committed::revision, Committed::versions)
                .containsExactly(6L, List.of(2L));
    }

    private List<Document> existing(StateKey after) {
        List<Document> page = state.engine.history().existing(state.engine.head(), "", "", after);
        return page.isEmpty() ? page : page.subList(0, 1);
    }

    private List<Found> all(long revision) {
        return Stream.of(key("a", "k0"), key("a", "k1"), key("b", "k1"), key("b", "k4"))
                .map(key -> state.engine
                        .reads()
                        .get(List.of(key), new At.Revision(revision))
                        .found()
                        .get(0))
                .toList();
    }

    @Test
    void limits_areReportedSeparately() {
        restart(SMALL);
        assertThat(reasonOf(() -> state.write("a", "k", "\"" + "x".repeat(999) + "\"")))
                .isEqualTo(Reason.VALUE_TOO_LARGE);
        Operation[] many = IntStream.rangeClosed(0, 10_000)
                .mapToObj(i -> delete("a", "k" + i))
                .toArray(Operation[]::new);
        assertThat(reasonOf(() -> state.apply(many))).isEqualTo(Reason.TX_TOO_LARGE);
        Begun first = state.engine.begin(ME, null);
        state.engine.begin(ME, null);
        assertThat(reasonOf(() -> state.engine.begin(ME, null))).isEqualTo(Reason.TOO_MANY_TX);
        state.engine.begin("another", null); // a caller takes at most half of the places, rounded up
        assertThat(reasonOf(() -> state.engine.begin("a third", null))).isEqualTo(Reason.TOO_MANY_TX);
        String longText = "\"" + "x".repeat(900) + "\"";
        assertThat(reasonOf(() -> {
                    for (int i = 0; i < 10; i++) {
                        state.engine.stage(ME, first.txId(), state.write("a", "k", longText));
                    }
                    return "staged";
                }))
                .isEqualTo(Reason.TOO_MANY_TX);
        state.freeBytes = 50;
        assertThat(reasonOf(() -> state.apply(state.write("a", "k", "1")))).isEqualTo(Reason.DISK_FULL);
        assertThat(state.get("a", "k")).isInstanceOf(Found.Absent.class);
    }

    @Test
    void diskFull_repeatedRequest_isAnsweredAsBefore() {
        Committed written = state.apply("r", state.write("a", "k", "1"));
        state.freeBytes = 0;

        assertThat(state.apply("r", state.write("a", "k", "1"))).isEqualTo(written);
        assertThat(reasonOf(() -> state.apply("another", state.write("a", "k", "1"))))
                .isEqualTo(Reason.DISK_FULL);
    }

    private String historyId() {
        return state.engine.head().historyId();
    }

    private String begin(Operation... operations) {
        String txId = state.engine.begin(ME, null).txId();
        for (Operation operation : operations) {
            state.engine.stage(ME, txId, operation);
        }
        return txId;
    }
}
