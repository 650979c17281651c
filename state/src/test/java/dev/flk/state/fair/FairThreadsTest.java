// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.fair;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.fair.FairThreads.LaneId;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class FairThreadsTest {
    private static final long MOST = 1_000;

    private final FairThreads threads = new FairThreads("checks", 2, MOST);
    private final CountDownLatch end = new CountDownLatch(1);

    @AfterEach
    void close() {
        end.countDown();
        threads.close();
    }

    private static LaneId lane(String caller) {
        return new LaneId(caller, "");
    }

    /** A task that runs until the test ends. */
    private FairThreads.Task endless() {
        return new FairThreads.Task() {
            @Override
            public long weight() {
                return 100;
            }

            @Override
            public long order() {
                return 0;
            }

            @Override
            public boolean run() {
                try {
                    assertThat(end.await(1, TimeUnit.MINUTES)).isTrue();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                return true;
            }

            @Override
            public void drop() {}
        };
    }

    @Test
    void run_oneCallerWaitsWithMuch_othersAreAccepted() {
        int accepted = 0;
        while (threads.run(lane("greedy"), endless())) {
            accepted++;
        }
        assertThat(accepted).isEqualTo(1 + 5); // one runs, and those that wait take half of the bound

        assertThat(threads.run(lane("another"), endless())).isTrue();
        assertThat(threads.run(lane("another"), endless())).isTrue();
        assertThat(threads.run(lane("greedy"), endless())).isFalse();
    }
}
