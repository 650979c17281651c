// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static dev.flk.state.EngineHarness.ME;
import static dev.flk.state.RandomStates.reasonOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.state.History.Token;
import dev.flk.state.StateException.Reason;
import dev.flk.state.embedded.MemoryStorage;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests of a storage that returns with an older state and another history id while the engine runs. */
class RewoundStateTest {
    private final MemoryStorage before = new MemoryStorage(() -> "before", Long.MAX_VALUE);
    private final MemoryStorage after = new MemoryStorage(() -> "after", Long.MAX_VALUE);
    private volatile Storage current = before;
    private EngineHarness state;

    @BeforeEach
    void start() {
        commit(before, 15);
        commit(after, 14);
        Storage storage = CallInterceptor.wrap(Storage.class, (method, arguments) -> method.invoke(current, arguments));
        state = new EngineHarness(() -> storage);
    }

    private static void commit(Storage storage, int times) {
        try (EngineHarness committing = new EngineHarness(() -> storage)) {
            for (int i = 1; i <= times; i++) {
                committing.apply("request-" + i, committing.write("a", "k", "" + i));
            }
        }
    }

    @AfterEach
    void close() {
        state.close();
    }

    @Test
    void waitingFollower_noCalls_isNotifiedOfTheNewHistory() {
        CountDownLatch reported = new CountDownLatch(1);
        Runnable unused = state.engine.history().whenBeyond("before", 15, reported::countDown);

        current = after;

        await().until(() -> reported.getCount() == 0);
        assertThatThrownBy(() -> state.engine.history().events("before", 16, Long.MAX_VALUE, "", key -> true, 1_000))
                .isInstanceOfSatisfying(StateException.class, e -> {
                    assertThat(e.reason()).isEqualTo(Reason.HISTORY_CHANGED);
                    assertThat(e.details()).containsEntry("history_id", "after");
                });
    }

    @Test
    void followerStartsAfterTheHistoryChanged_isNotifiedAtOnce() {
        current = after;
        assertThat(state.engine.head().historyId()).isEqualTo("after");
        CountDownLatch reported = new CountDownLatch(1);

        Runnable unused = state.engine.history().whenBeyond("before", 15, reported::countDown);

        assertThat(reported.getCount()).isZero();
    }

    @Test
    void revisionsReused_earlierTokensAreRefused() {
        current = after;
        assertThat(state.apply(state.write("a", "k", "0")).revision()).isEqualTo(15);
        assertThat(state.apply(state.write("a", "k", "0")).revision()).isEqualTo(16);

        assertThat(reasonOf(() -> state.engine.history().resume(new Token("before", 15), "", "", key -> true)))
                .isEqualTo(Reason.HISTORY_CHANGED);
        assertThat(state.engine.history().resume(new Token("after", 15), "", "", key -> true))
                .isEqualTo(15);
    }

    @Test
    void answersOfTheOldHistory_areNotRepeated() {
        String committed = state.engine.begin(ME, null).txId();
        state.engine.stage(ME, committed, state.write("a", "k", "16"));
        assertThat(state.commit(committed, "").revision()).isEqualTo(16);
        String open = state.engine.begin(ME, null).txId();

        current = after;

        assertThat(state.apply("request-15", state.write("a", "k", "15")).revision())
                .isEqualTo(15);
        assertThat(reasonOf(() -> state.commit(committed, ""))).isEqualTo(Reason.HISTORY_CHANGED);
        assertThat(reasonOf(() -> state.commit(open, ""))).isEqualTo(Reason.HISTORY_CHANGED);
        assertThat(state.engine.openTransactions()).isZero();
    }
}
