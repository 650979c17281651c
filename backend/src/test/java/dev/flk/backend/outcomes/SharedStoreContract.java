// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.certificate.ContentDigest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/**
 * The additional contract of stores that several backends share, each with its own log and position, and that may lose
 * data without notice.
 */
abstract class SharedStoreContract extends DedupStoreContract {

    /** Opens the store for the backend with this log. The caller closes it. */
    abstract DedupStore openFor(String logId);

    /** The id of the log for which {@link #open} opens the store. */
    static final String LOG_ID = "00112233445566778899aabbccddeeff";

    static final String OTHER_LOG_ID = "ffeeddccbbaa99887766554433221100";

    @Override
    final DedupStore open() {
        return openFor(LOG_ID);
    }

    /** Makes the store lose all data, including the positions, without breaking its connections. */
    abstract void loseEverything();

    /** Copies all data, and returns an action that restores the copy without breaking the connections. */
    abstract Runnable snapshot();

    /**
     * Returns an action that fails over to a standby, which lacks all that was written since this call, and back to the
     * same process. Without a standby, the action restores a copy.
     */
    Runnable failoverAndBack() {
        return snapshot();
    }

    private static OptionalLong connect(DedupStore store) {
        return store.connect().toCompletableFuture().join();
    }

    private static List<StoredOutcome> put(DedupStore store, long completeUpTo, StoredOutcome... decisions) {
        return store.putIfAbsent(List.of(decisions), completeUpTo)
                .toCompletableFuture()
                .join();
    }

    private void assertPutIsRefusedAndWritesNothing() {
        assertThatThrownBy(() -> put(99, recorded(77, "refused")))
                .hasCauseInstanceOf(StoreUnavailableException.class)
                .hasMessageContaining("position");
        connect();
        assertThat(get(id(77))).containsExactly(Optional.empty());
    }

