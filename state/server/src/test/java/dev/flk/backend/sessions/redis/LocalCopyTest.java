// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.StoredSession.Kind;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class LocalCopyTest {
    @Test
    void hasRoomFor_replacedOlderAndForgottenVersions_takeNoRoom() {
        LocalCopy copy = new LocalCopy(500);
        copy.add(live("a", 1, "x".repeat(250)));
        copy.add(live("a", 2, "x".repeat(50))); // takes 251
        copy.add(live("a", 1, "x".repeat(250)));
        assertThat(copy.hasRoomFor("b", "x".repeat(48))).isTrue();
        assertThat(copy.hasRoomFor("b", "x".repeat(49))).isFalse();

        copy.forgetEndedBefore(Long.MAX_VALUE);

        assertThat(copy.hasRoomFor("b", "x".repeat(299))).isTrue();
        assertThat(copy.hasRoomFor("b", "x".repeat(300))).isFalse();
    }

    private static StoredSession live(String id, long version, String json) {
        return new StoredSession(id, version, Kind.LIVE, 0, 1, json);
    }

    @Test
    void linkEnded_earlierAndLaterListenersAreCalledOnce() {
        LocalCopy copy = new LocalCopy(1_000);
        AtomicInteger calls = new AtomicInteger();
        Runnable unused = copy.whenBeyond(0, calls::incrementAndGet);

        copy.end();
        assertThat(calls).hasValue(1);

        Runnable unusedToo = copy.whenBeyond(0, calls::incrementAndGet);
        assertThat(calls).hasValue(2);
    }
}
