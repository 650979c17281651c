// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class LocalCopyTest {
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