    @Test
    void reopened_remembersItsOwnPosition() {
        put(41, recorded(1, "first"));
        store.close();
        store = open();
        assertThat(connect()).hasValue(41);
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "first")));
        assertThat(put(42, recorded(1, "second"))).containsExactly(recorded(1, "first"));
        assertThat(connect()).hasValue(42);
    }

    @Test
    void position_canGoBack() {
        put(50);
        put(7);
        assertThat(connect()).hasValue(7);
    }

    @Test
    void twoLogs_haveOwnPositionsAndShareOutcomes() {
        put(41, recorded(1, "first"));
        try (DedupStore other = openFor(OTHER_LOG_ID)) {
            assertThat(connect(other)).isEmpty();
            assertThat(put(other, 7, recorded(1, "second"), recorded(2, "two")))
                    .containsExactly(recorded(1, "first"), recorded(2, "two"));
            assertThat(put(42, recorded(2, "mine"))).containsExactly(recorded(2, "two"));
            assertThat(connect(other)).hasValue(7);
        }
        assertThat(connect()).hasValue(42);
    }

    @Test
    void outcome_knowsItsLog_whichCanBeReplaced() {
        put(41, recorded(1, "first"));
        try (DedupStore other = openFor(OTHER_LOG_ID)) {
            connect(other);
            StoredOutcome found = put(other, 1, recorded(1, "second")).get(0);
            assertThat(found.logId()).isEqualTo(LOG_ID);
            assertThat(adopt(other, found)).isTrue();
            assertThat(get(id(1)).get(0).orElseThrow().logId()).isEqualTo(OTHER_LOG_ID);
            assertThat(adopt(store, found)).as("it has changed").isFalse();
            assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "first")));
        }
    }

    private static boolean adopt(DedupStore store, StoredOutcome existing) {
        return store.adopt(existing).toCompletableFuture().join();
    }

    @Test
    void dataLost_putIsRefusedUntilReconnected() {
        put(41, recorded(1, "first"));
        loseEverything();
        assertPutIsRefusedAndWritesNothing();
        assertThat(connect()).isEmpty();
        assertThat(put(1, recorded(77, "taken"))).containsExactly(recorded(77, "taken"));
    }

    @Test
    void dataLost_getFailsBecauseAMissingOutcomeMayHaveBeenAnswered() {
        put(41, recorded(1, "first"));
        loseEverything();
        assertThatThrownBy(() -> get(id(1))).hasCauseInstanceOf(StoreUnavailableException.class);
    }

    @Test
    void olderCopy_putIsRefusedUntilReconnected() {
        put(41, recorded(1, "first"));
        Runnable putBack = snapshot();
        put(42, recorded(2, "second"));
        putBack.run();
        assertPutIsRefusedAndWritesNothing();
        assertThat(connect()).hasValue(41);
    }

    @Test
    void olderCopy_getFails() {
        put(41, recorded(1, "first"));
        Runnable putBack = snapshot();
        put(42, recorded(2, "second"));
        putBack.run();
        assertThatThrownBy(() -> get(id(2))).hasCauseInstanceOf(StoreUnavailableException.class);
    }

    @Test
    void failoverAndBack_lostOutcomesAreNoticed() {
        put(41, recorded(1, "first"));
        Runnable failover = failoverAndBack();
        put(42, recorded(2, "second"));
        failover.run();
        assertThatThrownBy(() -> get(id(2))).hasCauseInstanceOf(StoreUnavailableException.class);
        assertThat(connect()).hasValue(41);
        assertThat(get(id(1), id(2))).containsExactly(Optional.of(recorded(1, "first")), Optional.empty());
    }

    /** Simulates a late call with another connection, which writes the same position with a different token. */
    @Test
    void anotherConnectionOfTheSameLog_isNoticed() {
        put(41, recorded(1, "first"));
        try (DedupStore late = openFor(LOG_ID)) {
            connect(late);
            put(late, 41);
        }
        assertPutIsRefusedAndWritesNothing();
        assertThat(connect()).hasValue(41);
    }

    @Test
    void evidence_isRememberedUntilItExpires() {
        ContentDigest digest = recorded(1, "evidence").digest();
        assertThat(store.knowsEvidence(id(1), digest).toCompletableFuture().join())
                .isFalse();
        assertThat(store.noteEvidence(id(1), digest, nowMillis + 100_000)
                        .toCompletableFuture()
                        .join())
                .isTrue();
        assertThat(store.knowsEvidence(id(1), digest).toCompletableFuture().join())
                .isTrue();
        assertThat(store.knowsEvidence(id(2), digest).toCompletableFuture().join())
                .isFalse();
        nowMillis += 100_000;
        assertThat(store.knowsEvidence(id(1), digest).toCompletableFuture().join())
                .isFalse();
    }

    @Test
    void closed_fails() {
        store.close();
        store.close();
        assertThatThrownBy(() -> get(id(1))).hasCauseInstanceOf(StoreUnavailableException.class);
        assertThatThrownBy(() -> put(1, recorded(1, "late"))).hasCauseInstanceOf(StoreUnavailableException.class);
        assertThatThrownBy(this::connect).hasCauseInstanceOf(StoreUnavailableException.class);
    }

    @Test
    void manyOutcomesAtOnce_keepTheirOrder() {
        StoredOutcome[] many = new StoredOutcome[3_000];
        for (int i = 0; i < many.length; i++) {
            many[i] = recorded(i, "body " + i);
        }
        assertThat(put(3_000, many)).containsExactly(many);
    }

    @Test
    void notConnected_fails() {
        try (DedupStore fresh = openFor(OTHER_LOG_ID)) {
            assertThatThrownBy(() ->
                            fresh.get(List.of(id(1))).toCompletableFuture().join())
                    .hasCauseInstanceOf(StoreUnavailableException.class);
            assertThatThrownBy(() -> put(fresh, 1)).hasCauseInstanceOf(StoreUnavailableException.class);
        }
    }

    @Test
    void twoBackends_sameCertificatesAtOnce_oneOutcomeEach() {
        try (DedupStore other = openFor(OTHER_LOG_ID)) {
            other.connect().toCompletableFuture().join();
            for (int round = 0; round < 20; round++) {
                List<StoredOutcome> mine = new ArrayList<>();
                List<StoredOutcome> theirs = new ArrayList<>();
                for (int i = 0; i < 200; i++) {
                    mine.add(recorded(200 * round + i, "mine"));
                    theirs.add(0, recorded(200 * round + i, "the other's"));
                }
                var first = store.putIfAbsent(mine, round).toCompletableFuture();
                var second = other.putIfAbsent(theirs, round).toCompletableFuture();
                List<StoredOutcome> seenThere = new ArrayList<>(second.join());
                Collections.reverse(seenThere);
                assertThat(first.join()).isEqualTo(seenThere);
            }
        }
    }

    @Test
    void put_beforeThePreviousPutIsAnswered_takesEffectInOrder() {
        List<CompletableFuture<List<StoredOutcome>>> puts = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            puts.add(store.putIfAbsent(List.of(recorded(i / 2, "put " + i)), i).toCompletableFuture());
        }
        for (int i = 0; i < 50; i++) {
            assertThat(puts.get(i).join()).containsExactly(recorded(i / 2, "put " + i / 2 * 2));
        }
        assertThat(connect()).hasValue(49);
    }
}
