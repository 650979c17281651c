// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.reload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

final class FileWatchTest {
    @Test
    void check_hangs_isReported_untilItEnds() throws Exception {
        AtomicLong nanos = new AtomicLong();
        CountDownLatch hangs = new CountDownLatch(1);
        CountDownLatch looking = new CountDownLatch(1);
        try (FileWatch watch = new FileWatch("test-watch", nanos::get)) {
            watch.every(() -> {
                looking.countDown();
                try {
                    hangs.await();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            });
            assertThat(looking.await(10, TimeUnit.SECONDS)).isTrue();
            nanos.set(TimeUnit.MINUTES.toNanos(2));
            assertThat(watch.secondsSinceLook()).isEqualTo(120);

            hangs.countDown();

            await().until(() -> watch.secondsSinceLook() == 0);
        }
    }
}
