// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class MemoryStoreTest extends DedupStoreContract {
    @Override
    DedupStore open() {
        return new MemoryStore(100, this::now);
    }

    @Test
    void full_hasNoRoomUntilAnOutcomeExpires() {
        for (int i = 0; i < 100; i++) {
            put(recorded(i, "body", nowMillis + 1 + i));
        }
        assertThat(store.hasRoomFor(1)).isFalse();
        nowMillis += 50;
        assertThat(store.hasRoomFor(50)).isTrue();
        assertThat(store.hasRoomFor(51)).isFalse();
    }
}
